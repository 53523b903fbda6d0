"""Training word vectors of a domain: word2vec on a text, with its frequent phrases as words.

A general text knows 'house' as a building and 'jungle' as a forest. The paper (section 3.1) takes
word vectors from a text on music instead, with multi-word terms such as 'smooth jazz' as one word.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import gensim
from gensim.models import Word2Vec
from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS, FrozenPhrases, Phrases

from command_line import existing_file
from dataset.files import normal_form
from dataset.writing import staged, write_about
from errors import UserError
from preprocessing.words.packed_files import DAMAGE, open_unpacked
from preprocessing.words.vector_files import model_files
from preprocessing.words.word_vectors import FOLDER_SUFFIX
from progress import progress


@dataclass(frozen=True)
class Recipe:
    """How to train: continuous bag of words (CBOW) with negative sampling.

    The defaults were chosen by looking at the neighbours of tags on a text of 3.5 million words.
    With them CBOW finds drum_and_bass, breakcore and techstep next to jungle; with gensim's own
    (learning rate 0.025, `sample` 0.001) it finds little, and skip-gram takes longer and brings up
    the rare words of single sentences. The options of `step2_word_embedding.py train` explain each.
    """

    dimensions: int = 300
    epochs: int = 10
    window: int = 5
    negative: int = 10
    sample: float = 1e-4
    min_count: int = 5
    phrase_threshold: float = 10.0
    seed: int = 0
    workers: int = 1


def train_word_vectors(data_path: Path, corpus: Path, name: str, recipe: Recipe) -> Path:
    """Train word vectors and write `<name>_w2v/<name>_trigrams_<dimensions>.model`.

    Parameters
    ----------
    data_path : Path
        The dataset directory.
    corpus : Path
        UTF-8 text, one sentence a line, words separated by blanks and taken as they are; plain or
        compressed (gzip, bzip2, xz). It is read three times and never held in memory.
    name : str
        What to call the vectors; `--w2v_type` of main.py chooses by it.
    recipe : Recipe
        How to train.

    Returns
    -------
    Path
        The model, a gensim Word2Vec in one file.

    Raises
    ------
    UserError
        The text is missing, damaged or too small, or the folder holds other vectors.
    """
    target = Path(f"{name}{FOLDER_SUFFIX}", f"{name}_trigrams_{recipe.dimensions}.model")
    existing_file(corpus, "give a text file, one sentence a line, as CORPUS")
    folder = data_path / target.parent
    others = [file.name for file in model_files(folder) if file.name != target.name]
    if others:
        raise UserError(
            f"{folder} already holds {', '.join(others)}: choose another --name, or move it away"
        )
    with staged(data_path) as stage:
        phrased = stage / "phrased.txt"
        counts = _write_phrased(corpus, phrased, recipe)
        model = _train(phrased, counts, recipe)
        phrased.unlink()
        if not len(model.wv):
            raise UserError(
                f"{corpus} has no word that occurs {recipe.min_count} times: give a longer text, "
                "one sentence a line, or a smaller --min_count"
            )
        (stage / target).parent.mkdir()
        # One file, so that it is replaced whole: gensim would put arrays over 10 MB beside it.
        model.save(str(stage / target), separately=[], sep_limit=2**62)
        facts = {"corpus": str(corpus), "gensim": gensim.__version__, **asdict(recipe)}
        write_about(stage, data_path, f"step2_train_{name}", facts)
    print(
        f"{data_path / target}: {len(model.wv)} words and phrases, {recipe.dimensions} dimensions"
    )
    return data_path / target


# ---------------------------------------------------------------- text and phrases


class Sentences:
    """The sentences of a text file as lists of words, from the start at each iteration."""

    def __init__(self, file: Path, count_bytes: Callable[[int], object]):
        self.file = file
        self.count_bytes = count_bytes

    def __iter__(self) -> Iterator[list[str]]:
        try:
            with open_unpacked(self.file, self.count_bytes) as stream:
                lines = io.TextIOWrapper(stream, encoding="utf-8-sig")
                yield from (words for line in lines if (words := normal_form(line).split()))
        except UnicodeDecodeError:
            raise UserError(f"{self.file} is not UTF-8 text: convert it to UTF-8") from None
        except DAMAGE as error:
            raise UserError(f"{self.file} is damaged ({error}): get it again") from None


def _write_phrased(corpus: Path, phrased: Path, recipe: Recipe) -> Counter[str]:
    """Write each sentence of `corpus`, and again with its phrases joined by '_', if it has any.

    With its phrases alone, 'metal' would be met mostly as a material: black_metal and heavy_metal
    have taken the others away. Word2vec reads its text many times and joining phrases takes longer
    than reading, so it is done once.

    Returns
    -------
    Counter
        How often each word, and each phrase, stands in `corpus`.
    """
    counts: Counter[str] = Counter()
    total = 3 * corpus.stat().st_size
    with progress(None, "finding phrases", total, unit="B", unit_scale=True) as bar:
        sentences = Sentences(corpus, bar.update)
        pairs = _find_phrases(sentences, recipe)
        # Pairs of pairs and words: phrases of up to four words.
        longer = _find_phrases(_join(sentences, pairs), recipe)
        with open(phrased, "w", encoding="utf-8", newline="\n") as stream:
            for words in sentences:
                stream.write(" ".join(words) + "\n")
                counts.update(words)
                joined = next(_join([words], pairs, longer))
                if len(joined) < len(words):
                    stream.write(" ".join(joined) + "\n")
                    counts.update(phrase for phrase in joined if phrase not in words)
    return counts


def _find_phrases(sentences: Iterable[list[str]], recipe: Recipe) -> FrozenPhrases:
    return Phrases(
        sentences,
        min_count=recipe.min_count,
        threshold=recipe.phrase_threshold,
        connector_words=ENGLISH_CONNECTOR_WORDS,  # drum_and_bass is a pair; of_the is none
        # `freeze` splits a phrase at each delimiter to count its halves. With '_' it would take
        # new_york_city for new + city; a blank is in no word.
        delimiter=" ",
    ).freeze()


def _join(sentences: Iterable[list[str]], *phrases: FrozenPhrases) -> Iterator[list[str]]:
    for sentence in sentences:
        for pairs in phrases:
            sentence = [word.replace(" ", "_") for word in pairs[sentence]]
        yield sentence


# ---------------------------------------------------------------- word2vec


def _train(phrased: Path, counts: Counter[str], recipe: Recipe) -> Word2Vec:
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
            n_words = sum(map(len, Sentences(phrased, lambda _: None)))
            model.train(sentences, total_words=n_words, epochs=recipe.epochs)
    model.total_train_time = 0.0
    return model
