"""Files are found in whichever Unicode form they are typed, and opened by the name they have."""

import unicodedata

from preprocessing.names_on_disk import file_as_typed

NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))


def test_a_file_as_typed(tmp_path, monkeypatch):
    (tmp_path / NFD).mkdir()
    (tmp_path / NFD / f"{NFC}.wav").touch()
    own = tmp_path / NFD / f"{NFC}.wav"
    monkeypatch.chdir(tmp_path)
    for one in (NFC, NFD):
        for other in (NFC, NFD):
            assert file_as_typed(str(tmp_path / one / f"{other}.wav")) == own
            assert file_as_typed(f"{one}/{other}.wav") == own.relative_to(tmp_path)
    (tmp_path / f"{NFC}.wav").touch()
    assert file_as_typed(f"{NFD}.wav").name == f"{NFC}.wav"
    (tmp_path / f"{NFD}.wav").touch()  # where both are, the very one
    assert file_as_typed(f"{NFD}.wav").name == f"{NFD}.wav"


def test_what_is_no_file(tmp_path):
    for name in ("", "a\0b", "\udcff", "x" * 300, str(tmp_path), str(tmp_path / NFC)):
        assert file_as_typed(name) is None
