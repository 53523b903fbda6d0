"""Strict tables: nothing is guessed, nothing is lost, and every fault is named with its line."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import UserError
from preprocessing.raw_sets.tables import LATIN, PLAIN, QUOTED, SPREADSHEET, read_table

FIX = "mend it"


def table(tmp_path, content, *arguments, **options):
    file = tmp_path / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(file, *arguments, **options)


def test_plain_text_stays_as_it_is(tmp_path):
    read = table(tmp_path, 'id\ttag\r\n007\tnull\r\n 8\t"nan"\r\n\r\n', ["id", "tag"], FIX)
    assert read.values.tolist() == [["007", "null"], [" 8", '"nan"']]
    assert read.index.tolist() == [2, 3]


def test_latin_text(tmp_path):
    content = "id\ttag\n1\ttropicália\n".encode("latin-1")
    assert table(tmp_path, content, ["id"], FIX, LATIN)["tag"].tolist() == ["tropicália"]
    with pytest.raises(UserError, match=r"utf-8 text .*1252, it says 'tropicália'\).*: mend it"):
        table(tmp_path, content, ["id"], FIX)


def test_quoted_text_may_hold_what_separates(tmp_path):
    content = '"id"\t"title"\n"2"\t"A ""B""\tand\nC"\n"3"\t"D"\n'
    read = table(tmp_path, content, ["id", "title"], FIX, QUOTED)
    assert read["title"].tolist() == ['A "B"\tand\nC', "D"]
    assert read.index.tolist() == [3, 4]  # the line in which a row ends


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_spreadsheet_may_be_written_in_many_ways(tmp_path, delimiter):
    lines = ['"File"', " TAGS ", "extra"], ['"a,b;c.mp3"', " rock", "x"], ["", "", ""]
    content = "".join(delimiter.join(line) + "\r\n" for line in lines)
    read = table(tmp_path, b"\xef\xbb\xbf" + content.encode(), ["tags", "file"], FIX, SPREADSHEET)
    assert read[["file", "tags"]].values.tolist() == [["a,b;c.mp3", "rock"]]


@pytest.mark.parametrize(
    "content",
    [
        "file,tags\na,x\n",
        "file;tags;;\r\na;x;;\r\n;;;\r\n \t;;\r\n",
        "file,tags,\na,x\n",  # Excel leaves out empty fields at the end of some rows
        "file,tags\na,x,,\n",
        "sep=;\r\nfile;tags\r\na;x\r\n",
        '"sep=,"\nfile,tags\na,x',
        "SEP=\t\nfile\ttags\na\tx",
        "sep=;;\nfile;tags;\na;x;\n",
        "file,tags\ra,x\r",
        '\n\n File ,"TAGS"\n"a", "x"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_what_spreadsheets_do(tmp_path, content, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""  # the other two bring their own
    read = table(tmp_path, (mark + content).encode(encoding), ["file", "tags"], FIX, SPREADSHEET)
    assert read.to_dict("list") == {"file": ["a"], "tags": ["x"]}


def test_a_column_without_name_keeps_its_content(tmp_path):
    read = table(tmp_path, "file,,tags,\na,b,c,\n", ["file", "tags"], FIX, SPREADSHEET)
    expected = {"file": ["a"], "number 2, without a name": ["b"], "tags": ["c"]}
    assert read.to_dict("list") == expected


def test_a_header_may_be_left_out_where_that_is_allowed(tmp_path):
    columns = ["user", "file", "count"]
    options = {"form": SPREADSHEET, "may_lack_header": True}
    read = table(tmp_path, "u,a.mp3,3\nv,b.mp3,4\n", columns, FIX, **options)
    assert read.to_records().tolist() == [(1, "u", "a.mp3", "3"), (2, "v", "b.mp3", "4")]
    read = table(tmp_path, "count;User;file;day\n3;u;a.mp3;x\n", columns, FIX, **options)
    assert read[columns].to_records().tolist() == [(2, "u", "a.mp3", "3")]


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("", PLAIN, r"table.csv must begin with a header that names id tag, not '': mend it"),
        ("id\tname\n1\tx\n", PLAIN, r"names id tag, not 'id\\tname'"),
        ("ID\tTAG\n1\tx\n", PLAIN, r"header"),
        ("id\ttag\ttag\n1\tx\ty\n", PLAIN, r"a column twice"),
        ("id,Tag, tag \n1,x,y\n", SPREADSHEET, r"a column twice in its header, 'tag'"),
        ("id,tag\n1,x,,y\n", SPREADSHEET, r"4 instead of 2 fields in line 2"),
        ("id,tag,,\n1\n", SPREADSHEET, r"1 instead of 4 fields in line 2"),
        ("sep=,\nid,tag\n1\n", SPREADSHEET, r"1 instead of 2 fields in line 3"),
        ("sep=,\n", SPREADSHEET, r"must begin with a header"),
        ("id\ttag\n", PLAIN, r"a header and no rows"),
        ("id,tag\n,\n", SPREADSHEET, r"a header and no rows"),
        ("id\ttag\n1\tx\n2\n", PLAIN, r"1 instead of 2 fields in line 3: mend it"),
        ("id\ttag\n1\tx\ty\n", PLAIN, r"3 instead of 2 fields in line 2"),
        ('id,tag\n1,"x\n2,y\n', SPREADSHEET, r"cannot be read from line 3 on \(Error: unexpected"),
        ('id,tag\n1,"x"y\n', SPREADSHEET, r"cannot be read from line 2 on"),
    ],
)
def test_every_fault_is_named(tmp_path, content, form, message):
    with pytest.raises(UserError, match=message) as caught:
        table(tmp_path, content, ["id", "tag"], FIX, form)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.csv is missing: mend it"):
        read_table(tmp_path / "nowhere.csv", ["id"], FIX)


fields = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8).map(
    lambda text: text.lstrip(" ")  # spaces after a delimiter do not count
)


def any_text(row):
    return any(field.strip() for field in row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@settings(max_examples=50)
@given(
    rows=st.lists(st.tuples(fields, fields).filter(any_text), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_a_csv_writer_wrote_is_read(folder, rows, delimiter, quoting):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting)
    writer.writerows([("file", "tags"), *rows])
    read = table(folder, text.getvalue(), ["file", "tags"], FIX, SPREADSHEET)
    assert read.values.tolist() == [list(row) for row in rows]
