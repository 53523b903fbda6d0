"""What no raw set may put into a dataset directory: a field that is two, an id that is none."""

import sqlite3

import pytest

from dataset import writing
from dataset.files import plain, read_songs, read_tsv
from dataset.moving import alone
from errors import UserError
from preprocessing.raw_sets.raw_set import is_name
from raw_samples import write_lastfm, write_msd
from step0_runs import done_well, refused, step0, write_lines, write_own_music

AS_PUBLISHED = {
    "unique_tracks.txt": ["TRA<SEP>SOA<SEP>Ann\t0<SEP>One\tmore\r", "TRB<SEP>SOB<SEP>B<SEP>a  b"],
    "train_triplets.txt": ["u1\tSOA\t3", "u2\tSOB\t1"],
    "taste_profile_song_to_tracks.txt": ["SOA\tTRA", "SOB\tTRB"],
    "sid_mismatches.txt": ["ERROR: <SOX TRX> a - b != c - d"],
}


def write_as_published(raw, *tags, track="TRA"):
    """The Million Song Dataset of two tracks, with these tags."""
    for name, lines in AS_PUBLISHED.items():
        write_lines(raw / name, lines)
    base = sqlite3.connect(raw / "lastfm_tags.db")
    base.executescript(
        "CREATE TABLE tids (tid TEXT); CREATE TABLE tags (tag TEXT);"
        "CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT)"
    )
    base.executemany("INSERT INTO tids VALUES (?)", [(track,), ("TRB",)])
    for number, tag in enumerate(tags, 1):
        base.execute("INSERT INTO tags VALUES (?)", (tag,))
        base.execute("INSERT INTO tid_tag VALUES (1, ?, 100), (2, ?, 100)", (number, number))
    base.commit()
    base.close()


def fields_of(file):
    """The fields of a table, which must be as many in each line."""
    rows = read_tsv(file, None)
    assert len({len(row) for row in rows}) == 1
    return rows


@pytest.mark.parametrize("char", ["\0", "\x07", "\x1b", "\x7f", "\x9b", "\u200b"])
def test_plain_text_has_no_invisible_characters(char):
    assert plain(f"hip{char} {char} hop{char}\t x\n") == "hip hop x"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("TR 0", True), ("é", True), ("", False), (" ", False)]
    + [(f"a{char}b", False) for char in "\t\n\r\0"],
)
def test_names(text, is_one):
    assert is_name(text) == is_one


def test_msd_texts_stay_one_field(tmp_path):
    write_as_published(tmp_path / "raw", "a\tb", "c\r\nd", "pop\0", "x  y")
    data = tmp_path / "data"
    done_well(step0("msd", tmp_path / "raw", data, "--min_songs", 1))
    assert read_songs(data) == [("TRA", "Ann 0", "One more", ""), ("TRB", "B", "a  b", "")]
    original = {row[1] for row in fields_of(data / "msd500/track_tags.tsv")}
    assert original == {"a b", "c d", "pop", "x  y"}  # the last one as it is published
    assert {row[1] for row in fields_of(data / "raw_tags.tsv")} == {"a b", "c d", "pop", "x y"}


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("unique_tracks.txt", "TR\tC<SEP>SOC<SEP>x<SEP>y", ["'TR\\tC'", "line 3"]),
        ("unique_tracks.txt", "<SEP>SOC<SEP>x<SEP>y", ["''", "line 3"]),
        ("taste_profile_song_to_tracks.txt", "SOB\tTR\rB", ["'TR\\rB'"]),
    ],
)
def test_msd_tracks_are_names(tmp_path, name, line, words):
    write_as_published(tmp_path / "raw", "pop")
    write_lines(tmp_path / "raw" / name, [*AS_PUBLISHED[name], line])
    done = step0("msd", tmp_path / "raw", tmp_path / "data", "--min_songs", 1)
    assert refused(done, tmp_path / "raw" / name, *words)


def test_msd_tracks_of_the_tags_are_names(tmp_path):
    write_as_published(tmp_path / "raw", "pop", track="TRA\n")
    done = step0("msd", tmp_path / "raw", tmp_path / "data", "--min_songs", 1)
    assert refused(done, "lastfm_tags.db has the track 'TRA\\n'")


@pytest.mark.parametrize("name", ["songs.tsv", "raw_tags.tsv"])
def test_msd_excerpt_has_names(tmp_path, name):
    raw = write_msd(tmp_path / "raw")
    with open(raw / name, "a", encoding="utf-8") as stream:
        stream.write("TRX\0\tx\ty\tz\n" if name == "songs.tsv" else "TRX\0\tx\n")
    n_lines = len((raw / name).read_text(encoding="utf-8").splitlines())
    done = step0("msd", raw, tmp_path / "data", "--min_songs", 1)
    assert refused(done, raw / name, "'TRX\\x00' as track_id", f"line {n_lines}")


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("user_artists.dat", "\t7\t1", ["'' as userID in line 5"]),
        ("user_artists.dat", "1\t8\0\t1", ["'8\\x00' as artistID in line 5"]),
        ("user_artists.dat", f"1\t7\t{'9' * 400}", ["in line 5", "at most 38 digits"]),
        ("user_taggedartists.dat", "\t7\t1\t1\t4\t2009", ["'' as userID in line 9"]),
    ],
)
def test_lastfm2k_has_names_and_counts(tmp_path, name, row, words):
    raw = write_lastfm(tmp_path / "raw")
    with open(raw / name, "a", encoding="utf-8") as stream:
        stream.write(f"{row}\r\n")
    done = step0("lastfm2k", raw, tmp_path / "data", "--min_songs", 1)
    assert refused(done, raw / name, "grouplens.org", *words)


def test_lastfm2k_may_be_saved_as_utf_8(tmp_path):
    raw = write_lastfm(tmp_path / "raw")
    for encoding in ("latin-1", "utf-8", "utf-8-sig"):
        text = "tagID\ttagValue\r\n1\trock\r\n2\tx\r\n3\ttropicália\r\n4\tnan\0\r\n5\ty\r\n"
        (raw / "tags.dat").write_bytes(text.encode(encoding))
        done_well(step0("lastfm2k", raw, tmp_path / "data", "--min_songs", 1))
        tags = {row[1] for row in fields_of(tmp_path / "data/msd500/track_tags.tsv")}
        assert {"tropicália", "nan"} < tags


def test_own_tags_have_no_invisible_characters(tmp_path):
    music = write_own_music(tmp_path / "music")
    write_lines(music / "t.csv", ["file,tags,artist", "rock/a.wav,rock|pop\0,An\0n"])
    done_well(step0("table", music / "t.csv", tmp_path / "data", "--min_songs", 1))
    tags = [row[1:3] for row in fields_of(tmp_path / "data/msd500/track_tags.tsv")]
    assert tags == [["rock", "rock"], ["pop", "pop"]]
    assert read_songs(tmp_path / "data")[0].artist == "Ann"


def test_files_come_into_place_while_others_are_kept_away(tmp_path, monkeypatch):
    def moved(stage, directory):
        if any(stage.iterdir()):
            with pytest.raises(UserError, match="another command is writing"), alone(directory):
                pass
            seen.append(directory)
        move_files(stage, directory)

    seen, move_files = [], writing.move_files
    monkeypatch.setattr(writing, "move_files", moved)
    write_own_music(tmp_path / "music")
    done_well(step0("table", tmp_path / "music/table.csv", tmp_path / "data", "--min_songs", 1))
    assert seen[-1] == tmp_path / "data"
    assert (tmp_path / "data/msd500/track_tags.tsv").is_file()


def test_what_is_refused_leaves_no_folder(tmp_path):
    (tmp_path / "raw").mkdir()
    assert refused(step0("magnatagatune", tmp_path / "raw", tmp_path / "a/data"), "missing")
    assert not (tmp_path / "a").exists()
