"""The demo: deterministic, consistent; audible tags are in the sound, cultural ones are not."""

import filecmp
from collections import Counter
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import scipy
import soundfile

from commands import ROOT, run_here
from dataset.files import SONGS, TRACK_TAGS, TRIPLETS, read_about, read_categories, read_tsv
from preprocessing.demo.demo_set import DemoSong, cast_songs, make_demo, perform
from preprocessing.demo.instruments import DRUMS, INSTRUMENTS, LEADS, hit, note
from preprocessing.demo.listeners import CULTURE, N_LISTENERS, SONGS_A_LISTENER, plays
from preprocessing.demo.mix import LONGEST, PEAK, mix
from preprocessing.demo.music import SHORTEST, Note, Score, compose
from preprocessing.demo.sound import HIGHEST, SAMPLE_RATE, partials
from preprocessing.demo.styles import GENRES, MOODS, SCALES, TEMPI, Traits
from preprocessing.demo.words import SENTENCES_A_TAG, WORDS, sentences
from preprocessing.split.artist_split import split_groups

TAGS = dict(tag for song in cast_songs(np.random.default_rng(0)) for tag in song.tags())


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    make_demo(directory := tmp_path_factory.mktemp("demo"), 5, n_artists=10)  # with 3 songs each
    return directory


@pytest.mark.slow
def test_one_seed_makes_one_data_set_and_step_1_takes_it(tmp_path, demo):
    make_demo(same := tmp_path / "same", 5, n_artists=10)
    make_demo(tmp_path / "other", 6, n_artists=10)
    names = [str(file.relative_to(demo)) for file in demo.rglob("*") if file.is_file()]
    assert filecmp.cmpfiles(demo, same, names, shallow=False)[0] == names
    differ = set(filecmp.cmpfiles(demo, tmp_path / "other", names, shallow=False)[1])
    assert {TRACK_TAGS, TRIPLETS, "corpus.txt", "audio/DEMO00000.flac"} <= differ
    done = run_here(ROOT / "step1_data_split.py", "run", same, 2, 1)
    assert done.returncode == 0, done.stderr
    assert np.load(same / "tags.npy").tolist() == ["fast", "slow"]  # with the most songs


def test_tables_agree_and_audio_can_be_read(demo):
    songs, rows = read_tsv(demo / SONGS, 4), read_tsv(demo / TRACK_TAGS, 5)
    ids = {f"DEMO{number:05d}" for number in range(30)}
    assert ids == {row[0] for row in rows} == {row[1] for row in read_tsv(demo / TRIPLETS, 3)}
    assert [(row[0], row[3]) for row in songs] == [(i, f"audio/{i}.flac") for i in sorted(ids)]
    assert set(Counter(artist for _, artist, _, _ in songs).values()) == {3}
    assert {(row[2], row[3]) for row in rows} == set(read_categories(demo).items())
    assert read_about(demo)["steps"]["step0"] == {"set": "demo", "seed": 5, "audio_path": "."}
    for _, _, _, path in songs:
        signal, rate = soundfile.read(demo / path)
        assert rate == SAMPLE_RATE and 10 <= len(signal) / rate <= 12 and signal.std() > 0.03
        assert np.abs(signal).max() == pytest.approx(PEAK, abs=1e-3)  # neither clipped nor faint


@pytest.mark.parametrize("seed", range(6))
def test_songs_are_cast_evenly_and_step_1_finds_a_split_with_four_of_every_tag(seed):
    songs = cast_songs(np.random.default_rng(seed))
    matrix = np.array([[tag in dict(song.tags()) for tag in TAGS] for song in songs], dtype=int)
    assert matrix.shape == (320, 40) and {*matrix.sum(axis=0)} <= {*range(25, 84)}
    artists = np.array([song.artist for song in songs])
    part = split_groups(scipy.sparse.csr_array(matrix), artists, list(TAGS), minimum=4, seed=0)
    assert min(matrix[part == number].sum(axis=0).min() for number in range(3)) >= 4
    by_artist = [[song for song in songs if song.artist == artist] for artist in range(70)]
    assert all(3 <= len(own) <= 6 and len({song.home for song in own}) == 1 for own in by_artist)
    traits = [zip(*(song.traits for song in own), strict=True) for own in by_artist]
    most = [[max(Counter(names).values()) for names in own] for own in traits]
    genre, instrument, mood, _ = np.sum(most, axis=0) / len(songs)
    assert genre > 0.8 > instrument > 0.55 and mood < 0.5


def test_no_category_tells_of_another():
    songs = [song for seed in range(60) for song in cast_songs(np.random.default_rng(seed))]
    for one, other in combinations(zip(*((*s.traits, *s.home) for s in songs), strict=True), 2):
        counts = scipy.stats.contingency.crosstab(one, other).count
        # An artist's songs come together, so that counts spread more than those of single songs.
        assert np.abs(counts / scipy.stats.contingency.expected_freq(counts) - 1).max() < 0.5


def test_listeners_follow_their_home_their_taste_a_little_and_no_mood():
    rng = np.random.default_rng(0)
    *homes, genre, mood = rng.integers([[5], [5], [5], [10], [5]], size=(5, 300))
    names = np.take_along_axis(np.array([*CULTURE.values()]), np.array(homes), axis=1).T
    listener, song, count = zip(*plays(names, genre, rng), strict=True)
    heard = scipy.stats.contingency.crosstab(listener, song).count
    assert heard.shape == (N_LISTENERS, 300) and heard.max() == 1 and min(count) >= 1
    assert set(heard.sum(axis=1)) == {SONGS_A_LISTENER}

    def lift(labels: np.ndarray) -> float:
        """How much more of their most heard label listeners hear than a shuffle would give."""
        both = labels, np.random.default_rng(1).permutation(labels)
        return np.divide(*((heard @ np.eye(10)[one]).max(axis=1).mean() for one in both))

    assert min(map(lift, homes)) > 1.4 and 1.02 < lift(genre) < 1.3 and 0.97 < lift(mood) < 1.03


def test_sentences_are_about_one_tag_each_and_a_tags_words_about_no_other():
    words = {tag: set(own.split()) for tag, own in WORDS["tags"].items()}
    assert words.keys() == TAGS.keys() and WORDS["categories"].keys() == set(TAGS.values())
    shared = set(" ".join([*WORDS["categories"].values(), *TAGS]).split())
    assert sum(map(len, (shared, *words.values()))) == len(shared.union(*words.values()))
    lines = [line.split() for line in sentences(np.random.default_rng(0), TAGS)]
    about = [[tag for tag, own in words.items() if len(own & set(line)) == 2] for line in lines]
    assert Counter(map(tuple, about)) == {(tag,): SENTENCES_A_TAG for tag in TAGS}
    assert all(tag in " ".join(line) for line, (tag,) in zip(lines, about, strict=True))


@pytest.mark.parametrize("genre, about", GENRES.items())
def test_every_song_is_of_its_genre_in_key_and_in_time(genre, about):
    assert about.bass[1][0] == "1" and set(about.major + about.minor) <= set("1234567")
    for rhythm in (*about.drums.values(), about.bass[1], about.chords[1]):
        assert len(rhythm) % about.beats == 0
    sounds = {*about.drums, about.bass[0], about.chords[0], "flute"}
    for mood, tempo in product(MOODS, TEMPI):
        notes, seconds = compose(Traits(genre, "flute", mood, tempo), np.random.default_rng(0))
        assert SHORTEST <= seconds < SHORTEST + 4.1  # at most a slow bar more
        assert {n.sound for n in notes} == sounds <= {*DRUMS, *INSTRUMENTS}
        assert all(0 <= n.start < seconds and 0 < n.level <= 1 for n in notes)
        pitched = [n for n in notes if n.part != "drums"]
        assert all(n.seconds > 0 and 28 <= n.pitch <= 96 for n in pitched)
        scale = {(pitched[-1].pitch + step) % 12 for step in SCALES[MOODS[mood].mode]}
        assert {n.pitch % 12 for n in pitched} <= scale  # the melody ends on the tonic
        assert all(-13 <= n.pitch - MOODS[mood].register <= 17 for n in notes if n.part == "lead")


def test_known_scale_and_rhythm():
    score = Score(GENRES["rock"], MOODS["happy"], beat=0.5, tonic=2, roots=(0, 4))  # D major
    assert [score.pitch(degree, 60) for degree in (-1, 0, 1, 2, 7)] == [61, 62, 64, 66, 74]
    assert [*score.strokes("x.o.....")][1:3] == [(0, 0.5, 1.5, "o"), (1, 2.0, 0.5, "x")]


def test_partials_are_the_sum_of_damped_sines():
    frequency, amplitude, decay = np.array([[110, 440.5, 3000], [1, 0.5, 0.2], [0.5, 0, 30]])
    t = np.arange(round(0.7 * SAMPLE_RATE))[:, None] / SAMPLE_RATE
    sines = amplitude * np.exp(-decay * t) * np.sin(2 * np.pi * frequency * t)
    signal = partials([*frequency, HIGHEST + 1], [*amplitude, 9], [*decay, 0], 0.7)
    np.testing.assert_allclose(signal, sines.sum(axis=1), atol=1e-4)


@pytest.mark.parametrize("name", [*INSTRUMENTS, *DRUMS])
def test_sounds_are_as_loud_as_they_should_in_tune_and_end_in_silence(name):
    pitch, level = (36 if "bass" in name else 60), DRUMS.get(name, (1.0, None))[0]
    signal = hit(name) if name in DRUMS else note(name, pitch, 0.6)
    assert signal.dtype == np.float32 and signal[-1] == 0 and not signal.flags.writeable
    frames = np.lib.stride_tricks.sliding_window_view(signal, SAMPLE_RATE // 20)[::100]
    assert np.sqrt((frames**2).mean(axis=1)).max() == pytest.approx(level, rel=0.05)
    if name in INSTRUMENTS and name != "bells":  # their partials are inharmonic
        lag = SAMPLE_RATE / {36: 65.41, 60: 261.63}[pitch] * (2 if name == "power chord" else 1)
        power = np.abs(np.fft.rfft(signal[SAMPLE_RATE // 10 :], 2 * len(signal))) ** 2
        repeats = np.fft.irfft(power)[round(0.4 * lag) : round(1.6 * lag)]
        assert repeats.argmax() + round(0.4 * lag) == pytest.approx(lag, rel=0.02, abs=1)


def test_every_part_and_effect_is_heard_when_it_should():
    parts = ("lead", "flute"), ("chords", "harp"), ("bass", "sub bass"), ("drums", "rim")
    notes = [Note(*part, 0.5, 0.5, 60, 1.0) for part in parts]
    dry = mix(notes, 60.0, MOODS["happy"])
    before, onset, _, after = np.split(np.abs(dry), [11_025, 12_000, 26_460])
    assert len(dry) == LONGEST * SAMPLE_RATE and onset.max() > 0.1 and not before.any()
    effects = {"room": 0.5, "attack": 0.1, "drums": 0.2, "drive": 3.0, "cutoff": 1000}
    others = [mix(notes, 60.0, replace(MOODS["happy"], **{k: v})) for k, v in effects.items()]
    assert after.max() < 0.001 < 0.01 < np.abs(others[0][-len(after) :]).max()  # the room rings on
    others += [mix(notes[:n] + notes[n + 1 :], 60.0, MOODS["happy"]) for n in range(4)]
    assert min(np.abs(dry - other).max() for other in others) > 0.01


def play(seed, home="london", genre="disco", instrument="flute", mood="happy", tempo=""):
    song = DemoSong(0, 0, ("french", home, "1960s"), Traits(genre, instrument, mood, tempo))
    return perform(song, np.random.default_rng(seed))


@pytest.mark.parametrize("trait", ["genre", "instrument", "mood"])
def test_a_trait_sounds_most_like_itself_in_another_key(trait):
    def picture(song: np.ndarray) -> np.ndarray:
        """Mean and deviation over time of the level in some thirty bands, in dB."""
        edges = np.unique(np.geomspace(1, 512, 40).astype(int))
        power = np.abs(scipy.signal.stft(song, nperseg=1024)[2]) ** 2
        level = 10 * np.log10(np.add.reduceat(power, edges) + 1e-9)
        return np.concatenate([level.mean(axis=1), level.std(axis=1)])

    names = {"genre": GENRES, "instrument": LEADS, "mood": MOODS}[trait]
    one, other = ([picture(play(seed, **{trait: name})) for name in names] for seed in (0, 1))
    nearest = scipy.spatial.distance.cdist(one, other).argmin(axis=1)
    assert np.mean(nearest == range(len(nearest))) >= 0.9


@pytest.mark.parametrize("tempo", TEMPI)
def test_the_tempo_is_heard_and_the_home_is_not(tempo):
    np.testing.assert_array_equal(song := play(0, tempo=tempo), play(0, "berlin", tempo=tempo))
    low = scipy.signal.sosfilt(scipy.signal.butter(4, 100, fs=SAMPLE_RATE, output="sos"), song)
    frames = np.abs(low[:220_000]).reshape(-1, 220).max(axis=1)  # hundredths of a second
    rise = np.diff(np.log(frames + 0.01)).clip(0)
    returns = np.correlate(rise, rise, "full")[len(rise) - 1 :]  # of the kick's strokes
    heard = 6000 / (returns[34:109].argmax() + 34)  # of 55 to 175 a minute
    assert any(TEMPI[tempo][0] - 4 < beats < TEMPI[tempo][1] + 4 for beats in (heard, 2 * heard))
