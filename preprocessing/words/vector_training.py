"""Training word vectors of a domain on a text, with its frequent phrases as words.

A general text knows 'house' as a building and 'jungle' as a forest. The paper (section 3.1) takes
word vectors from a text on music instead, with multi-word terms such as 'smooth jazz' as one word.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import gensim
from gensim.models import KeyedVectors, Word2Vec

from command_line import existing_file
from dataset.moving import remove_with
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.words.count_vectors import count_vectors
from preprocessing.words.song_tags import SONGS_READ, read_training_tags, write_tags
from preprocessing.words.vector_files import FOLDER_SUFFIX, model_files
from preprocessing.words.word_text import Sentences, write_phrased
from progress import progress


@dataclass(frozen=True)
class Recipe:
    """How to train: word2vec's CBOW with negative sampling, or counts (`count_vectors`).

    The options of `step2_word_embedding.py train` explain each. Their defaults for CBOW were chosen
    by looking at the neighbours of tags on a text of 3.5 million words. With them it finds
    drum_and_bass, breakcore and techstep next to jungle; with gensim's own (learning rate 0.025,
    `sample` 0.001) it finds little, and skip-gram takes longer and brings up the rare words of
    single sentences.
    """

    method: str
    dimensions: int
    epochs: int
    window: int
    negative: int
    sample: float
    min_count: int
    phrase_threshold: float
    song_tags: int
    seed: int
    workers: int


def train_word_vectors(data_path: Path, corpus: Path, name: str, recipe: Recipe) -> None:
    """Train word vectors and write `<name>_w2v/<name>_trigrams_<dimensions>.model`.

    The corpus is UTF-8 text, one sentence a line, words separated by blanks and taken as they are;
    plain or compressed (gzip, bzip2, xz). It is read three times and never held in memory. The
    model is in one file: a gensim Word2Vec; with counts gensim KeyedVectors.

    Raises
    ------
    UserError
        The text is missing, damaged or too small, or the folder holds other vectors; or tags are
        to be read and are not there.
    """
    target = Path(f"{name}{FOLDER_SUFFIX}", f"{name}_trigrams_{recipe.dimensions}.model")
    existing_file(corpus, "give a text file, one sentence a line, as CORPUS")
    folder = data_path / target.parent
    others = [file.name for file in model_files(folder) if file.name != target.name]
    if others:
        raise UserError(
            f"{folder} already holds {', '.join(others)}: choose another --name, or move it away"
        )
    tags = read_training_tags(data_path) if recipe.song_tags else {}
    with staged(data_path) as stage:
        phrased = stage / "phrased.txt"
        with open(phrased, "w", encoding="utf-8", newline="\n") as stream:
            counts = write_phrased(corpus, stream, recipe.min_count, recipe.phrase_threshold)
            write_tags(
                list(tags.values()),
                stream,
                counts,
                min_count=recipe.min_count,
                times=recipe.song_tags,
                seed=recipe.seed,
            )
        train = _train_counts if recipe.method == "counts" else _train_cbow
        model = train(phrased, counts, recipe)
        words = model.wv if isinstance(model, Word2Vec) else model
        phrased.unlink()
        if not len(words):
            raise UserError(
                f"{corpus} has no word that occurs {recipe.min_count} times: give a longer text, "
                "one sentence a line, or a smaller --min_count"
            )
        (stage / target).parent.mkdir()
        # One file, so that it is replaced whole: gensim would put arrays over 10 MB beside it.
        model.save(str(stage / target), separately=[], sep_limit=2**62)
        if tags:
            (stage / target).with_name(SONGS_READ).write_text("\n".join(tags), encoding="utf-8")
        else:
            remove_with(stage, str(target.with_name(SONGS_READ)))  # of earlier vectors
        facts = {"corpus": str(corpus), "gensim": gensim.__version__, **asdict(recipe)}
        write_about(stage, data_path, f"step2_train_{name}", facts)
    print(f"{data_path / target}: {len(words)} words and phrases, {recipe.dimensions} dimensions")


def _train_counts(phrased: Path, counts: Counter[str], recipe: Recipe) -> KeyedVectors:
    common = {word: n for word, n in counts.most_common() if n >= recipe.min_count}
    model = KeyedVectors(recipe.dimensions)
    model.lifecycle_events = None  # as below
    if common:
        total = phrased.stat().st_size
        with progress(None, "counting pairs", total, unit="B", unit_scale=True) as bar:
            numbers = count_vectors(
                Sentences(phrased, bar.update),
                common,
                dimensions=recipe.dimensions,
                window=recipe.window,
                sample=recipe.sample,
                seed=recipe.seed,
            )
        model.add_vectors(list(common), numbers)
    return model


def _train_cbow(phrased: Path, counts: Counter[str], recipe: Recipe) -> Word2Vec:
    model = Word2Vec(
        sg=0,
        alpha=0.05,  # as the original word2vec program has it for CBOW
        vector_size=recipe.dimensions,
        window=recipe.window,
        negative=recipe.negative,
        sample=recipe.sample,
        min_count=recipe.min_count,
        seed=recipe.seed,
        workers=recipe.workers,
    )
    # Events and training time carry the clock: without them, the same vectors are the same file.
    model.lifecycle_events = model.wv.lifecycle_events = None
    # Not `build_vocab(sentences)`: that would count the words of repeated sentences twice.
    model.build_vocab_from_freq(counts)
    if len(model.wv):
        total = recipe.epochs * phrased.stat().st_size
        with progress(None, "training word2vec", total, unit="B", unit_scale=True) as bar:
            sentences = Sentences(phrased, bar.update)
            n_words = sum(map(len, Sentences(phrased)))
            model.train(sentences, total_words=n_words, epochs=recipe.epochs)
    model.total_train_time = 0.0
    return model
