"""Step 2 run as a user runs it, and small sets of word vectors."""

import inspect
import subprocess
from dataclasses import fields

import numpy as np
from gensim.models import KeyedVectors

import step2_word_embedding
from commands import ROOT, run_here
from preprocessing.words.vector_training import Recipe


def make_vectors(words: list[str], dimensions: int = 4, seed: int = 0) -> KeyedVectors:
    vectors = KeyedVectors(dimensions)
    numbers = np.random.default_rng(seed).normal(size=(len(words), dimensions))
    vectors.add_vectors(words, numbers.astype(np.float32))
    return vectors


def recipe(**changes) -> Recipe:
    """How `train` of step 2 trains by default, with changes."""
    options = inspect.signature(step2_word_embedding.train).parameters
    return Recipe(**{one.name: options[one.name].default for one in fields(Recipe)} | changes)


def step2(*arguments: object) -> subprocess.CompletedProcess:
    """Run the command line in this process: importing gensim takes longer than most tests."""
    return run_here(ROOT / "step2_word_embedding.py", *arguments)


def one_sentence(result: subprocess.CompletedProcess) -> str:
    """The message of a run that ended with a user's error."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    messages = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1
    return messages[0]
