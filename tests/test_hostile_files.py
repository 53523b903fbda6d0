"""Files made to do harm: nothing of them is run, memory is bounded, one sentence and code 2."""

import contextlib
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import hostile_samples as hostile
import step0_dataset
import step3_taste_profile
from benchmarks.memory import process_megabytes
from command_line import run_or_explain
from dataset.bounded import HEADROOM, memory_bounded_by
from dataset.directory import open_dataset
from dataset.files import read_npy, read_pickle, read_songs
from dataset.mel_index import FRAMES, INDEX
from errors import UserError
from index_samples import make_index
from options import Options
from planted import write_planted, write_planted_mels
from preprocessing.mel.audio_files import read_audio
from preprocessing.mel.sndfile import AudioError
from preprocessing.words.vector_files import load_vectors
from released_checkpoint import read_released
from retrieval.song_index import ABOUT, read_index
from training_runs import load_solver

MEGABYTES = 800  # by which memory may grow at most


def refuses(command: Callable[[], object]) -> bool:
    """Whether a command ends with code 2 and one sentence; else it must have succeeded."""
    err, code, before = io.StringIO(), 0, process_megabytes()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        try:
            run_or_explain(command)
        except SystemExit as end:
            code = end.code
    assert not Path(hostile.MARK).exists()
    assert process_megabytes() - before < MEGABYTES
    lines = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
    assert (code, len(lines)) in ((2, 1), (0, 0)) and "Traceback" not in err.getvalue(), err
    return code == 2


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Where what runs would leave its mark."""
    monkeypatch.chdir(tmp_path)


def all_refused(contents: Iterator[bytes], read: Callable[[Path], object], name: str) -> int:
    """Check that `read` refuses each content of a file; return how many there are."""
    file = Path(name).absolute()
    for number, content in enumerate(contents, start=1):
        file.write_bytes(content)
        assert refuses(lambda: read(file)), (number, content[:300])
    return number


def not_released(file: Path) -> None:
    """Refuse what is not read as weights of the paper's authors, as the next reader does."""
    if read_released(file, Options().to_store()) is None:
        raise UserError("another file")


def read_part_of_index(file: Path) -> None:
    """Read an index that names this file as its model, of the right size and checksum."""
    content = file.read_bytes()
    if not Path("songs.index").is_dir():
        make_index(folder=Path("songs.index").absolute())
    about = Path("songs.index") / ABOUT
    (about.parent / "model-1.npz").write_bytes(content)
    named = ["model-1.npz", len(content), zlib.crc32(content)]
    about.write_text(json.dumps(json.loads(about.read_text()) | {"model": named}))
    read_index(about.parent)


READERS = {"pickle": read_pickle, "checkpoint": load_solver, "index": read_part_of_index}
READERS |= {"released": not_released, "gensim": load_vectors}


@pytest.mark.parametrize("kind", READERS)
def test_pickles(kind):
    contents = [*hostile.running(), *hostile.greedy_pickles()]
    assert all_refused(iter(contents), READERS[kind], "file.pkl") >= 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["checkpoint", "index", "released"])
def test_archives(kind):
    assert all_refused(hostile.archives(), READERS[kind], "file.ckpt") >= 100


def test_arrays():
    assert all_refused(hostile.false_arrays(), read_npy, "file.npy") >= 30


@pytest.mark.slow
def test_word_vectors():
    contents = [*hostile.vectors(), *hostile.packed_zeros()]
    assert all_refused(iter(contents), load_vectors, "file.bin") >= 19


@pytest.mark.slow
def test_tables(tmp_path):
    (tmp_path / "a.wav").touch()
    write_planted(tmp_path / "data", 30)
    for content in [*hostile.tables(), *hostile.packed_zeros()]:
        (tmp_path / "table.csv").write_bytes(content)
        (tmp_path / "songs.tsv").write_bytes(content)
        assert refuses(lambda: step0_dataset.run_table(tmp_path / "table.csv", tmp_path / "new"))
        assert refuses(lambda: step3_taste_profile.train(tmp_path / "data", tmp_path / "songs.tsv"))
        refuses(lambda: read_songs(tmp_path))
    assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())


def test_sounds(tmp_path):
    def read(file: Path) -> None:
        try:
            read_audio(file, 22050, lambda blocks: sum(map(len, blocks)))
        except AudioError as error:
            raise UserError(str(error)) from None

    n_refused = 0
    for number, (ending, content) in enumerate(hostile.sounds(), start=1):
        file = tmp_path / f"{number}.{ending}"
        file.write_bytes(content)
        n_refused += refuses(lambda file=file: read(file))  # some hold a little sound
    assert number >= 25 and n_refused >= number - 8


@pytest.mark.parametrize("name", [FRAMES, INDEX, "dataset.json", "tags.npy", "google_emb.pkl"])
def test_a_dataset_cut_anywhere(tmp_path, name):
    data = write_planted_mels(write_planted(tmp_path / "data", 20))
    whole = (data / name).read_bytes()
    for cut in np.linspace(0, len(whole) - 2, 12).astype(int):
        (data / name).write_bytes(whole[:cut])
        assert refuses(lambda: open_dataset(data, input_type="spec")), cut


def test_an_index_cut_anywhere(tmp_path):
    about = make_index(folder=tmp_path / "songs.index").folder / ABOUT
    whole = about.read_bytes()
    for cut in np.linspace(0, len(whole) - 3, 40).astype(int):
        about.write_bytes(whole[:cut])
        assert refuses(lambda: read_index(about.parent)), cut


def test_memory_is_bounded_and_given_back(tmp_path):
    (tmp_path / "small").write_bytes(bytes(1000))
    with memory_bounded_by(tmp_path / "small"), pytest.raises(MemoryError):
        np.ones(HEADROOM, dtype=np.float64)
    assert np.ones(HEADROOM // 4, dtype=np.float32).nbytes == HEADROOM
