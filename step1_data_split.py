"""Step 1: choose tags and songs, and split the songs by artist, or take a published split.

python -u step1_data_split.py run DATA_PATH TOP_N_TAGS MINIMUM_NUMBER_OF_TAGS_IN_EACH_SPLIT
"""

from command_line import fire_commands, flag, names_in, number, one_of, whole_number
from dataset.files import existing_directory
from dataset.moving import alone
from errors import UserError


def run(
    data_path: str,
    top_n_tags: int,
    minimum_number_of_tags_in_each_split: int,
    seed: int = 0,
    vectors: str = "",
    minimum_score: float = 50.0,
    split_by: str = "artist",
    require: str = "cf,spec",
    is_subset: bool = False,
) -> None:
    """Split the songs of msd500/track_tags.tsv into train, valid and test, by default 70 / 15 / 15.

    Parameters
    ----------
    data_path : str
        The dataset directory: msd500/track_tags.tsv, songs.tsv for the artists, and what there is
        of items_index_MSD.tsv or triplets.tsv (listening data) and of audio.
    top_n_tags : int
        Keep so many tags, those with the most songs.
    minimum_number_of_tags_in_each_split : int
        Least number of songs of each tag in each of the three splits.
    seed : int
        Same seed, same split; a published split needs none.
    vectors : str
        Keep only tags with a word vector in these sources, as step 2 finds them: google, music,
        or a path; several with commas between.
    minimum_score : float
        Keep annotations with at least this tag score, 0 to 100.
    split_by : str
        artist: an artist's songs stay together. song: where artists are not known. published: the
        parts in published_split.tsv; leaves out songs without a part, and tags with fewer songs
        than the minimum in a part.
    require : str
        What a song must have, where the directory has it at all: cf (listening data), spec (audio),
        both, or any (one of them, for --fusion masked).
    is_subset : bool
        Write the files of the smaller set (sub_*).
    """
    from preprocessing.split.data_split import SplitOptions, write_data_split

    required = [one_of("--require", name, ("cf", "spec", "any")) for name in names_in(require)]
    if not required or ("any" in required and len(required) > 1):
        raise UserError(f"--require must be cf, spec, cf,spec, or any alone, not {require!r}")
    options = SplitOptions(
        top_n_tags=whole_number("TOP_N_TAGS", top_n_tags, 1),
        minimum_number_of_tags_in_each_split=whole_number(
            "MINIMUM_NUMBER_OF_TAGS_IN_EACH_SPLIT", minimum_number_of_tags_in_each_split, 1
        ),
        seed=whole_number("--seed", seed, 0),
        vectors=tuple(names_in(vectors)),
        minimum_score=number("--minimum_score", minimum_score, 0.0),
        split_by=one_of("--split_by", split_by, ("artist", "song", "published")),
        require=tuple(required),
        is_subset=flag("--is_subset", is_subset),
    )
    directory = existing_directory(data_path)
    with alone(directory):
        write_data_split(directory, options)


if __name__ == "__main__":
    fire_commands({"run": run})
