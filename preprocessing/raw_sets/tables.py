"""Strict reading of delimited text files with a header: every line is checked, all is text."""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from command_line import existing_file
from errors import UserError, one_line

SEP_LINE = re.compile(r'\A"?sep=.?"?[ ,;\t]*(?=[\r\n])', re.IGNORECASE)  # Excel asks for it
MOST_COLUMNS = 10_000


@dataclass(frozen=True)
class Form:
    """How a file is written."""

    quoting: dict = field(default_factory=lambda: {"quoting": csv.QUOTE_NONE})  # for csv.reader
    delimiters: str = "\t"  # of fields, maybe: the first with which the header makes sense
    # From a spreadsheet: capitals and spaces in the header do not count, nor do empty columns and
    # rows, nor a first line such as sep=;; UTF-16 with its mark is read.
    by_hand: bool = False
    else_latin: bool = False  # Latin-1 where it is no UTF-8


PLAIN = Form()  # quotation marks are letters like any other
LATIN = Form(else_latin=True)
QUOTED = Form({"quoting": csv.QUOTE_MINIMAL})
SPREADSHEET = Form({"strict": True, "skipinitialspace": True}, "\t;,", by_hand=True)


def read_table(
    path: Path,
    columns: Collection[str],
    way_out: str,
    form: Form = PLAIN,
    may_lack_header: bool = False,
) -> pd.DataFrame:
    """Read a file with a header; a tag called 'null' or 'nan' stays what it is.

    Parameters
    ----------
    path : Path
        The file.
    columns : collection of str
        Columns that its header must name; others may stand there too.
    way_out : str
        What the user can do if the file is wrong, for messages.
    form : Form
        PLAIN, LATIN, QUOTED or SPREADSHEET.
    may_lack_header : bool
        Whether a first line with as many fields as `columns`, but other names, is a row.

    Returns
    -------
    DataFrame
        All columns, str; the index is the number of the line in which a row ends.

    Raises
    ------
    UserError
        The file is missing, has another header, a line with more or fewer fields, or no rows.
    """
    text = read_text(path, way_out, form)
    header, delimiter, is_row = _find_header(text, columns, path, way_out, form, may_lack_header)
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise UserError(f"{path} names a column twice in its header, {twice[0]!r}: {way_out}")
    lines, rows = [], []
    for line, row in _split_rows(text, path, way_out, form, delimiter):
        fields = _fitted(row, header) if form.by_hand else row
        if len(fields) != len(header):
            raise UserError(
                f"{path} has {len(row)} instead of {len(header)} fields in line {line}: {way_out}"
            )
        lines.append(line)
        rows.append(fields)
    first = 0 if is_row else 1
    if len(rows) == first:
        raise UserError(f"{path} has a header and no rows: {way_out}")
    table = pd.DataFrame(rows[first:], columns=header, index=lines[first:], dtype=str)
    return _without_empty_columns(table) if form.by_hand else table


def _find_header(
    text: str,
    columns: Collection[str],
    path: Path,
    way_out: str,
    form: Form,
    may_lack_header: bool,
) -> tuple[list[str], str, bool]:
    """Return the names of the columns, the delimiter, and whether the first line is a row."""
    first_line = text.lstrip("\r\n").splitlines()[0] if text.strip("\r\n") else ""
    lenient = form.quoting | {"strict": False}  # the line may be of another form
    for delimiter in form.delimiters:
        line: list[str] = []
        with contextlib.suppress(csv.Error):  # a field without end: no header
            line = next(csv.reader([first_line], delimiter=delimiter, **lenient), [])
        if len(line) > MOST_COLUMNS:
            raise UserError(f"{path} has {len(line)} columns in its first line: {way_out}")
        header = [name.strip().lower() for name in line] if form.by_hand else line
        if set(columns) <= set(header):
            return header, delimiter, False
        if may_lack_header and len(header) == len(columns):
            return list(columns), delimiter, True
    raise UserError(
        f"{path} must begin with a header that names {' '.join(columns)}, not "
        f"{first_line[:60]!r}: {way_out}"
    )


def _fitted(row: list[str], header: list[str]) -> list[str]:
    """Add or drop the empty fields at the end by which a spreadsheet's rows differ in length."""
    width = max(number for number, name in enumerate(header, start=1) if name)
    if len(row) < width or any(row[len(header) :]):
        return row
    return (row + [""] * len(header))[: len(header)]


def _without_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Drop columns without name and content; give a name to those without name alone."""
    kept = [bool(name) or (table.iloc[:, at] != "").any() for at, name in enumerate(table.columns)]
    names = [name or f"number {at}, without a name" for at, name in enumerate(table.columns, 1)]
    return table.set_axis(names, axis=1).loc[:, kept]


def read_text(path: Path, way_out: str, form: Form = PLAIN) -> str:
    """Read a text file; raise `UserError` if it is missing or in another encoding."""
    content = existing_file(path, way_out).read_bytes()
    encoding = "utf-8-sig"
    if form.by_hand and content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"  # which Excel calls Unicode text
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if form.else_latin:  # after UTF-8: any bytes at all are Latin-1
            return content.decode("latin-1")
        name = encoding.removesuffix("-sig")
        raise UserError(f"{path} is not {name} text{_looks_like(content)}: {way_out}") from None
    return SEP_LINE.sub("", text) if form.by_hand else text


def _looks_like(content: bytes) -> str:
    """Say what a file is that is not in UTF-8."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return " but a workbook: save it as 'CSV UTF-8'"
    if content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return " but a packed file: unpack it"
    if content.startswith(b"PAR1"):
        return " but Parquet: write it as CSV"
    word = re.search(rb"[!-~]*[\x80-\xff][!-~\x80-\xff]*", content)
    if not word or re.search(rb"[\x00-\x08]", content):
        return ""
    as_windows = word[0][:40].decode("cp1252", "replace")
    return f" (read as Windows-1252, it says {as_windows!r}): save it as 'CSV UTF-8'"


def _split_rows(
    text: str, path: Path, way_out: str, form: Form, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line in which it ends, fields) of every row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **form.quoting)
    try:
        for row in reader:
            if any(field.strip() for field in row) if form.by_hand else any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(
            f"{path} cannot be read from line {reader.line_num} on ({one_line(error)}): {way_out}"
        ) from None
