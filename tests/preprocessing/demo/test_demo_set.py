"""The demo: deterministic, consistent; audible tags are in the sound, cultural ones are not."""

import filecmp
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import soundfile
from scipy.signal import butter, sosfilt

from commands import ROOT, run_command
from dataset.files import (
    CATEGORIES,
    SONGS,
    TRACK_TAGS,
    TRIPLETS,
    read_about,
    read_tags,
    read_tsv,
)
from preprocessing.demo.demo_set import Song, cast_songs, make_demo, perform
from preprocessing.demo.listeners import CULTURE
from preprocessing.demo.mix import PEAK
from preprocessing.demo.sound import SAMPLE_RATE
from preprocessing.demo.styles import GENRES, TEMPI, Traits
from preprocessing.split.artist_split import split_groups

N_ARTISTS = 10  # of 3 songs each


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A small demo; tests only read it."""
    directory = tmp_path_factory.mktemp("demo")
    make_demo(directory, n_artists=N_ARTISTS)
    return directory


def files(directory: Path) -> list[str]:
    return sorted(str(f.relative_to(directory)) for f in directory.rglob("*") if f.is_file())


def test_one_seed_one_data_set(tmp_path):
    for name, seed in (("one", 5), ("same", 5), ("other", 6)):
        make_demo(tmp_path / name, seed, n_artists=3)
    names = files(tmp_path / "one")
    assert len(names) == 9 + 6
    one = tmp_path / "one"
    assert filecmp.cmpfiles(one, tmp_path / "same", names, shallow=False)[0] == names
    differ = set(filecmp.cmpfiles(one, tmp_path / "other", names, shallow=False)[1])
    assert {TRACK_TAGS, TRIPLETS, "corpus.txt", "audio/DEMO00000.flac"} <= differ


# ---------------------------------------------------------------- files


def test_tables_agree(demo):
    song_ids = [f"DEMO{number:05d}" for number in range(3 * N_ARTISTS)]
    songs = read_tsv(demo / SONGS, 4)
    assert [song_id for song_id, *_ in songs] == song_ids
    assert set(Counter(artist for _, artist, _, _ in songs).values()) == {3}
    rows = read_tsv(demo / TRACK_TAGS, 5)
    assert {row[0] for row in rows} == set(song_ids)
    assert all(original == cleaned for _, original, cleaned, _, _ in rows)
    assert {(tag, category) for _, _, tag, category, _ in rows} == {
        tuple(row) for row in read_tsv(demo / CATEGORIES, 2)
    }
    assert {song for _, song, _ in read_tsv(demo / TRIPLETS, 3)} == set(song_ids)
    assert read_about(demo)["steps"]["step0"] == {"set": "demo", "seed": 0, "audio_path": "."}


def test_audio_files_can_be_read(demo):
    for song_id, _, _, path in read_tsv(demo / SONGS, 4):
        assert path == f"audio/{song_id}.flac"
        info = soundfile.info(demo / path)
        assert (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE, 1, "PCM_16")
        assert 10 <= info.duration <= 12
        signal, _ = soundfile.read(demo / path)
        assert np.abs(signal).max() == pytest.approx(PEAK, abs=1e-3)  # neither clipped nor faint
        assert np.sqrt((signal**2).mean()) > 0.03


def test_step_1_takes_it(demo):
    done = run_command(ROOT / "step1_data_split.py", "run", demo, 2, 1)
    assert done.returncode == 0, done.stderr
    assert read_tags(demo) == ["fast", "slow"]  # with the most songs


# ---------------------------------------------------------------- who plays what


def tag_matrix(songs: list[Song]) -> tuple[list[str], np.ndarray]:
    """The tags, and songs x tags 0/1."""
    tags = sorted({tag for song in songs for tag, _ in song.tags()})
    rows = [[tag in {name for name, _ in song.tags()} for tag in tags] for song in songs]
    return tags, np.array(rows, dtype=np.int64)


@pytest.mark.parametrize("seed", range(30))
def test_every_tag_has_enough_songs(seed):
    tags, matrix = tag_matrix(cast_songs(np.random.default_rng(seed)))
    assert len(matrix) == 320
    assert len(tags) == 40
    assert matrix.sum(axis=0).min() >= 25
    assert matrix.mean(axis=0).max() <= 0.26


@pytest.mark.parametrize("seed", range(3))
def test_step_1_finds_a_split_with_four_songs_of_every_tag(seed):
    songs = cast_songs(np.random.default_rng(seed))
    tags, matrix = tag_matrix(songs)
    artists = np.array([song.artist for song in songs])
    part = split_groups(sp.csr_array(matrix), artists, tags, minimum=4, seed=0)
    assert min(matrix[part == number].sum(axis=0).min() for number in range(3)) >= 4


def test_artists_have_a_home_a_genre_and_a_favourite_instrument():
    songs = cast_songs(np.random.default_rng(0))
    by_artist: dict[int, list[Song]] = {}
    for song in songs:
        by_artist.setdefault(song.artist, []).append(song)
    assert len(by_artist) == 70
    assert all(3 <= len(own) <= 6 for own in by_artist.values())
    assert all(len({song.home for song in own}) == 1 for own in by_artist.values())
    share = {}
    for trait in ("genre", "instrument", "mood", "tempo"):
        most = [Counter(getattr(s.traits, trait) for s in own) for own in by_artist.values()]
        share[trait] = sum(max(count.values()) for count in most) / len(songs)
    assert share["genre"] > 0.8
    assert 0.55 < share["instrument"] < 0.8
    assert share["mood"] < 0.5


def dependence(pairs: Counter) -> float:
    """Largest deviation of a pair's count from independence, as a share of what is expected."""
    firsts, seconds = Counter(), Counter()
    for (first, second), count in pairs.items():
        firsts[first] += count
        seconds[second] += count
    total = pairs.total()
    return max(
        abs(pairs[first, second] * total / (firsts[first] * seconds[second]) - 1)
        for first in firsts
        for second in seconds
    )


def test_what_is_heard_tells_nothing_of_the_culture_and_categories_nothing_of_each_other():
    pairs: dict[tuple[str, str], Counter] = {}
    for seed in range(60):
        for song in cast_songs(np.random.default_rng(seed)):
            tags = {category: tag for tag, category in song.tags()}
            for one in tags:
                for other in set(tags) - {one}:
                    pairs.setdefault((one, other), Counter())[tags[one], tags[other]] += 1
    # An artist's songs come together, so that the counts spread more than those of single songs.
    assert all(dependence(counts) < 0.5 for counts in pairs.values())
    same = Counter({(a, b): n if a == b else n // 4 for (a, b), n in _uniform(5).items()})
    assert dependence(same) > 0.5  # what the test would say of a tag that tells another


def _uniform(n: int) -> Counter:
    return Counter({(a, b): 100 for a in range(n) for b in range(n)})


# ---------------------------------------------------------------- what is heard


def play(seed: int = 0, **traits: str) -> np.ndarray:
    plain = Traits(genre="disco", instrument="flute", mood="happy", tempo="")
    song = Song(0, ("french", "london", "1960s"), replace(plain, **traits))
    return perform(song, np.random.default_rng(seed))


def test_the_home_of_an_artist_changes_no_sample():
    traits = Traits("jazz", "organ", "sad", "fast")
    homes = [tuple(tags[n] for tags in CULTURE.values()) for n in (0, 1)]
    one, other = (
        perform(Song(n, h, traits), np.random.default_rng(0)) for n, h in enumerate(homes)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "change",
    [{"genre": "waltz"}, {"instrument": "violin"}, {"mood": "sad"}, {"tempo": "fast"}],
    ids=lambda change: next(iter(change)),
)
def test_every_audible_trait_changes_the_sound(change):
    one, other = play(), play(**change)
    n = min(len(one), len(other))
    assert abs(np.corrcoef(one[:n], other[:n])[0, 1]) < 0.9


def beats_a_minute(song: np.ndarray) -> float:
    """Tempo between 55 and 175 at which the strokes of the deepest drum return."""
    hop = SAMPLE_RATE // 100
    low = sosfilt(butter(4, 100, fs=SAMPLE_RATE, output="sos"), song)
    frames = np.abs(low[: len(low) // hop * hop]).reshape(-1, hop).max(axis=1)
    rise = np.maximum(np.diff(np.log(frames + 0.01)), 0)
    returns = np.correlate(rise, rise, "full")[len(rise) - 1 :]
    lags = np.arange(6000 // 175, 6000 // 55)  # hundredths of a second
    return 6000 / lags[returns[lags].argmax()]


@pytest.mark.parametrize("tempo", TEMPI)
@pytest.mark.parametrize("seed", range(3))
def test_the_tempo_can_be_heard(tempo, seed):
    heard = beats_a_minute(play(seed, tempo=tempo))
    # Half as fast is as good an answer; the kick of disco is on every beat.
    assert any(TEMPI[tempo][0] - 4 < beats < TEMPI[tempo][1] + 4 for beats in (heard, 2 * heard))


def band_levels(song: np.ndarray) -> np.ndarray:
    """Mean and deviation over time of the level in some thirty bands, in dB."""
    frames = song[: len(song) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = np.unique(np.geomspace(1, 512, 40).astype(int))
    level = 10 * np.log10(np.add.reduceat(power, edges, axis=1) + 1e-3)
    return np.concatenate([level.mean(axis=0), level.std(axis=0)])


def test_a_genre_sounds_most_like_itself_in_another_key():
    one, other = (
        np.array([band_levels(play(seed, genre=genre)) for genre in GENRES]) for seed in (0, 1)
    )
    distance = np.linalg.norm(one[:, None] - other, axis=2)
    assert (distance.argmin(axis=1) == np.arange(len(GENRES))).mean() >= 0.7
