"""The clean-up of tag annotations that made the paper's MSD500, one function a rule.

Won et al., ICASSP 2021 (arXiv 2010.16030), section on the data set. All rules work on one table,
a pandas DataFrame with a row for each annotation:

    song    str     song id
    tag     str     the tag as its tagger wrote it
    score   float   0 to 100, how strongly the song bears the tag
    lemma   str     what all spellings of the tag have in common (from `add_lemmas` on)
    cleaned str     the tag's name from now on (from `group_by_lemma` on)

`clean_tags` calls the rules in the paper's order. Two tables of knowledge stand beside this file
as data: `tag_lists/not_music.txt`, tags that describe no music, and `tag_lists/categories.tsv`.
"""

import functools
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dataset.files import read_tsv
from errors import UserError
from preprocessing.rules import Report, leaves, of_songs, scored

TAG_LISTS = Path(__file__).parent / "tag_lists"
OTHER = "other"  # category of a tag that categories.tsv does not know

SUFFIXES = {"music", "song", "songs", "tag", "tags"}
NO_PLURALS = {"blues"}  # words that mean something else without their s
AND = re.compile(r"['’‘`´]\s*n\s*['’‘`´]|&|\band\b")
DECADE = re.compile(r"\b(?:19(?=[3-9])|20(?=[01]))(\d0s)\b")  # of the 20s, there are two


@dataclass(frozen=True)
class CleanUp:
    """Thresholds of the clean-up."""

    min_score: float  # the least of an annotation that counts, 0 to 100; 0 switches the rule off
    max_tags: int | None  # a song with more is dropped; None switches the rule off
    min_songs: int  # the least number of a tag
    keep_not_music: bool  # whether tags that describe no music stay


def clean_tags(
    annotations: pd.DataFrame, listened: Collection[str], options: CleanUp
) -> tuple[pd.DataFrame, Report]:
    """Apply the rules in the paper's order and print what each leaves.

    Parameters
    ----------
    annotations : DataFrame
        Columns song, tag, score.
    listened : collection of str
        Songs that are in the listening data.
    options : CleanUp
        Thresholds.

    Returns
    -------
    DataFrame
        Columns song, tag, score, lemma, cleaned; each (song, cleaned) once, sorted by both.
    list of dict
        For each rule its name and the rows, songs and tags that it left.

    Raises
    ------
    UserError
        Nothing is left.
    """
    report: Report = []
    note = functools.partial(leaves, report)
    note("raw annotations", annotations)
    table = note("songs in the listening data", of_songs(annotations, listened))
    if options.min_score > 0:
        rule = f"score of at least {options.min_score:g}"
        table = note(rule, scored(table, options.min_score))
    if options.max_tags is not None:
        rule = f"songs with at most {options.max_tags} tags"
        table = note(rule, drop_overtagged_songs(table, options.max_tags))
    table = note("preprocessed tags, empty ones dropped", add_lemmas(table))
    if not options.keep_not_music:
        table = note("tags that describe music", drop_not_music(table))
    table = note("tags of one lemma grouped", group_by_lemma(table))
    table = note(
        f"tags with at least {options.min_songs} songs", keep_tags(table, options.min_songs)
    )
    if table.empty:
        raise UserError(
            "the clean-up leaves no tag: lower --min_songs or --min_score, or raise --max_tags"
        )
    return table, report


# ---------------------------------------------------------------- the rules


def drop_overtagged_songs(annotations: pd.DataFrame, max_tags: int) -> pd.DataFrame:
    """Drop songs that bear more than `max_tags` different tags."""
    n_tags = annotations.groupby("song")["tag"].transform("nunique")
    return annotations[n_tags <= max_tags]


def add_lemmas(annotations: pd.DataFrame) -> pd.DataFrame:
    """Add the column lemma; drop tags of which nothing is left, such as '!!!'."""
    annotations = annotations.assign(lemma=annotations["tag"].map(lemma))
    return annotations[annotations["lemma"] != ""]


def drop_not_music(
    annotations: pd.DataFrame, path: Path = TAG_LISTS / "not_music.txt"
) -> pd.DataFrame:
    """Drop tags that describe no music: 'seen live', 'favourites', names of users.

    Parameters
    ----------
    annotations : DataFrame
        With the column lemma.
    path : Path
        A tag a line, meant in all its spellings; between slashes, a regular expression searched
        in the preprocessed tag. Empty lines and lines that begin with # say nothing.
    """
    lemmas, pattern = _read_not_music(path)
    unwanted = [
        tag
        for tag in annotations["tag"].unique()
        if lemma(tag) in lemmas or pattern.search(preprocess_tag(tag))
    ]
    return annotations[~annotations["tag"].isin(unwanted)]


def group_by_lemma(annotations: pd.DataFrame) -> pd.DataFrame:
    """Give all tags of one lemma the name of their most common member; ties go by alphabet.

    The name is in lower case with single spaces. A song keeps one annotation of each group: that
    of the highest score.
    """
    as_member = annotations["tag"].map(lambda tag: " ".join(tag.lower().split()))
    table = annotations.assign(cleaned=as_member)
    members = table.groupby(["lemma", "cleaned"])["song"].nunique().reset_index(name="songs")
    members = members.sort_values(["songs", "cleaned"], ascending=[False, True])
    names = members.drop_duplicates("lemma").set_index("lemma")["cleaned"]
    table["cleaned"] = table["lemma"].map(names)
    table = table.sort_values(
        ["song", "cleaned", "score", "tag"], ascending=[True, True, False, True]
    )
    return table.drop_duplicates(["song", "cleaned"])


def keep_tags(annotations: pd.DataFrame, min_songs: int) -> pd.DataFrame:
    """Keep cleaned tags that at least `min_songs` songs bear."""
    n_songs = annotations.groupby("cleaned")["song"].transform("nunique")
    return annotations[n_songs >= min_songs]


# ---------------------------------------------------------------- names of tags


@functools.cache
def preprocess_tag(tag: str) -> str:
    """Write a tag plainly: lower case, one word for 'and', no punctuation or suffix.

    `and`, `&`, `'n'` and `n` all become n. Suffixes that say nothing (music, song, tag, also in
    the plural) go, unless nothing else would be left.

    Examples
    --------
    >>> preprocess_tag("Rock 'n' Roll"), preprocess_tag("rock songs"), preprocess_tag("hip-hop")
    ('rock n roll', 'rock', 'hip hop')
    """
    words = _without_punctuation(AND.sub(" n ", tag.lower())).split()
    while len(words) > 1 and words[-1] in SUFFIXES:
        words.pop()
    return " ".join(words)


@functools.cache
def lemma(tag: str) -> str:
    """What the spellings of a tag have in common in the clean-up: its key, not its name.

    Beyond `preprocess_tag`: no plural, no accents, no spaces but between numbers, decades without
    their century, so that hip-hop, hip hop and hiphop are one, and so are female vocalist and
    female vocalists.

    Examples
    --------
    >>> lemma("Hip-Hop music"), lemma("female vocalists"), lemma("1980's")
    ('hiphop', 'femalevocalist', '80s')
    """
    return key_of_words(preprocess_tag(tag))


def key_of_words(words: str) -> str:
    """Bring words apart by spaces into the form that is the same for all their spellings."""
    plain = DECADE.sub(r"\1", _without_accents(words))
    joined = " ".join(_singular(word) for word in plain.split())
    return re.sub(r"(?<!\d) | (?!\d)", "", joined)  # 3 4 is not 34


def categories_of(tags: Collection[str]) -> dict[str, str]:
    """Find the category of each tag, whatever its spelling; 'other' for unknown tags."""
    known = {lemma(tag): category for tag, category in read_tsv(TAG_LISTS / "categories.tsv", 2)}
    return {tag: known.get(lemma(tag), OTHER) for tag in tags}


def _without_punctuation(text: str) -> str:
    """Drop apostrophes and dots (80's, r.n.b.); other punctuation and symbols become spaces."""
    text = re.sub(r"['’‘`´.]", "", text)
    return "".join(" " if unicodedata.category(char)[0] in "PSCZ" else char for char in text)


def _without_accents(text: str) -> str:
    """Drop accents of Latin letters; in other scripts such marks make another letter."""
    plain = ""
    for char in unicodedata.normalize("NFKD", text):
        if not (unicodedata.combining(char) and plain[-1:].isascii()):
            plain += char
    return unicodedata.normalize("NFC", plain)


def _singular(word: str) -> str:
    """Drop a plural s; y and ie become one (lady, ladies). Short words and decades stay."""
    if len(word) > 4 and re.search(r"[^su\d]s$", word) and word not in NO_PLURALS:
        word = word[:-1]
    return re.sub("(?<=..)ie$", "y", word)


@functools.cache
def _read_not_music(path: Path) -> tuple[set[str], re.Pattern]:
    """Read not_music.txt as a set of lemmas and one pattern."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    patterns = [line[1:-1] for line in lines if line.startswith("/") and line.endswith("/")]
    lemmas = {lemma(line) for line in lines if not line.startswith("/")}
    return lemmas, re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)")
