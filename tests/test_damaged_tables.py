"""Damaged tables thrown at steps 0, 1 and 3: one sentence and code 2, or a result that is whole.

TAG_RETRIEVAL_FUZZ=2000 in the environment makes so many examples of each.
"""

import contextlib
import io
import itertools
import os
import shutil
import sqlite3
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import step0_dataset
import step1_data_split
import step3_taste_profile
from command_line import fire_commands
from dataset.files import SPLITS, read_songs, read_tsv

EXAMPLES = int(os.environ.get("TAG_RETRIEVAL_FUZZ", 25))
COMMANDS = {
    "step0": step0_dataset.COMMANDS,
    "step1": {"run": step1_data_split.run},
    "step3": {"run": step3_taste_profile.run, "train": step3_taste_profile.train},
}
TABLE = "file,tags,artist,category\n" + "".join(
    f"{n:02d}.wav,{'rock|pop' if n % 2 else 'rock'},Artist {n},genre\n" for n in range(24)
)
PLAYS = "".join(f"user{n % 5}\t{song:02d}.wav\t{n + 1}\n" for n in range(5) for song in range(24))
FIELDS = st.one_of(
    st.sampled_from(["", " ", ",", "\t", '"', "|", "\r", "\n", "\0", "nan", "0", "-1", "1e999"]),
    st.sampled_from(["\ufeff", "\u200b", "e\u0301", "é", "🔥", "01.wav", "../x", "a" * 300]),
    st.text(max_size=5),
)


@st.composite
def damaged(draw, text: str) -> bytes:
    """Some of the text replaced, cut, doubled or in another encoding."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(start + draw(st.sampled_from([0, 1, 2, 10, 10**6])), len(text))
        text = text[:start] + draw(FIELDS) + text[end:]
        if draw(st.integers(0, 5)) == 0:
            text += text[start:]
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1", "utf-8-sig"]))
    content = text.encode(encoding, "replace" if encoding == "latin-1" else "surrogatepass")
    cut = draw(st.integers(0, 20))
    return content if cut else content[: draw(st.integers(0, len(content)))]


def run_step(step: str, *arguments) -> tuple[int, str]:
    """Run a step in this process; return its exit code and what it said on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            fire_commands(COMMANDS[step], [str(argument) for argument in arguments])
        except SystemExit as leave:
            return leave.code or 0, err.getvalue()
    return 0, err.getvalue()


def ends_well(folder, step: str, *arguments) -> bool:
    """Whether a step succeeded; if not, it has said why in a sentence and written nothing."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, said = run_step(step, *arguments)
    if code:
        assert code == 2, said
        assert said.splitlines()[-1].startswith("error: "), said
        after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert after == before
    assert not list(folder.rglob(".writing-*"))
    return code == 0


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for n in range(24):
        (folder / f"{n:02d}.wav").write_bytes(b"%d" % n)
    return folder


@pytest.fixture(scope="module")
def whole(music, tmp_path_factory):
    """What steps 0 and 1 make of the table that is not damaged."""
    data = tmp_path_factory.mktemp("whole")
    (music / "whole.csv").write_text(TABLE)
    assert run_step("step0", "table", music / "whole.csv", data) == (0, "")
    assert run_step("step1", "run", data, 2, 2)[0] == 0
    return data


wild = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@wild
@given(table=damaged(TABLE), plays=damaged(PLAYS), options=st.sampled_from([[], ["x"]]))
def test_own_table(music, table, plays, options):
    (music / "table.csv").write_bytes(table)
    (music / "plays.tsv").write_bytes(plays)
    data = music / "data"
    shutil.rmtree(data, ignore_errors=True)
    options = [f"--listeners={music / 'plays.tsv'}"] if options else ["--skip_missing"]
    if not ends_well(music, "step0", "table", music / "table.csv", data, *options):
        return
    songs = read_songs(data)
    tags = read_tsv(data / "msd500/track_tags.tsv", 5)
    assert len({song.song_id for song in songs}) == len(songs)
    assert {row[0] for row in tags} <= {song.song_id for song in songs}
    assert all((music / song.audio).is_file() for song in songs)
    assert all(row[2] and unicodedata.is_normalized("NFC", row[2]) for row in tags)
    counts = np.unique([row[2] for row in tags], return_counts=True)[1]
    assert counts.min() >= 5 and len({(row[0], row[2]) for row in tags}) == len(tags)


@wild
@given(data=st.data(), name=st.sampled_from(["songs.tsv", "msd500/track_tags.tsv"]))
def test_step_1(whole, data, name):
    content = (whole / name).read_text()
    directory = whole.parent / "fuzzed"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(whole, directory)
    (directory / name).write_bytes(data.draw(damaged(content)))
    if not ends_well(directory, "step1", "run", directory, 2, 2):
        return
    song_ids, tags = (np.load(directory / f"{n}.npy").tolist() for n in ("existing_ids", "tags"))
    song_tags = np.load(directory / "binaries.npy")
    parts = [np.load(directory / f"{part}_ids.npy").tolist() for part in SPLITS]
    rows = [[int(line.split("//")[0]) for line in part] for part in parts]
    assert sorted(itertools.chain(*rows)) == list(range(len(song_ids)))
    assert song_tags.shape == (len(song_ids), len(tags))
    assert min(song_tags[part].sum(axis=0).min() for part in rows) >= 2
    artist_of = {song.song_id: song.artist.strip() for song in read_songs(directory)}
    artists = [{artist_of[song_ids[row]] for row in part} for part in rows]
    assert not (artists[0] & artists[1] or artists[0] & artists[2] or artists[1] & artists[2])


@wild
@given(plays=damaged(PLAYS), id_map=st.none() | damaged("01.wav\t01.wav\n02.wav\t02.wav\t03.wav"))
def test_step_3(whole, plays, id_map):
    directory = whole.parent / "listened"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(whole, directory)
    (directory / "plays.tsv").write_bytes(plays)
    options = ["--factors=2", "--iterations=1"]
    if id_map is not None:
        (directory / "map.tsv").write_bytes(id_map)
        options.append(f"--id_map={directory / 'map.tsv'}")
    if ends_well(directory, "step3", "train", directory, directory / "plays.tsv", *options):
        vectors = np.load(directory / "ix_to_cf.npy")
        assert vectors.shape == (24, 2) and np.isfinite(vectors).all() and vectors.any()


@wild
@given(data=st.data())
def test_million_song_dataset(tmp_path_factory, data):
    raw = tmp_path_factory.mktemp("raw")
    base = sqlite3.connect(raw / "lastfm_tags.db")
    base.executescript(
        "CREATE TABLE tids (tid TEXT); CREATE TABLE tags (tag TEXT);"
        "CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT);"
        "INSERT INTO tids VALUES ('TRA'), ('TRB'); INSERT INTO tags VALUES ('rock');"
        "INSERT INTO tid_tag VALUES (1, 1, 100), (2, 1, 60);"
    )
    base.close()
    contents = {
        "lastfm_tags.db": (raw / "lastfm_tags.db").read_bytes().decode("latin-1"),
        "unique_tracks.txt": "TRA<SEP>SOA<SEP>Ann<SEP>One\nTRB<SEP>SOB<SEP>Bob<SEP>Two\n",
        "train_triplets.txt": "u\tSOA\t1\nv\tSOB\t2\n",
        "taste_profile_song_to_tracks.txt": "SOA\tTRA\nSOB\tTRB\tTRC\n",
        "sid_mismatches.txt": "ERROR: <SOB TRC> Bob - Two != C - Three\n",
    }
    for name, content in contents.items():
        (raw / name).write_bytes(content.encode("latin-1"))
    name = data.draw(st.sampled_from(sorted(contents)))
    (raw / name).write_bytes(data.draw(damaged(contents[name])))
    target = raw / "data"
    if ends_well(raw, "step0", "msd", raw, target, "--min_songs=1"):
        songs = {song.song_id for song in read_songs(target)}
        assert {row[0] for row in read_tsv(target / "msd500/track_tags.tsv", 5)} <= songs
        assert songs <= {row[1] for row in read_tsv(target / "triplets.tsv", 3)}
