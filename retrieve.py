"""Search songs by words and songs: `index` embeds the songs once, `search` ranks them.

python -u retrieve.py index MODEL_PATH DATA_PATH INDEX [--audio FOLDER] [--add]
python -u retrieve.py index --audio FOLDER INDEX
python -u retrieve.py remove INDEX SONG...
python -u retrieve.py merge INDEX
python -u retrieve.py search INDEX WORDS... [--like SONG] [--not WORDS]
python -u retrieve.py radio INDEX --like SONG --to radio.m3u8
python -u retrieve.py export MODEL_PATH DATA_PATH DIR
python -u retrieve.py serve INDEX [--port 7860]
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from command_line import Command, fire_commands, flag, one_of, whole_number
from dataset.files import user_path
from errors import UserError

if TYPE_CHECKING:
    from retrieval.search import Searcher


def index(
    *paths: str,
    audio: str | None = None,
    w2v_type: str | None = None,
    is_subset: bool = False,
    gpu_id: str = "0",
    add: bool = False,
    by: str = "auto",
    wheel: str | None = None,
) -> None:
    """Embed songs and write them to a folder, the last of PATHS.

    Parameters
    ----------
    paths : str
        MODEL_PATH DATA_PATH INDEX: a checkpoint of main.py or its folder, the dataset directory
        that it was trained on, the folder to write. Or INDEX alone, with --audio: the songs are
        searched for the tags of musicnn, with no training.
    audio : str, optional
        Folder of audio files to embed, which need no tags; by default the songs of DATA_PATH. A
        model must be one of --input_type spec, or of spec+... by masked fusion.
    w2v_type : str, optional
        For a checkpoint of the paper's authors, which does not say it: NAME of the word vectors,
        NAME_emb.pkl.
    is_subset : bool
        For such a checkpoint: it was trained on the smaller set (sub_*).
    gpu_id : str
        GPU number, or cpu; without a GPU the CPU is used.
    add : bool
        Add the songs that an index lacks to it, instead of making it anew.
    by : str
        How neighbours are looked for, also --index: flat (all songs are compared), hnsw, ivfpq, or
        auto, which is flat up to 100,000 songs and ivfpq beyond.
    wheel : str, optional
        With INDEX alone: the package of musicnn, musicnn-0.1.0-py3-none-any.whl; by default it is
        fetched from PyPI, once, 29 MB.
    """
    if len(paths) != 3 and not (len(paths) == 1 and audio):
        raise UserError("give MODEL_PATH DATA_PATH INDEX, or --audio FOLDER INDEX")
    *of_model, index = paths
    idle = ["--wheel"] if of_model and wheel else []
    idle += ["--w2v_type"] if w2v_type and not of_model else []
    idle += ["--is_subset"] if is_subset and not of_model else []
    if idle:
        print(f"no effect {'with' if of_model else 'without'} a model: {', '.join(idle)}")
    folder = None if audio is None else user_path(audio)
    if folder and not folder.is_dir():
        raise UserError(f"{folder} is not a directory: give --audio a folder of audio files")
    from retrieval.index_writing import add_songs, index_folder, write_index
    from retrieval.nearest import KINDS, SAID
    from retrieval.song_index import read_index

    one_of("--index", by, KINDS)
    into = index_folder(user_path(index))
    old = read_index(into) if flag("--add", add) else None
    known = old.songs() if old else ()
    if folder and not of_model:
        from retrieval.untrained import index_untrained

        model, songs = index_untrained(folder, user_path(wheel) if wheel else None, known)
    else:
        model_path, data_path = of_model
        given = _model_options(model_path, data_path, w2v_type, is_subset, gpu_id)
        from retrieval.embedding import index_songs  # torch takes seconds: only where it computes

        model, songs = index_songs(given, folder, known)
    if old:
        print(f"{add_songs(into, model, songs, by)} songs added")
    else:
        write_index(into, model, songs, by)
    made = read_index(into)
    print(f"{len(made)} songs, to be searched for {len(model.tags)} tags")
    words = model.vectors_file or "no word vectors found: give them to search with --vectors"
    print(f"and for other words ({words})")
    print("; ".join(SAID[kind] for kind in sorted({part.about["kind"] for part in made.parts})))
    print(f"written to {into}")


def remove(index: str, *songs: str) -> None:
    """Take songs out of an index, by their ids."""
    if not songs:
        raise UserError("no SONG given: remove INDEX SONG...")
    from retrieval.index_writing import remove_songs

    remove_songs(user_path(index), songs)
    print(f"{len(set(songs))} songs taken out of {index}")


def merge(index: str, by: str = "auto") -> None:
    """Make one large part of what --add left in many, without the songs that were taken out.

    Parameters
    ----------
    index : str
        The index.
    by : str
        How neighbours are looked for, as for `index`.
    """
    from retrieval.index_writing import merge_parts
    from retrieval.nearest import KINDS

    n_less = merge_parts(user_path(index), one_of("--index", by, KINDS))
    print(f"{index} has {n_less} parts less" if n_less else f"{index} is in as few parts as may be")


def search(
    index: str,
    *words: str,
    top: int = 10,
    to: str | None = None,
    vectors: str | None = None,
    like: str = "",
    without: str = "",
    only_tag: str = "",
    artist_limit: int = 0,
    diverse: bool = False,
) -> None:
    """Print the songs that fit the words and songs best, all together; commas stand between words.

    `search INDEX smooth jazz:2, sad` asks for two: 'smooth jazz', which counts twice, and 'sad'.
    Without WORDS and --like, queries are read line by line from standard input.

    Parameters
    ----------
    index : str
        What `retrieve.py index` wrote.
    words : str
        Tags, or any words that have a word vector.
    top : int
        How many songs.
    to : str, optional
        File for the songs found: a table (.tsv) or a playlist (.m3u, .m3u8).
    vectors : str, optional
        File of word vectors for words that are not tags, the same as the model was trained with;
        by default where they were when the index was made. Any, for an index without a model.
    like : str
        A song to be near: its id, or an audio file; may stand several times.
    without : str
        Words to keep away from, also --not; may stand several times.
    only_tag : str
        A tag that all answers bear; may stand several times.
    artist_limit : int
        The most songs of one artist; 0 for any number.
    diverse : bool
        Choose answers that differ from each other.
    """
    n_songs = whole_number("--top", top, 1)
    limit = whole_number("--artist_limit", artist_limit, 0)
    is_diverse = flag("--diverse", diverse)
    if to is not None and not (words or like):
        raise UserError("--to takes the songs found for WORDS or --like: give some")
    from retrieval.search import Rules
    from retrieval.showing import hits_table, result_file, write_hits

    file = None if to is None else result_file(to)
    searcher = _searcher(index, vectors)
    rules = Rules(searcher.words.in_query(only_tag), limit, is_diverse)

    def answer(query: str) -> None:
        wanted = searcher.wanted(query, like.splitlines(), without)
        hits = searcher.search(wanted, n_songs, rules)
        if file is not None:
            write_hits(searcher.index, wanted, hits, file)
        print(hits_table(searcher.index, wanted, hits))

    if words or like:
        answer(" ".join(words))
    else:
        _answer_lines(answer)


def radio(
    index: str,
    *words: str,
    like: str = "",
    length: int = 20,
    to: str | None = None,
    vectors: str | None = None,
) -> None:
    """Print a path of songs that stays near --like and WORDS and repeats no artist.

    Parameters
    ----------
    index, words, to, vectors
        As for `search`.
    like : str
        A song to begin near: its id, or an audio file; may stand several times.
    length : int
        How many songs.
    """
    n_songs = whole_number("--length", length, 1)
    from retrieval.showing import hits_table, result_file, write_hits

    file = None if to is None else result_file(to)
    searcher = _searcher(index, vectors)
    wanted = searcher.wanted(" ".join(words), like.splitlines())
    hits = searcher.radio(wanted, n_songs)
    if file is not None:
        write_hits(searcher.index, wanted, hits, file)
    print(hits_table(searcher.index, wanted, hits))
    if len(hits) < n_songs:
        print(f"{len(hits)} songs, as no artist comes twice")


def export(
    model_path: str,
    data_path: str,
    to: str,
    w2v_type: str | None = None,
    is_subset: bool = False,
    gpu_id: str = "0",
) -> None:
    """Write a model for other programs: ONNX, embeddings of songs and tags, and a card.

    Parameters
    ----------
    model_path, data_path, w2v_type, is_subset, gpu_id
        As for `index`.
    to : str
        The folder to write.
    """
    given = _model_options(model_path, data_path, w2v_type, is_subset, gpu_id)
    from retrieval.export import export_model

    n_songs = export_model(given, user_path(to))
    print(f"branches, a card and the embeddings of {n_songs} songs written to {to}")


def serve(
    index: str, port: int = 7860, host: str = "127.0.0.1", vectors: str | None = None
) -> None:
    """Serve a page to search and listen to an index in a browser, until Ctrl-C.

    Parameters
    ----------
    index, vectors
        As for `search`.
    port : int
        Where the page is, http://127.0.0.1:PORT/; 0 for any that is free.
    host : str
        Address to listen on: by default only this machine reaches the page, with 0.0.0.0 all do
        that reach the machine.
    """
    whole_number("--port", port, 0)
    from retrieval.page import serve_page

    serve_page(_searcher(index, vectors), host, port)


def _model_options(
    model_path: str, data_path: str, w2v_type: str | None, is_subset: bool, gpu_id: str
) -> dict:
    """Options of main.py that open a model and its data."""
    given: dict = {"model_load_path": model_path, "data_path": data_path, "gpu_id": gpu_id}
    given |= {} if w2v_type is None else {"w2v_type": w2v_type}
    return given | ({"is_subset": True} if flag("--is_subset", is_subset) else {})


def _searcher(index: str, vectors: str | None) -> "Searcher":
    from retrieval.search import Searcher
    from retrieval.song_index import read_index

    return Searcher(read_index(user_path(index)), user_path(vectors) if vectors else None)


def _answer_lines(answer: Callable[[str], None]) -> None:
    """Answer each line of standard input; what cannot be answered does not stop the others."""
    lines = sys.stdin or ()  # closed, where nothing can be asked
    is_terminal = bool(sys.stdin) and sys.stdin.isatty()
    prompt = "words (Ctrl-D ends): " if is_terminal else ""
    n_failed = 0
    print(prompt, end="", flush=True)
    for query in lines:
        try:
            if query.strip():
                answer(query)
        except UserError as error:
            n_failed += 1
            print(f"error: {error}", file=sys.stderr)
        print(f"\n{prompt}", end="", flush=True)
    if n_failed and not is_terminal:
        sys.exit(2)


def arguments_of(argv: list[str]) -> list[str]:
    """Return arguments as Fire takes them, which keeps only the last of an option given twice.

    What may stand several times is joined, a line each; --not and --index get names that Python
    allows.
    """
    names = {"--not": "--without", "--index": "--by"}
    several = ("--like", "--without", "--only_tag")
    rest: list[str] = []
    given: dict[str, list[str]] = {}
    left = iter(argv)
    for word in left:
        name, equals, value = word.partition("=")
        name = names.get(name, name.replace("-", "_").replace("__", "--", 1))
        if word.startswith("--") and name in several:
            given.setdefault(name, []).append(value if equals else next(left, ""))
        else:
            rest.append(f"{name}{equals}{value}" if word.startswith("--") else word)
    return rest + [f"{name}={chr(10).join(values)}" for name, values in given.items()]


COMMANDS: dict[str, Command] = {
    one.__name__: one for one in (index, remove, merge, search, radio, serve, export)
}

if __name__ == "__main__":
    fire_commands(COMMANDS, arguments_of(sys.argv[1:]))
