"""Search songs by words: `index` embeds the songs once, `search` ranks them.

python -u retrieve.py index MODEL_PATH DATA_PATH INDEX [--audio FOLDER]
python -u retrieve.py search INDEX WORDS...
"""

import sys
from collections.abc import Callable

from command_line import fire_commands, flag, whole_number
from dataset.files import user_path
from dataset.writing import writable_file
from errors import UserError


def index(
    model_path: str,
    data_path: str,
    index: str,
    audio: str | None = None,
    w2v_type: str | None = None,
    is_subset: bool = False,
    gpu_id: str = "0",
) -> None:
    """Embed songs by a trained model and write them to the file INDEX.

    Parameters
    ----------
    model_path : str
        A checkpoint of main.py, or its folder.
    data_path : str
        The dataset directory that the model was trained on.
    index : str
        The file to write.
    audio : str, optional
        Folder of audio files to embed, which need no tags; by default the songs of DATA_PATH. The
        model must be one of --input_type spec.
    w2v_type : str, optional
        For a checkpoint of the paper's authors, which does not say it: NAME of the word vectors,
        NAME_emb.pkl.
    is_subset : bool
        For such a checkpoint: it was trained on the smaller set (sub_*).
    gpu_id : str
        GPU number, or cpu; without a GPU the CPU is used.
    """
    file = writable_file(index)
    folder = None if audio is None else user_path(audio)
    if folder and not folder.is_dir():
        raise UserError(f"{folder} is not a directory: give --audio a folder of audio files")
    given: dict = {"model_load_path": model_path, "data_path": data_path, "gpu_id": gpu_id}
    given |= {} if w2v_type is None else {"w2v_type": w2v_type}
    given |= {"is_subset": True} if flag("--is_subset", is_subset) else {}
    from retrieval.embedding import index_songs  # torch takes seconds: only where it computes
    from retrieval.song_index import write_index

    made = index_songs(given, folder)
    write_index(made, file)
    print(f"{len(made.songs)} songs, to be searched for {len(made.tags)} tags")
    words = made.vectors_file or "no word vectors found: give them to search with --vectors"
    print(f"and for other words ({words})")
    print(f"written to {file}")


def search(
    index: str, *words: str, top: int = 10, to: str | None = None, vectors: str | None = None
) -> None:
    """Print the songs that fit the words best, all together; commas stand between words.

    `search INDEX smooth jazz, sad` asks for two: 'smooth jazz' and 'sad'. Without WORDS, queries
    are read line by line from standard input.

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
        by default where they were when the index was made.
    """
    n_songs = whole_number("--top", top, 1)
    if to is not None and not words:
        raise UserError("--to takes the songs found for WORDS: give some")
    from retrieval.search import Searcher, hits_table, result_file, words_in, write_hits
    from retrieval.song_index import read_index

    file = None if to is None else result_file(to)
    songs = read_index(user_path(index))
    searcher = Searcher(songs, user_path(vectors) if vectors else None)

    def answer(query: str) -> None:
        asked = words_in(query)
        if not asked:
            raise UserError("no WORDS given: search INDEX smooth jazz, sad")
        hits = searcher.find(asked, n_songs)
        if file is not None:
            write_hits(songs, asked, hits, file)
        print(hits_table(songs, asked, hits))

    if words:
        answer(" ".join(words))
    else:
        _answer_lines(answer)


def _answer_lines(answer: Callable[[str], None]) -> None:
    """Answer each line of standard input; what cannot be answered does not stop the others."""
    is_terminal = sys.stdin.isatty()
    prompt = "words (Ctrl-D ends): " if is_terminal else ""
    n_failed = 0
    print(prompt, end="", flush=True)
    for query in sys.stdin:
        try:
            if query.strip():
                answer(query)
        except UserError as error:
            n_failed += 1
            print(f"error: {error}", file=sys.stderr)
        print(f"\n{prompt}", end="", flush=True)
    if n_failed and not is_terminal:
        sys.exit(2)


if __name__ == "__main__":
    fire_commands({"index": index, "search": search})
