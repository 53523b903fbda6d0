"""The command that follows a step, by what the directory has."""

import pytest

from preprocessing.next_step import ORDER, print_next

AUDIO = ("songs.tsv", "s\tAnn\tSong\ta.mp3\n")
CF = ("ix_to_cf.npy", "")


@pytest.mark.parametrize(
    ("done", "files", "command"),
    [
        ("step0", [], "step2_word_embedding.py train D TEXT (without a text: step1_data_split"),
        ("step0", [("own_w2v", "")], "step1_data_split.py run D TOP_N MINIMUM --vectors own"),
        ("step0", [("GoogleNews-vectors-negative300.bin", "")], "step1_data_split.py run D TOP_N"),
        ("train", [("own_w2v", "")], "step1_data_split.py run D TOP_N MINIMUM --vectors own"),
        ("train", [("own_w2v", ""), ("tags.npy", "")], "step2_word_embedding.py run D"),
        (
            "train",
            [("counts_w2v", ""), ("music_w2v", "")],
            "step1_data_split.py run D TOP_N MINIMUM --vectors music",
        ),
        ("step1", [AUDIO], "step2_word_embedding.py run D --general=spacy\n"),
        ("step1", [AUDIO, ("own_w2v", "")], "step2_word_embedding.py run D\n"),
        ("step2", [AUDIO], "step4_mel_spectrogram.py run D (or step5_song_features.py run D"),
        ("step2", [AUDIO, ("triplets.tsv", "")], "step3_taste_profile.py train D D/triplets.tsv"),
        ("step2", [("items_index_MSD.tsv", "")], "step3_taste_profile.py run D"),
        ("step3", [AUDIO, CF], "step4_mel_spectrogram.py run D (or step5_song_features.py run D"),
        (
            "step3",
            [CF, ("own_emb.pkl", "")],
            "main.py @recipes/paper.args --mode TRAIN --data_path D --input_type cf",
        ),
        (
            "step3",
            [CF, ("general_emb.pkl", ""), ("music_emb.pkl", "")],
            "main.py @recipes/paper.args --mode TRAIN --data_path D --input_type cf "
            "--w2v_type music\n",
        ),
        (
            "step4",
            [AUDIO, CF, ("mel.npy", "")],
            "main.py @recipes/paper.args --mode TRAIN --data_path D --input_type h",
        ),
        ("step4", [AUDIO, ("mel.npy", ""), ("own_w2v", "")], "step1_data_split.py run D TOP_N"),
        (
            "step5",
            [AUDIO, ("mel.npy", "")],
            "main.py @recipes/features.args --mode TRAIN --data_path D --input_type mus",
        ),
        (
            "step4",
            [AUDIO, ("spec", "")],
            "main.py @recipes/paper.args --mode TRAIN --data_path D --input_type spec",
        ),
    ],
)
def test_next(tmp_path, capsys, done, files, command):
    for name, content in files:
        (tmp_path / name).write_text(content)
    if "step1" not in command:
        (tmp_path / "tags.npy").touch()
    print_next(tmp_path, done)
    printed = capsys.readouterr().out
    assert printed.replace(str(tmp_path), "D").startswith(f"next: python -u {command}")
    assert done in ORDER and printed.count("\n") == 1


def test_next_of_the_smaller_set(tmp_path, capsys):
    (tmp_path / "sub_own_emb.pkl").touch()
    (tmp_path / "sub_tags.npy").touch()
    (tmp_path / "other_emb.pkl").touch()
    print_next(tmp_path, "step1", is_subset=True)
    assert capsys.readouterr().out.endswith(f"run {tmp_path} --is_subset\n")
    print_next(tmp_path, "step4", is_subset=True)
    printed = capsys.readouterr().out
    assert "--w2v_type own --is_subset True" in printed


def test_next_of_other_features(tmp_path, capsys):
    (tmp_path / "tags.npy").touch()
    print_next(tmp_path, "step5", features="mtt")
    assert "--input_type mtt " in capsys.readouterr().out
