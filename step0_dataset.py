"""Step 0: turn a raw data set into step 1's input.

    python -u step0_dataset.py lastfm2k RAW DATA_PATH
    python -u step0_dataset.py msd RAW DATA_PATH
    python -u step0_dataset.py demo DATA_PATH

For a raw set it applies the clean-up of the paper and prints what each rule leaves. DATA_PATH gets
msd500/track_tags.tsv, songs.tsv, tag_categories.tsv, dataset.json and the listening data:
triplets.tsv (user, song, count), or item_factors_MSD.npy with items_index_MSD.tsv.
"""

from pathlib import Path

from errors import fire_commands
from preprocessing import lastfm2k, msd
from preprocessing.arguments import whole_number
from preprocessing.demo import make_demo
from preprocessing.raw_set import existing_raw, refuse_other_set, write_dataset
from preprocessing.tag_cleaning import CleanUp


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
    options = CleanUp(min_score, max_tags, min_songs, keep_not_music)
    target = Path(str(data_path)).expanduser()
    write_dataset(lastfm2k.read_lastfm2k(existing_raw(raw, target, lastfm2k.HOME)), target, options)


def run_msd(
    raw: str,
    data_path: str,
    max_tags: int | None = None,
    min_songs: int = 30,
    keep_not_music: bool = False,
) -> None:
    """Turn Million Song Dataset tags and Taste Profile factors into step 1's input.

    Parameters
    ----------
    raw : str
        Folder with raw_tags.tsv, songs.tsv, item_factors_MSD.npy and items_index_MSD.tsv.
    data_path : str
        Dataset directory to write.
    max_tags : int or None
        Songs with more tags are dropped; None for no limit, for without scores to thin them
        half of the songs have more than the paper's 20.
    min_songs : int
        Smallest number of songs of a tag. The paper's 100 is for half a million songs.
    keep_not_music : bool
        Keep tags that describe no music, such as 'seen live'.
    """
    options = CleanUp(0, max_tags, min_songs, keep_not_music)  # the set has no scores
    target = Path(str(data_path)).expanduser()
    write_dataset(msd.read_msd(existing_raw(raw, target, msd.HOME)), target, options)


def run_demo(data_path: str, seed: int = 0) -> None:
    """Generate a small data set in which who listens to a song tells its tags.

    Parameters
    ----------
    data_path : str
        Dataset directory to write.
    seed : int
        Seed of everything random.
    """
    target = Path(str(data_path)).expanduser()
    refuse_other_set(target, "demo")
    make_demo(target, whole_number("--seed", seed, 0))
    print(f"{target}: generated with seed {seed}")


COMMANDS = {
    "lastfm2k": run_lastfm2k,
    "msd": run_msd,
    "demo": run_demo,
}

if __name__ == "__main__":
    fire_commands(COMMANDS)
