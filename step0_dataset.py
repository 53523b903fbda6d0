"""Step 0: turn raw data into step 1's input.

    python -u step0_dataset.py table CSV DATA_PATH
    python -u step0_dataset.py SET RAW DATA_PATH
    python -u step0_dataset.py demo DATA_PATH

SET is a public set, one of `COMMANDS`. DATA_PATH gets msd500/track_tags.tsv, songs.tsv,
tag_categories.tsv, dataset.json, and what the set has of listening data (triplets.tsv: user, song,
count; or item_factors_MSD.npy with items_index_MSD.tsv) and of a published split
(published_split.tsv). Every rule that drops tags or songs prints what it leaves.
"""

from typing import Literal

from command_line import Command, fire_commands, flag, number, whole_number
from dataset.files import user_path
from errors import UserError


def run_table(
    csv: str,
    data_path: str,
    listeners: str = "",
    min_songs: int = 5,
    merge_spellings: bool = False,
    skip_missing: bool = False,
    tag_separator: str = "|",
) -> None:
    """Turn a table of your own audio files and their tags into step 1's input.

    CSV has a header and is UTF-8 (or Excel's "Unicode text"); comma, semicolon or tab separates its
    fields. Columns, in any order: file, the path of an audio file, seen from the folder of the CSV,
    which becomes the song id; tags, with | between them; and optionally artist, without which step
    1 needs --split_by=song; title; category, one for all tags of the file, or one for each with |
    between them, without which common tags have the category of our own list. Tags stay as they
    are written.

    Parameters
    ----------
    csv : str
        The table.
    data_path : str
        Dataset directory to write.
    listeners : str
        File of user, file, count rows, CSV or tab-separated, for the cultural and hybrid branches.
    min_songs : int
        Smallest number of songs of a tag; rarer ones are left out.
    merge_spellings : bool
        Make one tag of spellings such as Hip-Hop and hiphop: the most common, in lower case.
    skip_missing : bool
        Leave out files that do not exist.
    tag_separator : str
        What stands between tags, and between categories, in place of |.
    """
    from preprocessing.raw_sets.own_table import read_own_table, refuse_overwriting
    from preprocessing.raw_sets.raw_set import write_dataset
    from preprocessing.tags.given_tags import GivenTags, take_tags

    options = GivenTags(_least_songs(min_songs), flag("--merge_spellings", merge_spellings))
    if not tag_separator.strip():
        raise UserError("--tag_separator must be a sign that stands between tags, such as ';'")
    table, target = user_path(csv), user_path(data_path)
    plays = user_path(listeners) if listeners else None
    for file in filter(None, (table, plays)):
        refuse_overwriting(file, target)
    raw_set = read_own_table(table, plays, flag("--skip_missing", skip_missing), tag_separator)
    write_dataset(raw_set, target, take_tags, options)


def run_jamendo(raw: str, data_path: str, split: int = 0, audio_low: bool = False) -> None:
    """Turn MTG-Jamendo's tags and published split into step 1's input.

    Parameters
    ----------
    raw : str
        Folder with what you have of autotagging*.tsv, also in subfolders split-0 to split-4, plain
        or as .xz or .gz.
    data_path : str
        Dataset directory to write.
    split : int
        Which published split to use, 0 to 4.
    audio_low : bool
        The audio is the smaller edition, audio-low (00/1.low.mp3).
    """
    from preprocessing.raw_sets.jamendo import HOME, read_jamendo
    from preprocessing.raw_sets.raw_set import folders, write_dataset
    from preprocessing.tags.given_tags import GivenTags, take_tags

    source, target = folders(raw, data_path, HOME)
    split, audio_low = whole_number("--split", split, 0), flag("--audio_low", audio_low)
    raw_set = read_jamendo(source, split, audio_low)
    write_dataset(raw_set, target, take_tags, GivenTags())


def run_magnatagatune(
    raw: str, data_path: str, min_songs: int = 1, merge_spellings: bool = False
) -> None:
    """Turn MagnaTagATune's tags and its usual split into step 1's input.

    Parameters
    ----------
    raw : str
        Folder with annotations_final.csv and clip_info_final.csv.
    data_path : str
        Dataset directory to write.
    min_songs : int
        Smallest number of clips of a tag.
    merge_spellings : bool
        Make one tag of spellings such as drum and drums: the most common.
    """
    from preprocessing.raw_sets.magnatagatune import HOME, read_magnatagatune
    from preprocessing.raw_sets.raw_set import folders, write_dataset
    from preprocessing.tags.given_tags import GivenTags, take_tags

    options = GivenTags(_least_songs(min_songs), flag("--merge_spellings", merge_spellings))
    source, target = folders(raw, data_path, HOME)
    write_dataset(read_magnatagatune(source), target, take_tags, options)


def run_emotify(raw: str, data_path: str) -> None:
    """Turn Emotify's songs, genres and moods into step 1's input.

    Parameters
    ----------
    raw : str
        Folder with data.csv and emotifymusic/, or the one above.
    data_path : str
        Dataset directory to write.
    """
    from preprocessing.raw_sets.emotify import HOME, read_emotify
    from preprocessing.raw_sets.raw_set import folders, write_dataset
    from preprocessing.tags.given_tags import GivenTags, take_tags

    source, target = folders(raw, data_path, HOME)
    write_dataset(read_emotify(source), target, take_tags, GivenTags())


def run_lastfm2k(
    raw: str,
    data_path: str,
    min_score: float = 50,
    max_tags: int | None = 20,
    min_songs: int = 30,
    keep_not_music: bool = False,
) -> None:
    """Turn the HetRec 2011 Last.fm set into step 1's input; the song is the artist.

    Parameters
    ----------
    raw : str
        Folder with artists.dat, tags.dat, user_artists.dat and user_taggedartists.dat.
    data_path : str
        Dataset directory to write.
    min_score : float
        Smallest score of an annotation: 100 x its taggers / those of the artist's first tag.
    max_tags : int or None
        Artists with more tags are dropped; None for no limit.
    min_songs : int
        Smallest number of artists of a tag. The paper's 100 is for half a million songs.
    keep_not_music : bool
        Keep tags that describe no music, such as 'seen live'.
    """
    from preprocessing.raw_sets.lastfm2k import HOME, read_lastfm2k
    from preprocessing.raw_sets.raw_set import folders, write_dataset
    from preprocessing.tags.cleaning import CleanUp, clean_tags

    options = CleanUp(
        min_score=number("--min_score", min_score, 0, 100),
        max_tags=_most_tags(max_tags),
        min_songs=_least_songs(min_songs),
        keep_not_music=flag("--keep_not_music", keep_not_music),
    )
    source, target = folders(raw, data_path, HOME)
    write_dataset(read_lastfm2k(source), target, clean_tags, options)


def run_msd(
    raw: str,
    data_path: str,
    min_score: float = 50,
    max_tags: int | Literal["auto"] | None = "auto",
    min_songs: int = 30,
    keep_not_music: bool = False,
) -> None:
    """Turn Million Song Dataset tags and the Taste Profile into step 1's input.

    Parameters
    ----------
    raw : str
        Folder with the files as published: lastfm_tags.db, unique_tracks.txt, train_triplets.txt,
        taste_profile_song_to_tracks.txt and sid_mismatches.txt; or with raw_tags.tsv, songs.tsv,
        item_factors_MSD.npy and items_index_MSD.tsv, which have no scores.
    data_path : str
        Dataset directory to write.
    min_score : float
        Smallest score of an annotation, 0 to 100, where there are scores.
    max_tags : int, None or auto
        Songs with more tags are dropped; None for no limit. By default 20 where there are scores;
        without scores to thin them half of the songs have more, and there is no limit.
    min_songs : int
        Smallest number of songs of a tag. The paper's 100 is for half a million songs.
    keep_not_music : bool
        Keep tags that describe no music, such as 'seen live'.
    """
    from preprocessing.raw_sets.msd import HOME, read_msd
    from preprocessing.raw_sets.msd_published import is_as_published, read_msd_as_published
    from preprocessing.raw_sets.raw_set import folders, write_dataset
    from preprocessing.tags.cleaning import CleanUp, clean_tags

    source, target = folders(raw, data_path, HOME)
    with_scores = is_as_published(source)
    min_score = number("--min_score", min_score, 0, 100)
    if max_tags == "auto":
        max_tags = 20 if with_scores else None
    options = CleanUp(
        min_score=min_score if with_scores else 0,
        max_tags=_most_tags(max_tags),
        min_songs=_least_songs(min_songs),
        keep_not_music=flag("--keep_not_music", keep_not_music),
    )
    read = read_msd_as_published if with_scores else read_msd
    write_dataset(read(source), target, clean_tags, options)


def run_demo(data_path: str, seed: int = 0) -> None:
    """Generate a small data set of music: songs to listen to, and who listens to them.

    Audible tags follow from the sound, cultural ones can only be told from the listeners.

    Parameters
    ----------
    data_path : str
        Dataset directory to write.
    seed : int
        Seed of everything random.
    """
    from preprocessing.demo.demo_set import make_demo
    from preprocessing.next_step import print_next
    from preprocessing.raw_sets.raw_set import refuse_other_set

    target = user_path(data_path)
    refuse_other_set(target, "demo")
    make_demo(target, whole_number("--seed", seed, 0))
    print(f"{target}: generated with seed {seed}")
    print_next(target, "step0")


def _least_songs(min_songs: object) -> int:
    return whole_number("--min_songs", min_songs, 1)


def _most_tags(max_tags: object) -> int | None:
    return None if max_tags is None else whole_number("--max_tags", max_tags, 1)


COMMANDS: dict[str, Command] = {
    "table": run_table,
    "jamendo": run_jamendo,
    "magnatagatune": run_magnatagatune,
    "emotify": run_emotify,
    "lastfm2k": run_lastfm2k,
    "msd": run_msd,
    "demo": run_demo,
}

if __name__ == "__main__":
    fire_commands(COMMANDS)
