"""The card of an exported model, in the form of Hugging Face: what it is, of what, and how good."""

import json
from collections.abc import Iterator
from typing import Any

from checkpoint import Trained
from dataset.directory import Dataset
from dataset.files import SPLITS, subset_prefix
from metrics import METRICS
from model import EMBEDDING_SIZE
from options import MODEL_OPTIONS

TEXT = """\
# Songs and tags in one space

Two branches that embed songs and tags, so that songs can be ranked for a tag: the higher the dot
product of their embeddings, the better they fit. After Won et al., *Multimodal Metric Learning for
Tag-based Music Retrieval*, ICASSP 2021 ([arXiv 2010.16030](https://arxiv.org/abs/2010.16030)).

## Files

| file | |
| --- | --- |
| `song_branch.onnx` | song inputs (below) -> `embedding` float32 (songs, {size}), of length 1 |
| `tag_branch.onnx` | `word_vectors` float32 (tags, {tag_dim}) -> `embedding`, as above |
| `songs.tsv` | {n_songs} songs: id, artist, title; a line a row of `song_embeddings.npy` |
| `tags.tsv` | {n_tags} tags: tag, tag category; a line a row of the other two `.npy` files |
| `song_embeddings.npy`, `tag_embeddings.npy`, `tag_word_vectors.npy` | float32 |
| `embeddings.safetensors` | the same three arrays, by the same names |

```python
import numpy as np

songs, tags = np.load("song_embeddings.npy"), np.load("tag_embeddings.npy")
best = np.argsort(-songs @ tags[0])[:10]  # rows of songs.tsv for the first line of tags.tsv
```

Other words than the tags need a word vector of the same set, `{vectors}`.

## Inputs of the song branch

{inputs}
{spectrogram}
## Trained on

{trained}
Options:

```
{options}
```

Versions: {versions}.

## How well

{results}
"""

SPECTROGRAM = """
A spectrogram is {scale}, of the power in each mel band. A song gives chunks of {length}
frames, {chunks} of them from end to end in the test; what the branch makes of each is averaged.
The settings:

```json
{settings}
```
"""


def card(trained: Trained, n_songs: int, results: dict | None) -> str:
    """Text of the card of a model that has embedded `n_songs` songs.

    `results` is what `--mode TEST` found, see `results.collect_results`; None if it is not known.
    """
    _, solver, options, dataset = trained
    made_by = solver.hparams.made_by or {}
    saved, kept = made_by.get("options", {}), (*MODEL_OPTIONS, "n_epochs")
    found = TEXT.format(
        size=EMBEDDING_SIZE,
        tag_dim=solver.hparams.tag_dim,
        n_songs=n_songs,
        n_tags=len(dataset.tags),
        vectors=_file(trained, f"{options.w2v_type}_emb.pkl"),
        inputs="\n".join(_inputs(trained)),
        spectrogram=_spectrogram(trained),
        trained="\n".join(_trained_on(made_by, dataset)),
        options="\n".join(f"--{name} {saved[name]}" for name in kept if name in saved),
        versions=", ".join(f"{name} {one}" for name, one in made_by.get("versions", {}).items())
        or "not known",
        results=_results(results),
    )
    return _front_matter(results, dataset) + found


def _front_matter(results: dict | None, dataset: Dataset) -> str:
    """What programs read of a card: YAML, of which JSON is a part."""
    facts: dict[str, Any] = {"library_name": "onnx", "tags": ["music", "music-retrieval"]}
    if results:
        metrics = [{"type": name, "value": results[name]} for name in METRICS]
        name = _set_name(dataset)
        result = {
            "task": {"type": "music-retrieval", "name": "songs for a tag"},
            "dataset": {"type": name, "name": name, "split": results["split"]},
            "metrics": metrics,
        }
        facts["model-index"] = [{"name": "song and tag branch", "results": [result]}]
    lines = [f"{name}: {json.dumps(fact, ensure_ascii=False)}\n" for name, fact in facts.items()]
    return "---\n" + "".join(lines) + "---\n\n"


def _set_name(dataset: Dataset) -> str:
    return dataset.about.get("steps", {}).get("step0", {}).get("set", "not known")


def _file(trained: Trained, name: str) -> str:
    """Name of a file of the dataset directory: of the smaller set, where the model is of that."""
    own = f"{subset_prefix(trained.options.is_subset)}{name}"
    return own if (trained.dataset.path / own).is_file() else name


def _inputs(trained: Trained) -> Iterator[str]:
    _, solver, options, _ = trained
    yield "| name | float32 | |"
    yield "| --- | --- | --- |"
    for name, length in solver.hparams.inputs.items():
        if name == "spec":
            n_mels = solver.hparams.mel_settings["n_mels"]
            shape = f"(songs, chunks, {n_mels}, {options.input_length})"
            yield f"| `spec` | {shape} | chunks of mel spectrogram, bands by frames |"
        else:
            file = _file(trained, "ix_to_cf.npy" if name == "cf" else f"{name}_songs.npy")
            yield f"| `{name}` | (songs, {length}) | vectors as those of `{file}` in training |"
    if options.any_input:
        yield "\nAn input that is not known of a song is a row of NaN; one has to be known."
        if "cf" in options.inputs:  # `dataset.directory` has done so
            yield f"A row of zeros in `{_file(trained, 'ix_to_cf.npy')}` is not known: make it NaN."
    elif len(options.inputs) > 1:
        yield "\nEvery song needs all inputs."


def _spectrogram(trained: Trained) -> str:
    _, solver, options, _ = trained
    if "spec" not in options.inputs:
        return ""
    settings = solver.hparams.mel_settings
    return SPECTROGRAM.format(
        scale=settings.get("scale", "10 log10(power), in dB"),
        length=options.input_length,
        chunks=options.num_chunk,
        settings=json.dumps(settings, indent=2),
    )


def _trained_on(made_by: dict[str, Any], dataset: Dataset) -> Iterator[str]:
    counts = ", ".join(f"{len(dataset.splits[part])} {part}" for part in SPLITS)
    yield f"- data set: {_set_name(dataset)}"
    yield f"- songs: {counts}; learnt from the first, chosen by the second"
    yield f"- tags: {len(dataset.tags)}"
    yield f"- seed: {made_by.get('seed', 'not known')}"
    yield f"- program: git revision {made_by.get('git_revision') or 'not known'}"
    if "released_checkpoint" in made_by:
        yield "- a checkpoint that the paper's authors released; it does not say what it saw"
    yield ""


def _results(results: dict | None) -> str:
    if results is None:
        return "Not known: the model was not tested."
    songs = f"{results['n_songs']} songs of the {results['split']} split, {results['n_tags']} tags"
    rows = ["| | " + " | ".join(METRICS.values()) + " |", "| --- |" + " ---: |" * len(METRICS)]
    groups = {"all tags": results} | results["categories"]
    for label, one in groups.items():
        cells = ["" if one[name] is None else f"{one[name]:.4f}" for name in METRICS]
        label = label.replace("|", r"\|")  # a tag category may have it
        rows.append(f"| {label} | " + " | ".join(cells) + " |")
    chance = f"Ranking at random reaches a MAP of {results['chance_map']:.4f}."
    return "\n".join([f"On {songs}:", "", *rows, "", chance])
