"""Listening data on Spark, run for real on this machine: as in memory, or known answers."""

import gzip
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest

from commands import ROOT, assert_user_error
from dataset.writing import write_split
from errors import UserError
from preprocessing.listening.als import AlsOptions
from preprocessing.listening.triplets import read_triplets

has_java = shutil.which("java") or os.environ.get("JAVA_HOME")
pytestmark = [
    pytest.mark.skipif(not has_java, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore"),  # of PySpark about the newest pandas
]
OPTIONS = AlsOptions(factors=6, iterations=6, regularization=10.0, alpha=10.0, seed=0)
WILD = (
    "\ufeffann\tx\t1\r\nbob\ty\t2\r\n\r\n  \nann\tx\t3\nann\ty\t0.5\n007\t10\t1e1\n7\t1e1\t1\n"
    'null\tNA\t1\n"q\te\u0301\t2\nq\t\u00e9\t4\nq\te\u0301\t1\n'
)


@pytest.fixture(scope="module")
def spark():
    from preprocessing.spark import open_spark

    with open_spark("local[2]") as session:
        yield session


def read(spark, file):
    from preprocessing.listening.spark_plays import read_on_spark

    return read_on_spark(spark, str(file))


def by_song(plays) -> Counter:
    """Song -> its counts in any order: what does not depend on the numbering of users."""
    names = {row.song: row.song_id for row in plays.songs.collect()}
    found: dict[str, list[float]] = {}
    for row in plays.pairs.collect():
        found.setdefault(names[row.song], []).append(row["count"])
    return Counter((song, tuple(sorted(counts))) for song, counts in found.items())


def in_memory(plays) -> Counter:
    return Counter(
        (song, tuple(sorted(counts[counts > 0].tolist())))
        for song, counts in zip(plays.song_ids, plays.user_song.toarray().T, strict=True)
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Users and songs of three scenes; a user plays a third of the songs of theirs, few others."""
    rng = np.random.default_rng(0)
    same = np.arange(60)[:, None] % 3 == np.arange(45) % 3
    played = np.argwhere(rng.random(same.shape) < np.where(same, 0.3, 0.01))
    lines = [f"u{user}\tS{song:02d}\t{rng.geometric(0.05)}\n" for user, song in played]
    file = tmp_path_factory.mktemp("scenes [a] {b}") / "plays.tsv"  # signs that Spark expands
    file.write_text("".join(lines), encoding="utf-8")
    return file


def test_text_reads_as_in_memory(spark, tmp_path):
    (tmp_path / "t.tsv").write_text(WILD, encoding="utf-8", newline="")
    expected = in_memory(read_triplets(tmp_path / "t.tsv"))
    plays = read(spark, tmp_path / "t.tsv")
    assert by_song(plays) == expected
    assert plays.sizes() == read_triplets(tmp_path / "t.tsv").sizes()
    assert plays.first_songs() == ["10", "1e1"]
    (tmp_path / "part" / "one").mkdir(parents=True)
    (tmp_path / "part" / "t.gz").write_bytes(gzip.compress(WILD.encode("utf-8")))
    assert by_song(read(spark, tmp_path / "part" / "t.gz")) == expected


def test_parquet_reads_as_text(spark, scenes):
    rows = [(user, song, int(n)) for user, song, n in map(str.split, scenes.open())]
    table = spark.createDataFrame(rows, "user string, song string, count long")
    file = scenes.parent / "plays.parquet"
    table.write.parquet(f"file://{scenes.parent.parent}/plays.parquet")
    shutil.move(scenes.parent.parent / "plays.parquet", file)
    assert by_song(read(spark, file)) == in_memory(read_triplets(scenes))
    other = scenes.parent.parent / "other.parquet"  # columns go by their names
    table.withColumn("more", table["count"]).select("count", "song", "more", "user").write.parquet(
        f"file://{other}"
    )
    assert by_song(read(spark, other)) == in_memory(read_triplets(scenes))
    wrong = scenes.parent.parent / "wrong.parquet"
    table.withColumnRenamed("song", "track").write.parquet(f"file://{wrong}")
    with pytest.raises(UserError, match=r"columns user, track, count: it must have user, song"):
        read(spark, wrong)


def write_parquet(spark, file, rows, schema, *partitions):
    table = spark.createDataFrame(rows, schema).coalesce(1)
    table.write.mode("append").partitionBy(*partitions).parquet(f"file://{file}")


def test_parquet_keeps_ids_as_they_are_written(spark, tmp_path):
    rows = [("ann", "007", 1), ("bob", "7", 2), ("bob", "7.0", 3)]  # not three times the song 7
    write_parquet(
        spark, tmp_path / "a.parquet", rows, "user string, song string, count int", "song"
    )
    ids = Counter({("007", (1.0,)): 1, ("7", (2.0,)): 1, ("7.0", (3.0,)): 1})
    assert by_song(read(spark, tmp_path / "a.parquet")) == ids
    rows = [(Decimal(2**64 - 1), bytearray(b"x"), "1e1"), (Decimal(7), bytearray(b"y"), " 2.5")]
    write_parquet(
        spark, tmp_path / "b.parquet", rows, "user decimal(20,0), song binary, count string"
    )
    assert by_song(read(spark, tmp_path / "b.parquet")) == Counter(
        {("x", (10.0,)): 1, ("y", (2.5,)): 1}
    )


def test_files_in_folders_below_are_read(spark, tmp_path):
    for folder in (tmp_path / "t", tmp_path / "t/more/value=3"):
        folder.mkdir(parents=True)
        (folder / "plays").write_text(f"ann\t{folder.name}\t1\n", encoding="utf-8")
    assert read(spark, tmp_path / "t").first_songs() == ["t", "value=3"]
    for name in ("p.parquet", "p.parquet/more"):
        write_parquet(
            spark, tmp_path / name, [("ann", name, 1)], "user string, song string, count int"
        )
    assert read(spark, tmp_path / "p.parquet").first_songs() == ["p.parquet", "p.parquet/more"]


@pytest.mark.parametrize(
    ("row", "types", "message"),
    [
        (("a", 1e7, 1), ("string", "double", "int"), "column song of type double: users and"),
        (("a", ["x"], 1), ("string", "array<string>", "int"), "song of type array<string>"),
        (("a", "x", True), ("string", "string", "boolean"), "count of type boolean"),
        (("a", "x", [1]), ("string", "string", "array<int>"), "count of type array<int>"),
        (("a", "x", "two"), ("string", "string", "string"), r"has the row 'a\\tx\\ttwo'"),
        (("a", "x", "5f"), ("string", "string", "string"), r"has the row 'a\\tx\\t5f'"),
        (("a", bytearray(b"\xff"), 1), ("string", "binary", "int"), "has the row"),
        (("a", None, 1), ("string", "string", "int"), "has the row"),
    ],
)
def test_parquet_of_other_types_is_refused(spark, tmp_path, row, types, message):
    schema = ", ".join(
        f"{name} {kind}" for name, kind in zip(("user", "song", "count"), types, strict=True)
    )
    write_parquet(spark, tmp_path / "t.parquet", [row], schema)
    with pytest.raises(UserError, match=message):
        read(spark, tmp_path / "t.parquet")


def test_what_is_no_parquet_by_name_or_content_is_refused(spark, tmp_path):
    for name in ("plays", "folder/part-0.parquet"):
        (tmp_path / "folder" / "a.parquet").mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"PAR1\x15PAR1")
    for name in ("plays", "folder"):
        with pytest.raises(UserError, match=f"{name} is Parquet: give it a name that ends in"):
            read(spark, tmp_path / name)
    (tmp_path / "t.parquet").mkdir()
    with pytest.raises(UserError, match=r"t.parquet is no Parquet .*UNABLE_TO_INFER_SCHEMA"):
        read(spark, tmp_path / "t.parquet")


def test_numbers_of_songs_are_all_from_zero(spark, scenes):
    rows = read(spark, scenes).songs.collect()
    assert sorted(row.song for row in rows) == list(range(45))
    assert len({row.song_id for row in rows}) == 45


@pytest.mark.parametrize("least", [(1, 1), (8, 7), (9, 1), (1, 8), (99, 1)])
def test_at_least_keeps_what_memory_keeps(spark, scenes, least):
    ours, plain = read(spark, scenes).at_least(*least), read_triplets(scenes).at_least(*least)
    assert ours.sizes() == plain.sizes()
    assert by_song(ours) == in_memory(plain)


def test_factors_find_the_planted_scenes_and_come_again(spark, scenes):
    wanted = {f"S{song:02d}" for song in range(40)} | {"unknown"}
    factors = read(spark, scenes).learn_factors(OPTIONS, wanted)
    assert sorted(factors.song_ids) == sorted(wanted - {"unknown"})
    assert factors.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(factors.vectors, axis=1), 1, rtol=1e-5)
    scene = np.array([int(song_id[1:]) % 3 for song_id in factors.song_ids])
    similarity = factors.vectors @ factors.vectors.T
    np.fill_diagonal(similarity, -2)
    assert (scene[similarity.argmax(axis=1)] == scene).mean() > 0.95
    again = read(spark, scenes).learn_factors(OPTIONS, wanted)
    assert again.song_ids == factors.song_ids
    np.testing.assert_allclose(again.vectors, factors.vectors, atol=1e-4)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"ann\ty\t9\n" + b"ann\tx\t3e38\n" * 2, r"3.4e\+38 plays of the song 'x' by one user"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"user\tsong\tcount\n", "has the row 'user.*count'"),
        (b"ann x 1\n", "has the row 'ann x 1'"),
        (b"ann\tx\t1\nann\ty\t2\t3\n", r"ann\\ty\\t2\\t3"),
        (b"ann\tx\t1\nann\ty\n", r"ann\\ty'"),
        (b"ann\tx\t1\nann\ty\t-1\n", r"ann\\ty\\t-1"),
        (b"ann\tx\t1\nann\ty\tinf\n", r"ann\\ty\\tinf"),
        (b"ann\tx\t1\nann\ty\tnan\n", r"ann\\ty\\tnan"),
        (b"ann\tx\t1\nann\ty\t5f\n", r"ann\\ty\\t5f"),  # to Java a number
        (b"ann\tx\t1\nann\ty\t0x1p3\n", r"ann\\ty\\t0x1p3"),
        (b"ann\tx\t1\nann\t\t1\n", r"ann\\t\\t1"),
        (b"ann\tx\t1\n\xff\ty\t1\n", r"\\ty\\t1"),
    ],
)
def test_damaged_rows_are_explained(spark, tmp_path, content, message):
    (tmp_path / "t.tsv").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(spark, tmp_path / "t.tsv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"), [("_t.tsv", "begin with '_': rename"), ("t.tsv.xz", "does not unpack")]
)
def test_names_that_spark_does_not_read(spark, tmp_path, name, message):
    (tmp_path / name).write_bytes(b"ann\tx\t1\n")
    with pytest.raises(UserError, match=message):
        read(spark, tmp_path / name)


def test_without_pyspark_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.ml.recommendation", None)
    monkeypatch.delitem(sys.modules, "preprocessing.listening.spark_plays", raising=False)
    with pytest.raises(UserError, match=r"needs PySpark: pip install"):
        importlib.import_module("preprocessing.listening.spark_plays")


# ---------------------------------------------------------------- the command line


def train(directory, file, *options, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "step3_taste_profile.py", "train", directory, file]
    command += ["--engine=spark", "--spark=local[2]", "--factors=6", "--iterations=2", *options]
    return subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def directory(tmp_path):
    splits = {"train": np.array([0]), "valid": np.array([1]), "test": np.array([2])}
    write_split(tmp_path, ["rock"], ["S00", "S01", "S99"], np.ones((3, 1)), splits)
    return tmp_path


@pytest.mark.slow
def test_train_on_spark_writes_the_same_files(directory, scenes):
    done = train(directory, scenes)
    assert done.returncode == 0, done.stderr
    assert "60 users, 45 songs" in done.stdout and "a zero vector: 1 (S99)" in done.stdout
    vectors = np.load(directory / "ix_to_cf.npy")
    assert vectors.dtype == np.float32 and vectors.shape == (3, 6)
    assert vectors.any(axis=1).tolist() == [True, True, False]
    step = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))["steps"]["step3"]
    assert step["engine"] == "spark" and step["songs"] == 3 and step["plays"] == 285


@pytest.mark.slow
def test_train_without_java_or_songs_writes_nothing(directory, scenes):
    before = sorted(directory.iterdir())
    done = train(directory, scenes, JAVA_HOME=str(directory))
    assert_user_error(done, "Spark does not start at local[2]", "needs Java 17")
    (directory / "other.tsv").write_text("ann\tx\t1\nann\ty\t1\n", encoding="utf-8")
    done = train(directory, directory / "other.tsv")
    assert_user_error(done, "(which has x, y)", "--id_map=FILE")
    (directory / "other.tsv").unlink()
    assert sorted(directory.iterdir()) == before


# The last one: it stops the session that the others share.
def test_what_is_not_there_is_explained(spark, tmp_path):
    from preprocessing.spark import open_spark

    with pytest.raises(UserError, match=r"Spark failed \(.*none"), open_spark("local[2]"):
        with pytest.raises(UserError, match="is missing: give existing rows"):
            read(spark, tmp_path / "none.tsv")
        read(spark, f"file://{tmp_path}/none.tsv")
    with pytest.raises(UserError, match="does not start at nowhere"), open_spark("nowhere"):
        pass
