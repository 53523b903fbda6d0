"""The benchmark of step 5 tells each part, of files given."""

import re
import sys

import soundfile

from audio_samples import chords
from benchmarks import song_features
from musicnn_samples import write_wheel


def test_each_part_is_told(tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "a.wav", chords(7, 16000), 16000)
    monkeypatch.setattr(song_features, "fetch_wheel", lambda *_, given: given)
    wheel = write_wheel(tmp_path / "musicnn.whl")
    arguments = [str(tmp_path / "a.wav"), "--repeats", "1", "--wheel", str(wheel)]
    monkeypatch.setattr(sys, "argv", ["song_features", *arguments])
    song_features.main()
    out = capsys.readouterr().out
    assert "an hour of audio, 0.002 hours" in out
    for part in ("sound to spectrogram", "msd-musicnn", "mtt-musicnn"):
        assert float(re.search(rf"{part} +median +([\d.]+)", out)[1]) > 0
