"""The picture of the model: its size, nothing over something else, and the numbers of the model."""

import importlib.util
from itertools import combinations

import matplotlib.image
import pytest

from commands import ROOT
from modules import ShortChunkCNN


@pytest.fixture(scope="module")
def picture():
    """The script, which is in no package."""
    spec = importlib.util.spec_from_file_location("model_picture", ROOT / "docs/model_picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_draws_a_picture_of_its_size(picture, tmp_path):
    picture.draw_picture(tmp_path / "model.png")
    drawn = matplotlib.image.imread(tmp_path / "model.png")
    assert drawn.shape == (picture.HEIGHT, picture.WIDTH, 4)
    assert (drawn[0, 0] == 1).all()  # white, and not transparent
    assert drawn[..., :3].std() > 0.05
    kept = matplotlib.image.imread(ROOT / "docs/model.png")
    assert kept.shape == drawn.shape


def test_no_text_lies_over_another_or_outside(picture):
    figure = picture.make_figure()
    figure.draw_without_rendering()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    places = {text: text.get_window_extent() for text in texts}
    assert len(places) > 40
    for text, place in places.items():
        inside = place.x0 > 20 and place.x1 < picture.WIDTH - 20
        assert inside and place.y0 > 20 and place.y1 < picture.HEIGHT - 20, text
    for one, other in combinations(texts, 2):
        assert not places[one].overlaps(places[other]), (one, other)


def test_its_numbers_are_those_of_the_model(picture):
    blocks = ShortChunkCNN().blocks
    assert [block[0].out_channels for block in blocks] == list(picture.CHANNELS)
    assert picture.MEL_BANDS == ShortChunkCNN.N_MELS
