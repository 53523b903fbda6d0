"""Which command follows a step: the steps' numbers are not their order where vectors are lacking.

    step 0 -> [step 2 train] -> step 1 -> step 2 run -> [step 3] -> [step 4] -> [step 5] -> main.py

Steps in brackets are for what the directory has and lacks: text vectors, listening data, audio.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

from dataset.files import ITEM_INDEX, TRIPLETS, read_songs, subset_prefix

ORDER = ("step0", "train", "step1", "step2", "step3", "step4", "step5", "main")


def print_next(
    directory: Path, done: str, is_subset: bool = False, features: str = "musicnn"
) -> None:
    """Print the command that follows the step `done`, one of `ORDER`, as the last line of a step.

    'train' is that of step 2. After step 5, `features` is NAME of the NAME_songs.npy that it made.
    """
    commands = _commands(directory, done, is_subset, features)
    place = ORDER.index(done)
    if not (directory / f"{subset_prefix(is_subset)}tags.npy").is_file():
        place = min(place, ORDER.index("train"))  # steps 4 and 5 may come before step 1
    following = ORDER[place + 1 :]
    print(f"next: python -u {next(command for step, command in commands if step in following)}")


def _commands(
    directory: Path, done: str, is_subset: bool, features: str
) -> Iterator[tuple[str, str]]:
    """Yield (step, command) of what is to be done, in the order of work."""
    prefix, flag = subset_prefix(is_subset), " --is_subset" if is_subset else ""
    has = [file.name for file in directory.iterdir()]
    path, triplets = shlex.quote(str(directory)), shlex.quote(str(directory / TRIPLETS))
    folders = sorted(name.removesuffix("_w2v") for name in has if name.endswith("_w2v"))
    lacks_words = not folders and not any(name.startswith("GoogleNews-vectors") for name in has)
    if lacks_words:
        without = "(without a text: step1_data_split.py at once)"
        yield "train", f"step2_word_embedding.py train {path} TEXT {without}"
    if done != "train" or f"{prefix}tags.npy" not in has:
        vectors = f" --vectors {_first(folders)}" if folders else ""
        yield "step1", f"step1_data_split.py run {path} TOP_N MINIMUM{vectors}{flag}"
    names = sorted(name.removesuffix("_emb.pkl") for name in has if name.endswith("_emb.pkl"))
    names = [name.removeprefix(prefix) for name in names if name.startswith("sub_") == is_subset]
    general = " --general=spacy" if lacks_words and not names else ""
    yield "step2", f"step2_word_embedding.py run {path}{general}{flag}"
    has_cf = f"{prefix}ix_to_cf.npy" in has
    if ITEM_INDEX in has:
        yield "step3", f"step3_taste_profile.py run {path}{flag}"
    elif TRIPLETS in has:
        yield "step3", f"step3_taste_profile.py train {path} {triplets}{flag}"
    has_mel = "mel.npy" in has or "spec" in has
    if any(song.audio for song in read_songs(directory)):
        better = f"(or step5_song_features.py run {path}: better with little music)"
        yield "step4", f"step4_mel_spectrogram.py run {path} {better}"
    kind = "hybrid" if has_cf and has_mel else "spec" if has_mel else "cf"
    kind = features if done == "step5" else kind
    w2v = _first(names or ["google"])
    recipe = "@recipes/features.args" if done == "step5" else "@recipes/paper.args"
    train = f"--data_path {path} --input_type {kind} --w2v_type {w2v}"
    subset = " --is_subset True" if is_subset else ""
    yield "main", f"main.py {recipe} --mode TRAIN {train}{subset}"


def _first(names: list[str]) -> str:
    """Which of several sets of word vectors to take: that of the paper, then that of music."""
    return next((name for name in ("google", "music") if name in names), names[0])
