"""Listening data on Spark: read, counted, filtered and factorised where one memory is too small.

The same rules as in `triplets.py` and `als.py`, said for tables that lie in partitions. The driver
holds only the vectors of the dataset's songs.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset.files import user_path
from errors import UserError
from preprocessing.listening.als import AlsOptions, Factors, unit_length
from preprocessing.listening.triplets import MOST_PLAYS, is_parquet

try:
    from pyspark.errors import AnalysisException
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql import functions as F
    from pyspark.sql.types import (
        BinaryType,
        DataType,
        DecimalType,
        IntegralType,
        NumericType,
        StringType,
    )
except ImportError:
    raise UserError("--engine spark needs PySpark: pip install 'pyspark==4.*'") from None

ROWS_A_PART = 2_000_000
_COLUMNS = ("user", "song", "count")
# Java's numbers, to which Spark casts, are also 5f, 5D and 0x1p3; text of blanks around is a number
_NUMBER = r"^[ \t]*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\r]*$"
_BYTE_ORDER_MARK = "\ufeff"
_PART_BITS = 33  # of `monotonically_increasing_id`: below them stands the row, above its partition


def _without_its_past(table: DataFrame) -> DataFrame:
    """The table computed and kept; its plan would grow threefold with each round of a loop.

    In `spark.checkpoint.dir` where that is set, else on the executors, whose loss ends the run.
    """
    is_safe = table.sparkSession.sparkContext.getCheckpointDir() is not None
    return table.checkpoint() if is_safe else table.localCheckpoint()


# ---------------------------------------------------------------- reading


@dataclass(frozen=True)
class SparkPlays:
    """Who listened to what how often, as `triplets.Plays`, in partitions."""

    pairs: DataFrame  # user: int, song: int, count: float; numbers of both, each pair once
    songs: DataFrame  # song: int, song_id: str; which song a number stands for
    n_parts: int  # how many partitions the work has

    def sizes(self) -> tuple[int, int, int]:
        """Numbers of (user, song) pairs, users and songs."""
        counts = [F.count("*"), F.count_distinct("user"), F.count_distinct("song")]
        return tuple(self.pairs.agg(*counts).head())

    def has_any(self, song_ids: set[str]) -> bool:
        """Whether one of these songs is listened to."""
        return not self._of(song_ids).isEmpty()

    def first_songs(self) -> list[str]:
        """The first two songs, sorted."""
        return [row.song_id for row in self.songs.orderBy("song_id").head(2)]

    def at_least(self, min_song_users: int, min_user_songs: int) -> "SparkPlays":
        """Keep songs with enough users and users with enough songs, repeated until both hold."""
        pairs, n_pairs = self.pairs, self.pairs.count()
        while min_song_users > 1 or min_user_songs > 1:
            kept = pairs
            for name, least in (("song", min_song_users), ("user", min_user_songs)):
                counts = pairs.groupBy(name).agg(F.count("*").alias("n"))
                kept = kept.join(counts.where(F.col("n") >= least).select(name), name)
            pairs = _without_its_past(kept.select(*self.pairs.columns))
            n_before, n_pairs = n_pairs, pairs.count()
            if n_pairs == n_before:
                break
        return SparkPlays(pairs, self.songs, self.n_parts)

    def learn_factors(self, options: AlsOptions, wanted: set[str]) -> Factors:
        """Learn song vectors as `als.learn_factors` does, by MLlib's implicit ALS.

        MLlib weighs the penalty of a user or song by its number of pairs (Zhou et al., ALS-WR,
        2008), implicit does not. So that both penalties weigh the same in sum, MLlib's is
        `regularization` divided by the mean number of pairs of a user or song.

        Returns
        -------
        Factors
            float32 vectors of Euclidean length 1, of the wanted songs that are listened to; all
            songs are learnt from.
        """
        n_pairs, n_users, n_songs = self.sizes()
        als = ALS(
            rank=options.factors,
            maxIter=options.iterations,
            regParam=options.regularization * (n_users + n_songs) / (2 * n_pairs),
            implicitPrefs=True,
            alpha=options.alpha,
            seed=options.seed,
            numUserBlocks=self.n_parts,
            numItemBlocks=self.n_parts,
            userCol="user",
            itemCol="song",
            ratingCol="confidence",
        )
        confidence = F.log1p("count").cast("float").alias("confidence")
        model = als.fit(self.pairs.select("user", "song", confidence))
        factors = model.itemFactors.withColumnRenamed("id", "song")
        rows = factors.join(self._of(wanted), "song").orderBy("song").toLocalIterator()
        found = [(row.song_id, np.array(row.features, dtype=np.float32)) for row in rows]
        vectors = np.array([one for _, one in found]).reshape(len(found), options.factors)
        return Factors([song_id for song_id, _ in found], unit_length(vectors))

    def _of(self, song_ids: set[str]) -> DataFrame:
        """The rows of `songs` with these ids."""
        asked = [(name,) for name in sorted(song_ids)]
        session = self.songs.sparkSession
        return self.songs.join(session.createDataFrame(asked, "song_id string"), "song_id")


def read_on_spark(session: SparkSession, address: str) -> SparkPlays:
    """Read rows of user, song, count: text as `triplets.read_triplets` does, or Parquet.

    Counts of a pair that stands in several rows are added. The address is that of a file or folder
    of this machine, or has `://` in it; a name that ends in .parquet is Parquet, with columns user,
    song, count, anything else text.

    Raises
    ------
    UserError
        Nothing is there, it is empty or not of this form, or its counts of a pair add up to more
        than a float has.
    """
    rows = _read_rows(session, address)
    n_parts = 2 + _checked_count(rows, address) // ROWS_A_PART
    session.conf.set("spark.sql.shuffle.partitions", str(n_parts))
    rows = _in_normal_form(rows.select("user", "song", "count"))
    users, songs = (_numbered(rows, name, n_parts) for name in ("user", "song"))
    pairs = rows.withColumnsRenamed({"user": "user_id", "song": "song_id"})
    pairs = pairs.join(users, "user_id").join(songs, "song_id")
    count = F.sum("count").cast("float").alias("count")
    pairs = pairs.groupBy("user", "song").agg(count).persist()
    _check_sums(pairs, songs, address)
    return SparkPlays(pairs, songs, n_parts)


def _check_sums(pairs: DataFrame, songs: DataFrame, address: str) -> None:
    """Raise `UserError` for counts of a pair that add up to more than a float has."""
    too_many = pairs.where(F.col("count") == F.lit(float("inf"))).join(songs, "song").head()
    if too_many is not None:
        raise UserError(
            f"the counts of {address} add up to more than {MOST_PLAYS:.1e} plays of the song "
            f"{too_many.song_id!r} by one user: correct them"
        )


def _read_rows(session: SparkSession, address: str) -> DataFrame:
    """Columns user, song, count, and `row`, which shows the whole row in messages."""
    given, name = address, address.rstrip("/").rpartition("/")[2]
    if name.startswith(("_", ".")):
        raise UserError(f"{given}: Spark passes over names that begin with {name[0]!r}: rename it")
    if name.endswith((".xz", ".zip")):
        raise UserError(f"{given}: Spark does not unpack such a file: give it plain, .gz or .bz2")
    if "://" not in address:
        path = user_path(address).absolute()
        if not path.exists():
            raise UserError(f"{address} is missing: give existing rows as TRIPLETS")
        files = [path] if path.is_file() else filter(Path.is_file, path.glob("*.parquet"))
        if not name.endswith(".parquet") and any(map(is_parquet, files)):
            raise UserError(f"{given} is Parquet: give it a name that ends in .parquet")
        address = "file://" + re.sub(r"([{}\[\]*?\\])", r"\\\1", str(path))
    if name.endswith(".parquet"):
        return _parquet_rows(session, address, given)
    lines = session.read.option("recursiveFileLookup", True).text(address)
    lines = lines.where(~F.col("value").rlike("^ *$"))
    line = F.ltrim(F.col("value"), F.lit(_BYTE_ORDER_MARK))
    fields = lines.select(F.split(line, "\t", -1).alias("field"), F.col("value").alias("row"))
    fields = fields.withColumn("field", F.when(F.is_valid_utf8("row"), F.col("field")))
    user, song, count = (F.get("field", F.lit(position)) for position in range(3))
    is_row = F.size("field") == 3
    plays = F.when(is_row, _number(count)).alias("count")
    return fields.select(user.alias("user"), song.alias("song"), plays, "row")


def _number(text: Column) -> Column:
    """What a text says; null where it is no number."""
    return F.when(text.rlike(_NUMBER), text).try_cast("float")


def _parquet_rows(session: SparkSession, address: str, given: str) -> DataFrame:
    """As `_read_rows`, of Parquet."""
    table = _parquet_table(session, address, given)
    for name in _COLUMNS:
        kind = table.schema[name].dataType
        if not _is_fit(name, kind):
            raise UserError(
                f"{given} has the column {name} of type {kind.simpleString()[:100]}: users and "
                "songs must be text or whole numbers, counts numbers: write it so"
            )
    user, song, count = (F.col(name).cast("string") for name in _COLUMNS)
    is_text = isinstance(table.schema["count"].dataType, StringType)
    plays = _number(count) if is_text else F.col("count").cast("float")
    row = F.concat_ws("\t", user, song, count).alias("row")
    user, song = (F.when(F.is_valid_utf8(name), name) for name in (user, song))
    return table.select(user.alias("user"), song.alias("song"), plays.alias("count"), row)


def _parquet_table(session: SparkSession, address: str, given: str) -> DataFrame:
    """A Parquet file, or all below a folder; a column may stand in folders' names, user=ann."""
    # else the folders song=007 and song=7 are one song
    session.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
    try:
        table = session.read.option("recursiveFileLookup", True).parquet(address)
        if not set(_COLUMNS).issubset(table.columns):
            table = session.read.parquet(address)  # with those in the names, which it reads so only
    except AnalysisException as error:
        raise UserError(
            f"{given} is no Parquet that Spark can read ({error.getCondition()}): correct it"
        ) from None
    if not set(_COLUMNS).issubset(table.columns):
        raise UserError(
            f"{given} has the columns {', '.join(table.columns)[:200]}: it must have user, "
            "song, count"
        )
    return table


def _is_fit(name: str, kind: DataType) -> bool:
    """Whether a column of Parquet can be what it is called; a float names no song for certain."""
    if isinstance(kind, StringType):
        return True
    if name == "count":
        return isinstance(kind, NumericType)
    is_whole = isinstance(kind, DecimalType) and kind.scale == 0  # as Spark reads uint64
    return is_whole or isinstance(kind, (IntegralType, BinaryType))


def _checked_count(rows: DataFrame, address: str) -> int:
    """Return the number of rows; raise `UserError` if there are none, or one is not of the form."""
    is_good = (
        (F.col("user") != "")
        & (F.col("song") != "")
        & (F.col("count") > 0)
        & (F.col("count") < F.lit(float("inf")))  # nor NaN, which to Spark is above all numbers
    )
    is_bad = ~F.coalesce(is_good, F.lit(False))
    n_rows, bad = rows.agg(F.count("*"), F.min(F.when(is_bad, F.col("row")))).head()
    if n_rows == 0:
        raise UserError(f"{address} is empty: give rows of user, song, count")
    if bad is not None:
        raise UserError(
            f"{address} has the row {bad[:100]!r}: each must be a user, a song and a count above "
            "0, separated by tabs"
        )
    return n_rows


def _in_normal_form(rows: DataFrame) -> DataFrame:
    """Bring users and songs to the one Unicode form; Python sees only what is not ASCII."""
    user, song = F.col("user"), F.col("song")
    is_ascii = F.octet_length(user) + F.octet_length(song) == F.length(user) + F.length(song)
    normal = F.udf(lambda name: unicodedata.normalize("NFC", name), StringType(), useArrow=False)
    others = rows.where(~is_ascii)
    others = others.select(normal(user).alias("user"), normal(song).alias("song"), "count")
    return rows.where(is_ascii).unionByName(others)


def _numbered(rows: DataFrame, name: str, n_parts: int) -> DataFrame:
    """Number the names in a column from 0: table of `name` and `<name>_id`, the same each time.

    No partition sees all of them: each numbers its own, sorted, from the end of the one before.
    """
    names = rows.select(F.col(name).alias(f"{name}_id")).distinct()
    names = names.repartition(n_parts, f"{name}_id").sortWithinPartitions(f"{name}_id")
    names = names.withColumn("at", F.monotonically_increasing_id()).persist()
    part, row = F.shiftright("at", _PART_BITS), F.col("at").bitwiseAND(2**_PART_BITS - 1)
    sizes = {
        found.part: found["count"] for found in names.groupBy(part.alias("part")).count().collect()
    }
    starts = np.cumsum([0] + [sizes.get(number, 0) for number in range(n_parts)]).tolist()
    start = F.get(F.array(*map(F.lit, starts)), part.cast("int"))
    return names.select((start + row).cast("int").alias(name), f"{name}_id")
