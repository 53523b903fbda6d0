"""Strict reading of delimited text files with a header: every line is checked, all is text."""

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from command_line import existing_file
from errors import UserError, one_line


@dataclass(frozen=True)
class Form:
    """How a file is written.

    Attributes
    ----------
    quoting : dict
        Arguments of `csv.reader`.
    delimiters : str
        Characters that may separate the fields: the first with which the header makes sense.
    any_case : bool
        Whether capitals and spaces in the header do not count.
    encoding : str
        Encoding of the text.
    """

    quoting: dict = field(default_factory=lambda: {"quoting": csv.QUOTE_NONE})
    delimiters: str = "\t"
    any_case: bool = False
    encoding: str = "utf-8-sig"


PLAIN = Form()  # quotation marks are letters like any other
LATIN = Form(encoding="latin-1")
QUOTED = Form({"quoting": csv.QUOTE_MINIMAL})
SPREADSHEET = Form({"strict": True, "skipinitialspace": True}, "\t;,", any_case=True)


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
    first_line = io.StringIO(text, newline="").readline().strip("\r\n")
    for delimiter in form.delimiters:
        header = _header(first_line, delimiter, form)
        has_header = set(columns) <= set(header)
        if has_header or (may_lack_header and len(header) == len(columns)):
            break
    else:
        raise UserError(
            f"{path} must begin with a header that names {' '.join(columns)}, not "
            f"{first_line[:60]!r}: {way_out}"
        )
    header = header if has_header else list(columns)
    if len(set(header)) < len(header):
        raise UserError(f"{path} names a column twice in its header: {way_out}")
    lines, rows = [], []
    for line, row in split_rows(text, path, way_out, form, delimiter):
        if len(row) != len(header):
            raise UserError(
                f"{path} has {len(row)} instead of {len(header)} fields in line {line}: {way_out}"
            )
        lines.append(line)
        rows.append(row)
    if len(rows) == has_header:
        raise UserError(f"{path} has a header and no rows: {way_out}")
    return pd.DataFrame(rows[has_header:], columns=header, index=lines[has_header:], dtype=str)


def read_text(path: Path, way_out: str, form: Form = PLAIN) -> str:
    """Read a text file; raise `UserError` if it is missing or in another encoding."""
    try:
        return existing_file(path, way_out).read_bytes().decode(form.encoding)
    except UnicodeDecodeError:
        raise UserError(
            f"{path} is not {form.encoding.removesuffix('-sig')} text: {way_out}"
        ) from None


def split_rows(
    text: str, path: Path, way_out: str, form: Form, delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line in which it ends, fields) of every row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **form.quoting)
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(
            f"{path} cannot be read from line {reader.line_num} on ({one_line(error)}): {way_out}"
        ) from None


def _header(line: str, delimiter: str, form: Form) -> list[str]:
    names = next(csv.reader([line], delimiter=delimiter, **form.quoting | {"strict": False}), [])
    return [name.strip().lower() for name in names] if form.any_case else names
