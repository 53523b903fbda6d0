"""Search songs by words and songs: `index` embeds the songs once, `search` ranks them.

python -u retrieve.py index MODEL_PATH DATA_PATH INDEX [--audio FOLDER] [--add]
python -u retrieve.py index --audio FOLDER INDEX
python -u retrieve.py remove INDEX SONG...
python -u retrieve.py merge INDEX
python -u retrieve.py search INDEX WORDS... [--like SONG] [--not WORDS]
python -u retrieve.py radio INDEX --like SONG --to radio.m3u8
python -u retrieve.py export MODEL_PATH DATA_PATH TO
python -u retrieve.py serve INDEX [--port 7860]
"""

import sys
from typing import TYPE_CHECKING

from command_line import Command, fire_commands, flag, one_of, run_or_explain, whole_number
from dataset.files import counted, user_path
from errors import UserError
from retrieval.console import answer_lines, arguments_of

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
        How neighbours are looked for, on the command line --index: flat (all songs are compared),
        hnsw, ivfpq, or auto, which is flat up to 100,000 songs and ivfpq beyond.
    wheel : str, optional
        With INDEX alone: the package of musicnn, musicnn-0.1.0-py3-none-any.whl; by default it is
        fetched from PyPI, once, 29 MB.
    """
    is_added = flag("--add", add)
    if len(paths) != 3 and not (len(paths) == 1 and audio):
        raise UserError("give MODEL_PATH DATA_PATH INDEX, or --audio FOLDER INDEX")
    *of_model, index = paths
    unused = {"--wheel": wheel} if of_model else {"--w2v_type": w2v_type, "--is_subset": is_subset}
    idle = [name for name, value in unused.items() if value]
    if idle:
        print(f"no effect {'with' if of_model else 'without'} a model: {', '.join(idle)}")
    folder = None if audio is None else user_path(audio)
    if folder and not folder.is_dir():
        raise UserError(f"{folder} is not a directory: give --audio a folder of audio files")
    from retrieval.folder_report import read_times
    from retrieval.index_writing import index_folder, put_into_index
    from retrieval.nearest import KINDS
    from retrieval.song_index import read_index

    one_of("--index", by, KINDS)
    into = index_folder(user_path(index))
    earlier = read_index(into) if is_added else None
    times = read_times(into) if is_added else {}
    if folder and not of_model:
        from retrieval.untrained import index_untrained

        model, songs = index_untrained(folder, user_path(wheel) if wheel else None, earlier, times)
    else:
        model_path, data_path = of_model
        given = _model_options(model_path, data_path, w2v_type, is_subset, gpu_id)
        from retrieval.embedding import index_songs  # torch takes seconds: only where it computes

        model, songs = index_songs(given, folder, earlier, times)
    put_into_index(into, model, songs, by, is_added)


def remove(index: str, *songs: str, song: str = "") -> None:
    """Take songs out of an index.

    Parameters
    ----------
    index : str
        The index.
    songs : str
        Their ids, as `search --to FILE.tsv` writes them.
    song : str
        An id that begins with a dash, --song=-intro.mp3; may stand several times.
    """
    songs += tuple(_lines(song))
    if not songs:
        raise UserError("no SONG given: remove INDEX SONG...")
    from retrieval.index_writing import remove_songs

    remove_songs(user_path(index), songs)
    print(f"{counted(len(set(songs)), 'song')} taken out of {index}")


def merge(index: str, by: str = "auto") -> None:
    """Make one large part of what --add left in many, without the songs that were taken out.

    Parameters
    ----------
    index : str
        The index.
    by : str
        How neighbours are looked for, on the command line --index: flat, hnsw, ivfpq, or auto.
    """
    from retrieval.index_writing import merge_parts, print_kinds
    from retrieval.nearest import KINDS
    from retrieval.song_index import read_index

    n_less = merge_parts(user_path(index), one_of("--index", by, KINDS))
    less = f"{index} has {counted(n_less, 'part')} less"
    print(less if n_less else f"{index} is in as few parts as may be")
    print_kinds(read_index(user_path(index)))


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
        Tags, or any words that have a word vector, with weights if they are not to count alike.
    top : int
        How many songs.
    to : str, optional
        File for the songs found: a table (.tsv) or a playlist (.m3u, .m3u8).
    vectors : str, optional
        File of word vectors for words that are not tags, the same as the model was trained with;
        by default where they were when the index was made. Any, for an index without a model.
    like : str
        A song to be near: its id, or an audio file, and perhaps a weight, DEMO00003:0.5; may stand
        several times.
    without : str
        Words to keep away from, and perhaps weights, also --not; may stand several times.
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
    only = searcher.words.in_query(only_tag)
    rules = Rules(only, limit, is_diverse)

    def answer(query: str) -> None:
        wanted = searcher.wanted(query, _lines(like), without)
        hits = searcher.search(wanted, n_songs, rules)
        if file is not None:
            write_hits(searcher.index, wanted, hits, file)
        print(hits_table(searcher.index, wanted, hits, only))

    if words or like:
        answer(" ".join(words))
    else:
        answer_lines(answer)


def radio(
    index: str,
    *words: str,
    like: str = "",
    without: str = "",
    length: int = 20,
    to: str | None = None,
    vectors: str | None = None,
) -> None:
    """Print a path of songs that stays near --like and WORDS and repeats no artist.

    Parameters
    ----------
    index : str
        What `retrieve.py index` wrote.
    words : str
        Words to be near as well, as for `search`.
    like : str
        A song to begin near: its id, or an audio file; may stand several times.
    without : str
        Words to keep away from, also --not.
    length : int
        How many songs.
    to : str, optional
        File for the songs: a playlist (.m3u8, .m3u) or a table (.tsv).
    vectors : str, optional
        File of word vectors for words that are not tags, as for `search`.
    """
    n_songs = whole_number("--length", length, 1)
    from retrieval.showing import hits_table, result_file, write_hits

    file = None if to is None else result_file(to)
    searcher = _searcher(index, vectors)
    wanted = searcher.wanted(" ".join(words), _lines(like), without)
    hits = searcher.radio(wanted, n_songs)
    if file is not None:
        write_hits(searcher.index, wanted, hits, file)
    print(hits_table(searcher.index, wanted, hits))
    if len(hits) < n_songs:
        is_short = len(searcher.search(wanted, n_songs)) <= len(hits)
        why = "the index has no more" if is_short else "no artist comes twice"
        print(f"{counted(len(hits), 'song')}, as {why}")


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
    model_path : str
        A checkpoint of main.py or its folder.
    data_path : str
        The dataset directory that it was trained on.
    to : str
        The folder to write.
    w2v_type : str, optional
        For a checkpoint of the paper's authors: NAME of the word vectors, NAME_emb.pkl.
    is_subset : bool
        For such a checkpoint: it was trained on the smaller set (sub_*).
    gpu_id : str
        GPU number, or cpu; without a GPU the CPU is used.
    """
    given = _model_options(model_path, data_path, w2v_type, is_subset, gpu_id)
    from retrieval.export import export_model

    n_songs = export_model(given, user_path(to))
    embedded = f"the embeddings of {counted(n_songs, 'song')}"
    print(f"branches, a card and {embedded} written to {to}")


def serve(
    index: str, port: int = 7860, host: str = "127.0.0.1", vectors: str | None = None
) -> None:
    """Serve a page to search and listen to an index in a browser, until Ctrl-C.

    Parameters
    ----------
    index : str
        What `retrieve.py index` wrote.
    port : int
        Where the page is, http://127.0.0.1:PORT/; 0 for any that is free.
    host : str
        Address to listen on: by default only this machine reaches the page, with 0.0.0.0 all do
        that reach the machine.
    vectors : str, optional
        File of word vectors for words that are not tags, as for `search`.
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


def _lines(joined: str) -> list[str]:
    """What `arguments_of` has joined; a song id may hold other ends of lines than this."""
    return [one for one in joined.split("\n") if one]


def _searcher(index: str, vectors: str | None) -> "Searcher":
    from retrieval.search import Searcher
    from retrieval.song_index import read_index

    searcher = Searcher(read_index(user_path(index)), user_path(vectors) if vectors else None)
    if vectors:  # who names a file is told at once if it is of no use
        searcher.words.open_vectors()
    return searcher


COMMANDS: dict[str, Command] = {
    one.__name__: one for one in (index, remove, merge, search, radio, serve, export)
}

if __name__ == "__main__":
    run_or_explain(lambda: fire_commands(COMMANDS, arguments_of(sys.argv[1:])))
