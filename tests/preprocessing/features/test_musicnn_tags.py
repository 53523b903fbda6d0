"""The tags of both encoders, joined."""

import numpy as np
import pytest
import soundfile

from audio_samples import chords
from encoders.musicnn_package import tags_of
from musicnn_samples import write_wheel
from preprocessing.features.musicnn_tags import musicnn_tag_scores, musicnn_tags
from preprocessing.features.song_layers import musicnn_mel, network_of, song_means


def test_a_tag_of_both_is_their_mean_and_of_one_its_own(tmp_path):
    wheel = write_wheel(tmp_path / "musicnn.whl")
    soundfile.write(tmp_path / "song.wav", chords(4), 22050)
    scores, note = musicnn_tag_scores(tmp_path / "song.wav", wheel)
    mel, _ = musicnn_mel(tmp_path / "song.wav")
    msd, mtt = (
        dict(zip(tags_of(name), song_means(mel, network_of(wheel, name))[1], strict=True))
        for name in ("msd-musicnn", "mtt-musicnn")
    )
    found = dict(zip(musicnn_tags(), scores, strict=True))
    assert note == "" and scores.dtype == np.float32
    assert found["hip-hop"] == pytest.approx(msd["Hip-Hop"])
    assert found["sitar"] == pytest.approx(mtt["sitar"])
    assert found["rock"] == pytest.approx((msd["rock"] + mtt["rock"]) / 2)


def test_the_axis_has_each_tag_once():
    tags = musicnn_tags()
    assert len(tags) == len(set(tags)) == 92 and tags == sorted(tags)
