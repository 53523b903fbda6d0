"""Pickles: plain data reads back, whoever wrote it; nothing else is read, and nothing is run."""

import codecs
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import ROOT
from dataset.files import (
    read_pickle,
)
from errors import UserError
from published_files import dump

HOSTILE_NAMES = [
    ("builtins", "eval"),
    ("__builtin__", "exec"),
    ("os", "system"),
    ("numpy", "load"),
    ("numpy", "core.multiarray"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy._core.numeric", "load"),
    ("numpy.core", "multiarray._reconstruct.__globals__"),
    ("_codecs", "lookup"),
    ("copyreg", "_reconstructor"),
    ("errors", "run_or_explain"),
]


@pytest.mark.parametrize(("module", "name"), HOSTILE_NAMES)
def test_pickle_may_name_no_more_than_arrays(tmp_path, module, name):
    content = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)
    )
    (tmp_path / "x.pkl").write_bytes(content + b"\x93.")
    with pytest.raises(UserError, match="which is not plain data"):
        read_pickle(tmp_path / "x.pkl")


class Raw:
    """Pickled as the given call, with the given state."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


ADDRESSES = b"A" * 16


def forged_dtype(code: str, *state) -> Raw:
    return Raw(np.dtype, (code, False, True), (3, *state))


def forged_array(dtype: object, content: object = ADDRESSES) -> Raw:
    start = (np.ndarray, (0,), b"b")
    return Raw(np._core.multiarray._reconstruct, start, (1, (2,), dtype, False, content))


FORGED = {
    # bytes of the file as addresses of objects
    "object array": forged_array(forged_dtype("O", "|", None, None, None, -1, -1, 0)),
    "object array by call": Raw(np.ndarray, ((2,), "O", ADDRESSES)),
    "object array from buffer": Raw(np._core.numeric._frombuffer, (ADDRESSES, "O", (2,), "C")),
    "object scalar": Raw(np._core.multiarray.scalar, (np.dtype("O"), ADDRESSES)),
    "structure of objects": forged_array(np.dtype([("a", "O")])),
    "numbers with fields of objects": forged_array(
        forged_dtype("f8", "<", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 8, 0)
    ),
    # lengths that reach beyond the array
    "wide": forged_array(forged_dtype("U2", "<", None, None, None, 1 << 30, 4, 8), ADDRESSES[:8]),
    "too short": forged_array(np.dtype("f8"), ADDRESSES[:15]),
    "short scalar": Raw(np._core.multiarray.scalar, (np.dtype("f8"), b"A")),
    "other encoding": Raw(codecs.encode, ("é", "utf-8")),
    "honest object array": np.array([1, "a", None], dtype=object),
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
}


def test_forged_arrays_are_refused_without_a_crash(tmp_path):
    for case, content in FORGED.items():
        dump(tmp_path / f"{case}.pkl", {"a": content}, protocol=2)
    script = (
        "import sys, pathlib, dataset.files, errors\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: print(path.stem, 'read:', repr(dataset.files.read_pickle(path)), flush=True)\n"
        "    except errors.UserError as refusal: print(path.stem, 'refused:', refusal, flush=True)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]  # a process of its own may crash
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    refusals = dict(line.split(" refused: ", 1) for line in done.stdout.splitlines())
    assert refusals.keys() == FORGED.keys()
    assert all("not a pickle of plain data" in message for message in refusals.values())


def test_forged_state_of_a_dtype_changes_nothing(tmp_path):
    numbers = forged_dtype("f8", "<", (np.dtype("u1"), (9,)), ("a",), {"a": 1}, 800, 8, 63)
    text = forged_dtype("U2", "<", None, None, None, -4, 4, 8)
    content = {
        "numbers": forged_array(numbers, struct.pack("<2d", 1, 2)),
        "text": forged_array(text, "abcd".encode("utf-32-le")),
    }
    dump(tmp_path / "x.pkl", content, protocol=2)
    read = read_pickle(tmp_path / "x.pkl")
    assert read["numbers"].dtype == np.float64 and read["numbers"].dtype.fields is None
    assert read["numbers"].tolist() == [1, 2]
    assert read["text"].tolist() == ["ab", "cd"]


PLAIN = {
    "float32": np.arange(3, dtype=np.float32),
    "big-endian": np.arange(3, dtype=">i4"),
    "matrix": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bool": np.array([True, False]),
    "str": np.array(["é", "jazz"]),
    "bytes": np.array([b"a", b"bc"]),
    "scalar": np.float64(1.5),
    np.str_("numpy key"): [np.int64(3), np.bool_(True), np.str_("x"), np.float32(2)],
    "python": [1, 2.5, "é", b"\xff\x00", None, True, (1, [2]), {"a": {}}, 10**30],
}


def assert_plain(read: dict) -> None:
    assert list(read) == list(PLAIN)
    for name, value in PLAIN.items():
        if isinstance(value, np.ndarray):
            assert read[name].dtype.kind == value.dtype.kind
            np.testing.assert_array_equal(read[name], value)
        else:
            assert read[name] == value


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_of_every_protocol(tmp_path, protocol):
    dump(tmp_path / "x.pkl", PLAIN, protocol)
    assert_plain(read_pickle(tmp_path / "x.pkl"))


@pytest.mark.parametrize("protocol", range(4))  # later ones tell the lengths of names
@pytest.mark.parametrize("module", [b"numpy.core.", b"numpy._core."])
def test_module_names_of_numpy_1_and_2(tmp_path, protocol, module):
    written = pickle.dumps(PLAIN, protocol)
    renamed = written.replace(b"numpy._core.", module).replace(b"numpy.core.", module)
    assert b"c" + module + b"multiarray\n_reconstruct" in renamed
    (tmp_path / "x.pkl").write_bytes(renamed)
    assert_plain(read_pickle(tmp_path / "x.pkl"))


def old_numpy_pickle() -> bytes:
    """{'jazz': array([1, 2], float32)} as Python 3.7 and numpy 1 wrote it, spelled out."""
    numbers = struct.pack("<2f", 1, 2)
    return (
        b"\x80\x03}X\x04\x00\x00\x00jazzcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        b"K\x00\x85C\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"C\x08" + numbers + b"tbs."
    )


def test_pickle_of_an_old_numpy(tmp_path):
    (tmp_path / "x.pkl").write_bytes(old_numpy_pickle())
    vector = read_pickle(tmp_path / "x.pkl")["jazz"]
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, [1, 2])


@settings(max_examples=150)
@given(st.data())
def test_damaged_pickle_reads_or_is_refused_in_one_line(tmp_path_factory, data):
    content = bytearray(old_numpy_pickle())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "google_emb.pkl"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert isinstance(read_pickle(path), dict)
    except UserError as refusal:
        assert str(path) in str(refusal) and "\n" not in str(refusal)
