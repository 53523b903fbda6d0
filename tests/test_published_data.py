"""The authors' four archives, unpacked: small files of the same names, forms and dtypes.

`published_dir` holds what msd500, music_w2v, reproducible_splits and user_item_embs (.tar.gz) hold,
and spectrograms in `spec/`, which everyone has to bring. The artists of the songs are in none.
"""

import json
import pickle
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from commands import ROOT, run_here, run_main
from dataset.directory import open_dataset
from dataset.files import read_pickle, read_song_ids
from dataset.writing import write_tsv

KINDS = {  # tag -> category, as msd500 has them; main.py knows them after step 1
    "80s": "decade",
    "brazilian": "language/origin",
    "chill": "mood/character",
    "deep house": "genre",
    "piano": "instruments",
    "rock": "genre",
}
SUB_TAGS = ["chill", "deep house", "rock"]
N_SONGS, N_WORD, N_CF = 120, 300, 200
FEW_STEPS = ("--n_epochs", "1", "--batch_size", "4", "--triplets_per_epoch", "12")
SHORT_CHUNKS = (*FEW_STEPS, "--input_length", "128", "--num_chunk", "1")


def song_names(rng: np.random.Generator, n_songs: int) -> list[str]:
    """Ids of the form of the Million Song Dataset, such as TRBIJMU128F429D538."""
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    words = ["".join(word) for word in rng.choice(letters, size=(n_songs, 5))]
    return sorted(f"TR{word}128F{number:07X}" for number, word in enumerate(words))


def write_track_tags(folder: Path, ids: list[str], song_tags: np.ndarray) -> None:
    """msd500.tar.gz: song_id, original_tag, cleaned_tag, tag_category, score."""
    folder.mkdir()
    rows = [
        (song_id, f"{tag} music", tag, KINDS[tag], 100)
        for song_id, bears in zip(ids, song_tags, strict=True)
        for tag, is_borne in zip(KINDS, bears, strict=True)
        if is_borne
    ]
    write_tsv(folder / "track_tags.tsv", rows)


def write_word2vec(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """music_w2v.tar.gz: a model of gensim, in which words of a phrase are joined by '_'."""
    from gensim.models import Word2Vec

    folder.mkdir()
    model = Word2Vec(vector_size=N_WORD, min_count=1)
    model.build_vocab([[tag.replace(" ", "_") for tag in KINDS]])
    vectors = {tag: rng.normal(size=N_WORD).astype(np.float32) for tag in KINDS}
    for tag, vector in vectors.items():
        model.wv[tag.replace(" ", "_")] = vector
    model.save(str(folder / "model_semeval_trigrams_300.model"))
    return vectors


def write_embeddings(file: Path, vectors: dict[str, np.ndarray]) -> None:
    """Keys are numpy's strings, for the tags were read from an array."""
    file.write_bytes(pickle.dumps({np.str_(tag): vector for tag, vector in vectors.items()}))


def write_published_split(
    folder: Path, tags: list[str], songs: list[tuple], parts: dict[str, list[int]], prefix: str = ""
) -> None:
    """reproducible_splits.tar.gz: `songs` has (song id, tags, CF vector); without existing_ids."""
    binaries = np.array([[tag in borne for tag in tags] for _, borne, _ in songs], dtype=np.float64)
    np.save(folder / f"{prefix}tags.npy", tags)
    np.save(folder / f"{prefix}binaries.npy", binaries)
    np.save(folder / f"{prefix}ix_to_cf.npy", [vector for _, _, vector in songs])
    for part, members in parts.items():
        lines = [f"{index}//{songs[index][0]}" for index in members]
        np.save(folder / f"{prefix}{part}_ids.npy", lines)
    lookup = {tag: [] for tag in tags}
    for index in parts["train"]:
        for tag in songs[index][1] & set(tags):
            lookup[tag].append(f"{index}//{songs[index][0]}")
    (folder / f"{prefix}train_tag_to_ix.pkl").write_bytes(pickle.dumps(lookup))


def write_user_items(folder: Path, ids: list[str], vectors: np.ndarray) -> None:
    """user_item_embs.tar.gz: a row a song, in an order of its own, with songs that bear no tag."""
    order = np.random.default_rng(5).permutation(len(ids))
    np.save(folder / "item_factors_MSD.npy", vectors[order])
    (folder / "items_index_MSD.tsv").write_text("".join(f"{ids[row]}\n" for row in order))


def write_spectrograms(folder: Path, ids: list[str], rng: np.random.Generator) -> None:
    """One file a song, of 128 to 160 frames, the first song shorter than a chunk."""
    for number, song_id in enumerate(ids):
        file = folder / song_id[2] / song_id[3] / song_id[4] / f"{song_id}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        n_frames = 100 if number == 0 else int(rng.integers(128, 161))
        np.save(file, rng.uniform(-80, 0, size=(128, n_frames)).astype(np.float32))


@pytest.fixture(scope="module")
def published_dir(tmp_path_factory) -> Path:
    """All that the archives hold, in one directory, with spectrograms; tests only read it."""
    folder = tmp_path_factory.mktemp("published")
    rng = np.random.default_rng(0)
    ids = song_names(rng, N_SONGS + 10)  # the last ten have listeners, but no tag
    tags = list(KINDS)
    song_tags = rng.random((N_SONGS, len(tags))) < 0.2
    song_tags[np.arange(N_SONGS), np.arange(N_SONGS) % len(tags)] = True
    cf = rng.normal(scale=0.3, size=(len(ids), N_CF)).astype(np.float32)
    cf[:N_SONGS] += song_tags @ rng.normal(size=(len(tags), N_CF))
    songs = [
        (song_id, {tag for tag, is_borne in zip(tags, bears, strict=True) if is_borne}, vector)
        for song_id, bears, vector in zip(ids, song_tags, cf, strict=False)
    ]
    write_track_tags(folder / "msd500", ids[:N_SONGS], song_tags)
    music = write_word2vec(folder / "music_w2v", rng)
    google = {tag: rng.normal(size=N_WORD).astype(np.float32) for tag in tags}
    write_embeddings(folder / "music_emb.pkl", music)
    write_embeddings(folder / "google_emb.pkl", google)
    names = ("train", "valid", "test")
    for prefix, chosen in (("", tags), ("sub_", SUB_TAGS)):
        some = [song for song in songs if song[1] & set(chosen)]
        cuts = [int(0.7 * len(some)), int(0.85 * len(some))]
        order = [part.tolist() for part in np.split(rng.permutation(len(some)), cuts)]
        parts = dict(zip(names, order, strict=True))
        write_published_split(folder, chosen, some, parts, prefix)
    write_user_items(folder, ids, cf)
    write_spectrograms(folder / "spec", ids[:N_SONGS], rng)
    return folder


def train_and_test(data: Path, folder: Path, *more: str) -> dict:
    where = ["--data_path", str(data), "--gpu_id", "cpu"]
    run_main("--mode", "TRAIN", *where, "--model_save_path", str(folder), *more)
    run_main("--mode", "TEST", *where, "--model_load_path", str(folder))
    return json.loads((folder / "results.json").read_text())


def step(script: str, *argv: str) -> None:
    done = run_here(ROOT / script, *argv)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------ reproducible_splits as it is


def test_cultural_branch(published_dir, tmp_path):
    more = ("--input_type", "cf", "--w2v_type", "music", "--is_balanced", "--is_weighted")
    more += ("--n_epochs", "4", "--triplets_per_epoch", "2000", "--lr", "1e-3")
    found = train_and_test(published_dir, tmp_path, *more)
    assert (found["n_tags"], found["n_songs"]) == (6, 18)
    assert found["map"] > 1.5 * found["chance_map"]  # the factors do tell the tags


def test_smaller_set(published_dir, tmp_path):
    more = ("--input_type", "cf", "--is_subset", *FEW_STEPS)  # with google_emb.pkl of the whole
    found = train_and_test(published_dir, tmp_path, *more)
    assert set(found["tags"]) == set(SUB_TAGS)
    n_songs = len(np.load(published_dir / "sub_test_ids.npy"))
    assert found["n_songs"] == n_songs < len(np.load(published_dir / "test_ids.npy"))


@pytest.mark.parametrize("input_type", ["spec", "hybrid"])
def test_spectrograms_in_the_published_layout(published_dir, tmp_path, capsys, input_type):
    found = train_and_test(published_dir, tmp_path, *SHORT_CHUNKS, "--input_type", input_type)
    assert (found["n_tags"], found["n_songs"]) == (6, 18)
    assert "spectrograms of 18 songs" in capsys.readouterr().out


def test_categories_by_the_line_in_the_readme(published_dir, tmp_path):
    """msd500 knows the categories, for a split that comes without them."""
    shutil.copytree(published_dir, tmp_path / "data", ignore=shutil.ignore_patterns("spec"))
    line = "cut -f3,4 data/msd500/track_tags.tsv | tr A-Z a-z | sort -u > data/tag_categories.tsv"
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    assert open_dataset(tmp_path / "data", "music").categories == KINDS


# ------------------------------------------------------------ a split of one's own from the others


def test_every_step_on_msd500(published_dir, tmp_path):
    data = tmp_path / "own"
    data.mkdir()
    for name in ("msd500", "music_w2v", "spec"):
        shutil.copytree(published_dir / name, data / name)
    for name in ("item_factors_MSD.npy", "items_index_MSD.tsv"):
        shutil.copy(published_dir / name, data)
    step("step1_data_split.py", "run", data, 5, 4, "--vectors", "music", "--split_by=song")
    step("step2_word_embedding.py", "run", data)
    step("step3_taste_profile.py", "run", data)
    step("step4_mel_spectrogram.py", "pack", data)

    ids = read_song_ids(data)
    rows = (data / "items_index_MSD.tsv").read_text().split()
    factors = np.load(data / "item_factors_MSD.npy")
    expected = np.stack([factors[rows.index(song_id)] for song_id in ids])
    np.testing.assert_array_equal(np.load(data / "ix_to_cf.npy"), expected)
    ours, theirs = (read_pickle(path / "music_emb.pkl") for path in (data, published_dir))
    assert len(ours) == 5
    for tag, vector in ours.items():
        np.testing.assert_array_equal(vector, theirs[tag])
    found = train_and_test(
        data, tmp_path / "run", *SHORT_CHUNKS, "--input_type", "hybrid", "--w2v_type", "music"
    )
    assert set(found["categories"]) <= set(KINDS.values()) and found["n_tags"] == 5
    assert set(found["made_by"]["dataset"]["steps"]) == {"step1", "step2", "step3", "step4"}


# ------------------------------------------------------------ the experiments


def test_report_of_all_experiments(published_dir, tmp_path):
    """On a copy without spectrograms: with them it is the same, and takes minutes."""
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(published_dir, data, ignore=shutil.ignore_patterns("spec"))
    options = ("--seeds", "0", "--w2v_type", "music", "--gpu_id", "cpu", *FEW_STEPS)
    done = run_here("-m", "experiments.report", data, out, *options)
    assert done.returncode == 0, done.stderr
    runs = {folder.name for folder in (out / "runs").iterdir()}
    samplings = ("random", "balanced", "balanced-weighted", "balanced-distance-weighted")
    expected = {f"cf-music-{sampling}-seed0" for sampling in samplings}
    expected |= {f"cf-music-{loss}-mixup-seed0" for loss in ("sigmoid", "infonce")}
    assert runs == expected | {"cf-google-balanced-weighted-seed0"}
    assert "nearest neighbours in music (model_semeval_trigrams" in (out / "report.md").read_text()
