"""Reading checkpoints of TensorFlow."""

import numpy as np
import pytest

from encoders.tensor_bundle import read_bundle
from musicnn_samples import bundle

RNG = np.random.default_rng(0)
TENSORS = {
    "a": RNG.normal(size=3).astype(np.float32),
    "a/b": RNG.normal(size=(2, 300)).astype(np.float32),
    "a/c": RNG.normal(size=()).astype(np.float32),
    "z": RNG.normal(size=(4, 1, 2, 200)).astype(np.float32),
}


@pytest.mark.parametrize("per_block", [1, 2, 10])
def test_tensors_are_read_by_name_and_shape(per_block):
    read = read_bundle(*bundle(TENSORS, per_block))
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].shape == tensor.shape and read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], tensor)


def test_other_types_are_passed_over():
    index, numbers = bundle({"a": TENSORS["a"]})
    as_int64 = index.replace(b"a\x08\x01\x12", b"a\x08\x09\x12")
    assert as_int64 != index and read_bundle(as_int64, numbers) == {}


def test_no_table_and_a_compressed_one_are_refused():
    index, numbers = bundle(TENSORS)
    with pytest.raises(ValueError, match="no table"):
        read_bundle(index[:-1], numbers)
    with pytest.raises(ValueError, match="no table"):
        read_bundle(b"", numbers)
    with pytest.raises(ValueError, match="compressed"):
        read_bundle(index.replace(b"\0crc4", b"\1crc4"), numbers)
