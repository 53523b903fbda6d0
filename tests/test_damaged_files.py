"""Damaged word vectors and audio thrown at steps 2 and 4: a sentence and code 2, or what is right.

TAG_RETRIEVAL_FUZZ=2000 in the environment makes so many examples of word vectors.
"""

import contextlib
import gzip
import io
import os
import shutil

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import step2_word_embedding
import step4_mel_spectrogram
from audio_samples import chords
from command_line import fire_commands
from dataset.files import read_pickle
from dataset.mel_store import open_mel_store, skipped_songs
from dataset.writing import write_split, write_tsv
from mel_samples import all_frames

EXAMPLES = int(os.environ.get("TAG_RETRIEVAL_FUZZ", 40))
TAGS = ["jazz", "rock", "sad"]
VECTORS = np.random.default_rng(0).normal(size=(len(TAGS), 4)).astype(np.float32)
TEXT = "".join(f"{tag} {' '.join(map(str, row))}\n" for tag, row in zip(TAGS, VECTORS, strict=True))
BINARY = b"3 4\n" + b"".join(
    tag.encode() + b" " + row.tobytes() for tag, row in zip(TAGS, VECTORS, strict=True)
)
FILES = [("3 4\n" + TEXT).encode(), TEXT.encode(), BINARY, gzip.compress(BINARY)]


def run_step(commands: dict, *arguments) -> tuple[int, str]:
    """Run a step in this process; return its exit code and what it said on stderr."""
    err, code = io.StringIO(), 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            fire_commands(commands, [str(argument) for argument in arguments])
        except SystemExit as leave:
            code = leave.code
    return code, err.getvalue()


def one_sentence(said: str) -> bool:
    return sum(line.startswith("error: ") for line in said.splitlines()) == 1


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(
    content=st.sampled_from(FILES),
    cut=st.none() | st.integers(0, 200),
    piece=st.sampled_from([b"", b" ", b"\n", b"\0", b"\xff", b"x y", b"nan", b"9999999999"]),
    at=st.integers(0, 200),
)
def test_damaged_word_vectors_at_step_2(tmp_path_factory, content, cut, piece, at):
    directory = tmp_path_factory.mktemp("step2")
    splits = {name: np.array([number]) for number, name in enumerate(("train", "valid", "test"))}
    write_split(directory, TAGS, ["a", "b", "c"], np.ones((3, 3), dtype=bool), splits)
    damaged = (content[:at] + piece + content[at:])[:cut]
    (directory / "v.bin").write_bytes(damaged)
    before = sorted(os.listdir(directory))
    step = {"run": step2_word_embedding.run}
    code, said = run_step(step, "run", directory, f"--music={directory / 'v.bin'}", "--only=music")
    assert code in (0, 2) and "Traceback" not in said
    if code == 2:
        assert one_sentence(said) and sorted(os.listdir(directory)) == before
    else:
        vectors = np.stack(list(read_pickle(directory / "music_emb.pkl").values()))
        assert vectors.shape[0] == 3 and np.isfinite(vectors).all() and abs(vectors).max() <= 1e6
        if damaged == content:
            np.testing.assert_allclose(vectors, VECTORS, rtol=1e-6)
    shutil.rmtree(directory)


@pytest.mark.parametrize("seed", range(max(1, EXAMPLES // 40)))
def test_damaged_audio_at_step_4(tmp_path, seed):
    """Whole files give their spectrogram; damaged ones give one, too, or stand in the report."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, kind in enumerate(("wav", "flac", "ogg", "mp3", "aiff", "wav", "flac", "mp3")):
        file = tmp_path / f"{number}.{kind}"
        soundfile.write(file, chords(2, 22050), 22050, format=kind.upper())
        content = bytearray(file.read_bytes())
        if number < 7:
            for place in rng.integers(len(content), size=rng.integers(1, 9)):
                content[place] = rng.integers(256)
            content = content[: rng.integers(1, len(content) + 1)]
        file.write_bytes(content)
        rows.append((f"S{number}", "", "", file.name))
    write_tsv(tmp_path / "songs.tsv", rows)
    step = {"run": step4_mel_spectrogram.run}
    code, said = run_step(step, "run", tmp_path, "--num_workers=1")
    assert code == 0, said
    store = open_mel_store(tmp_path, [])
    skipped = skipped_songs(tmp_path)
    assert sorted([*store.song_ids, *skipped]) == [f"S{number}" for number in range(8)]
    assert "S7" in store.song_ids and all(skipped.values())
    assert np.isfinite(all_frames(store)).all()
    assert not list(tmp_path.glob(".writing-*"))
