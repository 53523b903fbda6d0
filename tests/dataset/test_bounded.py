"""Lines that are too long to be meant, whoever reads them."""

import io
from pathlib import Path

import pytest

from dataset import bounded
from dataset.bounded import BoundedLines, bounded_lines
from errors import UserError

TOO_LONG = "rows.tsv has more than 0 MB in line 3"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(bounded, "LONGEST_LINE", 8)


def test_lines_of_a_text():
    text = "1234567\n\n1234567"
    assert list(bounded_lines(io.StringIO(text), Path("rows.tsv"))) == [
        "1234567\n",
        "\n",
        "1234567",
    ]
    with pytest.raises(UserError, match=TOO_LONG):
        list(bounded_lines(io.StringIO(text + "8"), Path("rows.tsv")))


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_lines_within_blocks(end, size):
    content = end.join([b"123456", b"", b"1234567"])
    stream = BoundedLines(io.BytesIO(content), Path("rows.tsv"))
    assert b"".join(iter(lambda: stream.read(size), b"")) == content
    stream = BoundedLines(io.BytesIO(content + b"89"), Path("rows.tsv"))
    with pytest.raises(UserError, match=TOO_LONG):
        while stream.read(size):
            pass
