"""retrieve.py typed by a user: index, search, queries from standard input, and mistakes."""

import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT, assert_user_error, run_command, run_here
from index_samples import make_index, make_model, train, write_vectors
from retrieval.song_index import IndexedSong, read_index

RETRIEVE = ROOT / "retrieve.py"


@pytest.fixture
def small(tmp_path):
    """An index, and word vectors that know 'blue' besides its tags."""
    file = write_vectors(tmp_path / "small.kv", make_model())
    return make_index(folder=tmp_path / "songs.index", vectors_file=file).folder


@pytest.mark.slow
def test_from_a_trained_model_to_the_songs_of_a_tag(shared_dataset_dir, tmp_path):
    train(shared_dataset_dir, tmp_path / "run", input_type="cf", lr=1e-3)
    index = tmp_path / "new" / "songs.index"
    done = run_here(RETRIEVE, "index", tmp_path / "run", shared_dataset_dir, index)
    assert done.returncode == 0, done.stderr
    assert "300 songs, to be searched for 8 tags\n" in done.stdout
    assert "no word vectors found" in done.stdout
    assert "no effect" not in done.stdout
    done = run_command(RETRIEVE, "search", index, "tag a,", "Tag", "B", "--top", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert " ".join(lines[0].split()) == "score tag a Tag B song tags" and len(lines) == 4
    assert all("TRAAA" in line for line in lines[1:])


def test_other_words_and_a_file(small, tmp_path):
    to = tmp_path / "found.tsv"
    done = run_command(RETRIEVE, "search", small, "blue", "--to", to, "--top=2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["1", "1.000", "S0", "Blues"]
    assert to.read_text().splitlines()[0].startswith("1\t0.9999")
    for command in ("search", "radio"):
        lines = run_here(RETRIEVE, command, small, "blue-jazz:2").stdout.splitlines()
        read_as = "it is read as blue + jazz, and their word vectors say what it means"
        assert lines[0] == f"'blue-jazz:2' is none of the tags: {read_as}"
        assert lines[1].split()[0] == "score"


def test_the_same_to_be_near_and_to_keep_away_from(small):
    for asked in (("SAD", "--not", "sad"), ("sad:2, sad:-2",), ("--like", "S0", "--like=S0:-1")):
        for command in ("search", "radio"):
            refused = run_here(RETRIEVE, command, small, *asked)
            assert_user_error(refused, "what to be near and what to keep away from are the same")
    assert run_here(RETRIEVE, "search", small, "sad:2", "--not", "sad").returncode == 0


def test_songs_words_and_rules_together(small):
    def found(*arguments):
        done = run_command(RETRIEVE, "search", small, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    lines = found("jazz:2", "--like", "S0", "--like=S2", "--not", "sad")
    cells = [cell.strip() for cell in lines[0].split("  ") if cell.strip()]
    assert cells == ["score", "jazz:2", "like S0", "like S2", "not sad", "song", "tags"]
    assert {line.split()[6] for line in lines[1:]} == {"S1", "S3", "S4"}  # no seed
    assert len(found("jazz", "--only-tag", "Blues", "--artist-limit", "1", "--diverse")) == 3
    done = run_command(RETRIEVE, "radio", small, "--like", "S0", "--length", "9")
    assert len(done.stdout.splitlines()) == 6 and "4 songs, as the index has no more" in done.stdout
    assert run_command(RETRIEVE, "remove", small, "S0").returncode == 0
    assert "in as few parts as may be" in run_command(RETRIEVE, "merge", small).stdout
    assert_user_error(run_command(RETRIEVE, "search", small, "--like", "S0"), "'S0' is no song id")


def test_tags_with_commas(tmp_path):
    index = make_index(4, folder=tmp_path / "songs.index", tags=["r&b, soul", "r&b", "soul", "a"])

    def found(*arguments):
        done = run_command(RETRIEVE, "search", index.folder, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert found("r&b,", "soul")[1].endswith("S0    r&b, soul")
    only = found("a", "--only-tag", "r&b, soul")
    assert len(only) == 2 and "S0" in only[1]
    apart = found("a", "--not", "r&b", "--not", "soul")
    assert "not r&b  not soul" in apart[0]


def test_names_that_are_no_utf_8(small):
    name = "\udcff.mp3"
    for arguments, says in {
        ("search", small, "--like", name): "is no song id of",
        ("remove", small, name): "has no song",
        ("search", small, name): "is no tag",
    }.items():
        done = run_command(RETRIEVE, *arguments)
        assert_user_error(done, r"'\udcff.mp3'", says)


def test_ids_that_begin_with_a_dash_or_hold_odd_ends_of_lines(tmp_path):
    odd = ["\u2028n0.mp3", "a\x0bb.mp3", "c\x85d.mp3", "-rf.mp3", "--x", "S5"]
    index = make_index(6, [IndexedSong(one) for one in odd], folder=tmp_path / "i").folder
    for name in odd[:5]:
        done = run_here(RETRIEVE, "search", index, f"--like={name}")
        assert done.returncode == 0, done.stderr
    refused = run_here(RETRIEVE, "remove", index, "-rf.mp3")
    assert_user_error(refused, "a song id that begins with a dash as --song=-rf.mp3")
    done = run_here(RETRIEVE, "remove", index, odd[0], "--song=--x", "--song", "-rf.mp3")
    assert done.returncode == 0 and "3 songs taken out" in done.stdout, done.stderr
    assert [song.song_id for song in read_index(index).songs()] == [odd[1], odd[2], "S5"]


def test_numbers_too_large_for_a_machine(small):
    for number in (str(2**32 - 1), "9" * 20):
        for command in (
            ("search", small, "sad", "--top", number),
            ("search", small, "sad", "--diverse", "--top", number),
            ("radio", small, "sad", "--length", number),
            ("search", small, "sad", "--artist-limit", number),
        ):
            done = run_here(RETRIEVE, *command)
            if number.startswith("4"):
                assert done.returncode == 0 and len(done.stdout.splitlines()) >= 6, done.stderr
            else:
                assert_user_error(done, "must be a whole number from ", f"not {number}")


def test_word_vectors_that_are_named_are_looked_at_at_once(small, tmp_path):
    (tmp_path / "text.vec").write_text("no vectors")
    for name, says in {"none.vec": "is missing", "text.vec": "text.vec"}.items():
        for command in (("search", small, "sad"), ("serve", small), ("radio", small, "sad")):
            done = run_here(RETRIEVE, *command, "--vectors", tmp_path / name)
            assert_user_error(done, says)


def test_queries_from_standard_input(small):
    queries = "jazz\nsmoth jazz\n\nblue, sad\n"
    command = [sys.executable, str(RETRIEVE), "search", str(small), "--top", "1"]
    done = subprocess.run(command, input=queries, capture_output=True, text=True, cwd=ROOT)
    assert_user_error(done, "'smoth jazz' is no tag")  # told at the end, too
    first, *_, last = done.stdout.strip().split("\n\n")
    assert first.splitlines()[1].split() == ["1", "1.000", "S1", "jazz"]
    assert last.split()[:4] == ["score", "blue", "sad", "song"]


def test_closed_standard_streams(small):
    def run(arguments):
        command = f"{sys.executable} {RETRIEVE} search {small} {arguments}"
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)

    done = run("jazz >&-")
    assert (done.returncode, done.stderr) == (0, "")
    for without_a_query in ("<&-", "</dev/null", "--not sad <<< ' '"):
        assert_user_error(run(without_a_query), "nothing is asked for: give WORDS or --like, or")


def test_a_reader_that_has_seen_enough(small):
    command = f"{sys.executable} {RETRIEVE} search {small} sad | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
def test_a_full_disk_behind_standard_output(small):
    command = f"{sys.executable} {RETRIEVE} search {small} sad > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert_user_error(done, "the disk is full")


def test_search_needs_no_torch_and_no_gensim_for_a_tag(small):
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['retrieve.py', 'search', "
        f"{str(small)!r}, 'jazz']; import runpy; runpy.run_path({str(RETRIEVE)!r}, "
        "run_name='__main__'); print({'gensim', 'torch', 'faiss'} & sys.modules.keys())"
    )
    done = run_command("-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.slow
def test_mistakes(small, shared_dataset_dir, tmp_path):
    def wrong(*arguments):
        return run_here(RETRIEVE, *arguments)

    assert_user_error(
        wrong("search", tmp_path / "no.index", "sad"), "no.index cannot be read (No such"
    )
    assert_user_error(wrong("search", small, "rainy"), "'rainy' is no tag")
    assert_user_error(wrong("search", small, ","), "no WORDS and no --like")
    assert_user_error(wrong("search", small, "sad", "--top", "0"), "--top")
    assert_user_error(wrong("search", small, "--to", "a.tsv"), "--to", "WORDS")
    assert_user_error(wrong("search", small, "sad", "--to", tmp_path / "a.txt"), "end in .tsv")
    index = tmp_path / "new.index"
    assert_user_error(wrong("index", tmp_path, shared_dataset_dir, index), "best.ckpt is missing")
    no_folder = wrong("index", tmp_path, shared_dataset_dir, index, "--audio", tmp_path / "no")
    assert_user_error(no_folder, "is not a directory: give --audio")
    assert not index.exists()
    # Told before anything is opened or embedded:
    assert_user_error(wrong("index", "no", "no", tmp_path), "holds something else")
    add_first = wrong("index", "--add", tmp_path, shared_dataset_dir, index)
    assert_user_error(add_first, "--add must be True or False", "give it last, without a value")


def test_help_is_fast():
    script = "import sys, retrieve; print({'torch', 'gensim'} & sys.modules.keys())"
    assert run_command("-c", script).stdout == "set()\n"
    assert run_command(RETRIEVE, "search", "--help").returncode == 0
