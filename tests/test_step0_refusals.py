"""Step 0 on raw sets that are not as they should be: one sentence that says where to get them."""

import numpy as np
import pytest

from raw_samples import write_lastfm, write_msd
from step0_runs import refused, step0, write_lines


@pytest.fixture
def lastfm(tmp_path):
    return write_lastfm(tmp_path / "raw")


@pytest.fixture
def msd(tmp_path):
    return write_msd(tmp_path / "raw")


def assert_explained(command, raw, name, content, *words):
    """Without a file, or with other content in it, step 0 says so and writes nothing."""
    (raw / name).unlink()
    if content is not None:
        (raw / name).write_bytes(content)
    data = raw.parent / "data"
    assert refused(step0(command, raw, data, "--min_songs", 1), raw / name, *words)
    assert not data.exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("artists.dat", None, ["missing"]),
        ("tags.dat", None, ["missing"]),
        ("user_artists.dat", None, ["missing"]),
        ("user_taggedartists.dat", None, ["missing"]),
        ("artists.dat", "ÿ".encode("latin-1") * 9, ["utf-8"]),
        ("tags.dat", b"", ["header"]),
        ("tags.dat", b"tagID\ttagValue\r\n", ["no rows"]),
        ("tags.dat", b"tagID\ttagValue\r\n1\trock\tx\r\n", ["3 instead of 2", "line 2"]),
        ("tags.dat", b"tagID\ttagValue\r\n1\trock\r\n", ["names ids", "tags.dat", "2, 3, 4, 5"]),
        (
            "user_artists.dat",
            b"userID\tartistID\tweight\r\n1\t7\t1\r\n1\t8\tx\r\n",
            ["'x'", "line 3"],
        ),
        ("user_artists.dat", b"userID\tartistID\tweight\r\n1\t7\t0\r\n", ["'0'", "line 2"]),
        ("user_artists.dat", b"userID\tartistID\tweight\r\n1\t77\t1\r\n", ["77", "artists.dat"]),
    ],
)
def test_lastfm2k_explains_bad_files(lastfm, name, content, words):
    assert_explained("lastfm2k", lastfm, name, content, "grouplens.org", *words)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("songs.tsv", None, ["missing", "millionsongdataset.com"]),
        ("raw_tags.tsv", None, ["missing", "millionsongdataset.com"]),
        ("items_index_MSD.tsv", None, ["missing", "user_item_embs.tar.gz"]),
        ("item_factors_MSD.npy", None, ["missing", "user_item_embs.tar.gz"]),
        ("item_factors_MSD.npy", b"not an array", ["not a readable .npy array"]),
        ("songs.tsv", b"track_id\tsong_id\tartist\ttitle\nTRB\ta\tb\tc\n", ["lacks 1", "TRA"]),
        ("raw_tags.tsv", b"track\ttag\nTRA\trock\n", ["header", "track_id tag"]),
    ],
)
def test_msd_explains_bad_files(msd, name, content, words):
    assert_explained("msd", msd, name, content, *words)


def test_msd_explains_a_folder_of_something_else(tmp_path):
    (tmp_path / "raw").mkdir()
    done = step0("msd", tmp_path / "raw", tmp_path / "data")
    assert refused(done, "raw has none of the files", "msd --help", "millionsongdataset.com")
    assert "step3" not in done.stderr  # which a missing index otherwise names as a way out


@pytest.mark.parametrize(
    "factors", [np.zeros(2), np.full((2, 3), np.nan), np.array([["a"], ["b"]])]
)
def test_msd_explains_bad_factors(msd, tmp_path, factors):
    np.save(msd / "item_factors_MSD.npy", factors)
    done = step0("msd", msd, tmp_path / "data", "--min_songs", 1)
    assert refused(done, msd / "item_factors_MSD.npy")
    assert not (tmp_path / "data").exists()


def test_msd_explains_an_index_that_does_not_fit(msd, tmp_path):
    write_lines(msd / "items_index_MSD.tsv", ["TRB"])
    assert refused(
        step0("msd", msd, tmp_path / "data"), "item_factors_MSD.npy has 2 rows", "1 song"
    )
    write_lines(msd / "items_index_MSD.tsv", ["TRB", "TRB"])
    assert refused(step0("msd", msd, tmp_path / "data"), "items_index_MSD.tsv", "'TRB' twice")
