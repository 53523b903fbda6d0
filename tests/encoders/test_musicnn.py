"""musicnn in torch against plain NumPy, and against what its authors printed."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.musicnn import Layers, Musicnn, load_musicnn
from encoders.musicnn_package import ENCODERS, tags_of
from musicnn_samples import musicnn_in_numpy, random_tensors, write_wheel
from preprocessing.features.song_layers import musicnn_mel, song_means

# What README.md of github.com/jordipons/musicnn prints for the songs in its folder audio/.
PRINTED = {
    "joram-moments_of_clarity-08-solipsism-59-88.mp3": "techno electronic synth fast beat drums "
    "no_vocals no_vocal dance ambient",
    "TRWJAZW128F42760DD_test.mp3": "guitar piano fast",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return write_wheel(tmp_path_factory.mktemp("wheel") / "musicnn.whl")


@pytest.mark.parametrize("n_frames", [187, 20])
def test_each_layer_is_that_of_numpy(wheel, n_frames):
    windows = np.random.default_rng(1).uniform(0, 5, size=(2, n_frames, 96)).astype(np.float32)
    network = load_musicnn(wheel, "mtt-musicnn")
    with torch.inference_mode():
        layers = network(torch.from_numpy(windows))
    for number, window in enumerate(windows):
        expected = musicnn_in_numpy(window, random_tensors(1))
        assert list(expected) == list(Layers._fields)
        for name, values in layers._asdict().items():
            np.testing.assert_allclose(
                values[number].numpy().T, expected[name], rtol=2e-3, atol=2e-3
            )


def test_training_takes_the_same_way_as_evaluation(wheel):
    """In training the maximum is taken after the batch norm, with statistics of the batch."""
    torch.manual_seed(0)
    network = load_musicnn(wheel)
    x = torch.rand(3, 1, 187, 96)
    for block in (*network.timbral, *network.temporal):
        in_evaluation = block(x)
        block.train()
        block.norm.eval()
        torch.testing.assert_close(block(x), in_evaluation)


def test_it_can_be_trained(wheel):
    network = load_musicnn(wheel).train()
    network(torch.rand(2, 187, 96)).logits.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_every_encoder_has_a_tag_for_each_output():
    for encoder in ENCODERS:
        assert len(set(tags_of(encoder))) == Musicnn().output.out_features == 50


@pytest.mark.real_data
@pytest.mark.parametrize("song", PRINTED)
def test_the_most_likely_tags_are_those_that_its_authors_print(song):
    """Order included."""
    folder = Path(os.environ.get("TAG_RETRIEVAL_MUSICNN", "nowhere"))
    if not folder.is_dir():
        pytest.skip("TAG_RETRIEVAL_MUSICNN names no folder with the wheel and the authors' songs")
    network = load_musicnn(folder / "musicnn-0.1.0-py3-none-any.whl", "mtt-musicnn")
    _, likely = song_means(musicnn_mel(folder / song)[0], network)
    tags = [tags_of("mtt-musicnn")[place].replace(" ", "_") for place in np.argsort(-likely)]
    printed = PRINTED[song].split()
    assert tags[: len(printed)] == printed
