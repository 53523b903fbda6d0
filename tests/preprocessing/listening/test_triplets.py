"""Listening data: known answers, a naive reference, and damaged files."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.files import normal_form
from errors import UserError
from preprocessing.listening import triplets
from preprocessing.listening.triplets import Plays, read_triplets, songs_of_triplets

ROWS = b"ann\tx\t1\nbob\ty\t2\nann\tx\t3\nann\ty\t0.5\n"


def as_dict(plays: Plays) -> Counter:
    """Multiset of (song, users' counts in any order): what does not depend on the numbering."""
    by_song = plays.user_song.toarray().T
    return Counter(
        (song, tuple(sorted(counts[counts > 0].tolist())))
        for song, counts in zip(plays.song_ids, by_song, strict=True)
    )


def test_counts_of_a_pair_are_added(tmp_path):
    (tmp_path / "t.tsv").write_bytes(ROWS)
    plays = read_triplets(tmp_path / "t.tsv")
    assert plays.song_ids.tolist() == ["x", "y"]
    assert plays.user_song.dtype == np.float32
    np.testing.assert_array_equal(plays.user_song.toarray(), [[4, 0.5], [0, 2]])


@pytest.mark.parametrize(
    "name, compress", [("t.gz", gzip.compress), ("t.bz2", bz2.compress), ("t.xz", lzma.compress)]
)
def test_compressed_files_read_the_same(tmp_path, name, compress):
    (tmp_path / name).write_bytes(compress(ROWS))
    np.testing.assert_array_equal(
        read_triplets(tmp_path / name).user_song.toarray(), [[4, 0.5], [0, 2]]
    )
    assert songs_of_triplets(tmp_path / name) == {"x", "y"}


def test_ids_stay_text(tmp_path):
    (tmp_path / "t.tsv").write_text("007\t10\t1\n7\t1e1\t1\nnull\tNA\t1\n", encoding="utf-8")
    plays = read_triplets(tmp_path / "t.tsv")
    assert plays.song_ids.tolist() == ["10", "1e1", "NA"]
    assert plays.user_song.shape == (3, 3)


IDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=3)


@settings(max_examples=40)
@given(st.lists(st.tuples(IDS, IDS, st.integers(1, 1000)), min_size=1, max_size=30))
def test_chunks_agree_with_a_plain_loop(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("wild") / "t.tsv"
    file.write_text("".join(f"{u}\t{s}\t{c}\n" for u, s, c in rows), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triplets, "CHUNK_ROWS", 4)
        plays = read_triplets(file)
    expected = Counter()
    for user, song, count in rows:
        expected[normal_form(user), normal_form(song)] += count
    per_song = Counter(
        (song, tuple(sorted(float(c) for (_, other), c in expected.items() if other == song)))
        for song in {song for _, song in expected}
    )
    assert as_dict(plays) == per_song
    assert plays.user_song.shape[0] == len({user for user, _ in expected})


def test_at_least_repeats_until_stable(tmp_path):
    # d has one user, without d cat has one song, without cat c has one user; a and b stay
    rows = "ann\ta\nann\tb\nbob\ta\nbob\tb\nbob\tc\ncat\tc\ncat\td\n"
    (tmp_path / "t.tsv").write_text(rows.replace("\n", "\t1\n"), encoding="utf-8")
    kept = read_triplets(tmp_path / "t.tsv").at_least(min_song_users=2, min_user_songs=2)
    assert kept.song_ids.tolist() == ["a", "b"]
    np.testing.assert_array_equal(kept.user_song.toarray(), [[1, 1], [1, 1]])


def test_at_least_may_leave_nothing(tmp_path):
    (tmp_path / "t.tsv").write_bytes(ROWS)
    assert read_triplets(tmp_path / "t.tsv").at_least(3, 1).user_song.shape == (0, 0)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"\n\n", "cannot be read"),
        (b"user\tsong\tcount\n", "remove the header line"),
        (b"ann x 1\n", "has 1 columns"),
        (b"ann\tx\t1\t2\n", "has 4 columns"),
        (b"ann\tx\t1\nann\ty\t2\t3\n", "line 2"),
        (b"ann\tx\t1\nann\ty\n", "count '' in row 2"),
        (b"ann\tx\t1\nann\ty\tmany\n", "count 'many' in row 2"),
        (b"ann\tx\t1\nann\ty\t-1\n", "count '-1' in row 2"),
        (b"ann\tx\t1\nann\ty\t0\n", "count '0' in row 2"),
        (b"ann\tx\t1\nann\ty\tinf\n", "count 'inf' in row 2"),
        (b"ann\tx\t1\nann\t\t1\n", "no song in row 2"),
        (b"ann\tx\t1\n\t\xc3\xa9\t1\n", "no user in row 2"),
        (b"ann\tx\t1\n\xff\ty\t1\n", "utf-8"),
        (b"ann\tx\t" + b"9" * 400 + b"\n", f"count '{'9' * 50}' in row 1"),
        (b"ann\tx\t1.5\nann\ty\t" + b"9" * 400 + b"\nann\tz\t2\n", "in row 2"),
        (b"ann\ty\t9\nann\tx\t3e38\n" * 2, "more than 3.4e.38 plays of the song 'x' by one user"),
        (b"ann\tx\t1\n" + bytes(2**24), "more than 16 MB in line 2"),
        (bytes(2**24), "more than 16 MB in line 1"),
        (b"PAR1\x15\x04\x80PAR1", "is Parquet: give --engine spark"),
    ],
)
def test_damaged_files_are_explained(tmp_path, content, message):
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_triplets(tmp_path / "t.tsv")
    assert "\n" not in str(caught.value)


def zipped(method: int, flags: int) -> bytes:
    """A zip whose directory and header say that it is packed so, with these flags."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("t.tsv", ROWS)
    content = bytearray(packed.getvalue())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(mark) + at
        content[place : place + 4] = struct.pack("<HH", flags, method)
    return bytes(content)


def tarred() -> bytes:
    """A tar of rows."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("t.tsv")
        member.size = 100 * len(ROWS)
        archive.addfile(member, io.BytesIO(100 * ROWS))
    return packed.getvalue()


@pytest.mark.parametrize(
    "name, content",
    [
        ("t.gz", b"ann\tx\t1\n"),
        ("t.xz", b"ann\tx\t1\n"),
        ("t.bz2", b"ann\tx\t1\n"),
        ("t.gz", gzip.compress(ROWS * 90000)[:-30]),
        ("t.zip", zipped(9, 0)),  # Deflate64
        ("t.zip", zipped(0, 1)),  # encrypted
        ("t.tar", ROWS),
        ("t.tar", tarred()[:700]),
        ("t.tar.gz", gzip.compress(ROWS)),
    ],
)
def test_damaged_compression_is_explained(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="correct or replace it"):
        read_triplets(tmp_path / name)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"triplets\.tsv is missing: step0_dataset\.py writes it"):
        read_triplets(tmp_path / "triplets.tsv")
