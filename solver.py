"""Solver: the branches together with the loss, as a LightningModule.

Its checkpoints describe themselves: options, ordered tags, dimensions and format version are in
them. `checkpoint.py` reads them.
"""

import math
import time

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from dataset.mel_store import SETTINGS
from errors import UserError
from graphed_step import GraphedStep
from losses import LABEL_LOSSES, triplet_margin_loss
from metrics import mean_over_tags, score_tags
from model import RetrievalModel, SongInputs
from options import Options
from processes import gather, part_of
from sampler import epoch_seed, mine_negatives

CHECKPOINT_FORMAT = 3
WARM_UP_STEPS = 20  # in which Adam's averages of the gradient become usable
FIRST_SCALE, FIRST_BIAS = 10.0, -3.0  # of similarities that become logits; learnt from there


def cosine_similarity(tags: Tensor, songs: Tensor) -> Tensor:
    """Cosine similarity of (A, 256) and (B, 256) -> float32 (A, B), whatever --precision is."""
    with torch.autocast(tags.device.type, enabled=False):
        both = F.normalize(torch.cat([tags.float(), songs.float()]))  # once is faster than twice
        tags, songs = both.split([len(tags), len(songs)])
        return tags @ songs.T


def cosine_schedule(step: int, n_steps: int) -> float:
    """Share of the learning rate at a step: up in a line, then down to zero as half a cosine."""
    rise = min(1.0, (step + 1) / min(WARM_UP_STEPS, n_steps))
    return rise * (1 + math.cos(math.pi * step / n_steps)) / 2


class Solver(LightningModule):
    """Trains the branches, scores a split by the metrics of `metrics.METRICS`.

    Works with `data_loader.RetrievalData` as the trainer's datamodule.

    Parameters
    ----------
    options : dict
        Options as a checkpoint keeps them (`Options.to_store`); `fusion`, `heads`, `loss`,
        `is_weighted`, `negative_weighting`, `margin`, `lr`, `lr_schedule` and `seed` are used here.
    tags : list of str
        The ordered tags.
    tag_dim : int
        Length of the word vectors.
    inputs : dict of str to int or None
        The song inputs, as `model.RetrievalModel` takes them.
    mel_settings : dict, optional
        How the spectrograms were made: the network of the acoustic branch is the one for such.
    made_by : dict, optional
        What is trained by whom on what, for whoever reads the checkpoint; not used here.

    Attributes
    ----------
    per_tag : dict of ndarray or None
        Metrics of each tag of the split scored last, as `metrics.score_tags` gives them.
    train_seconds : float
        How long the model was trained, validation included, up to its checkpoint.
    """

    LOGGED = ("loss", "active_triplets", "positive_similarity", "negative_similarity")
    LOGGED_LABELS = ("loss", "scale", "positive_similarity", "negative_similarity")

    def __init__(
        self,
        options: dict,
        tags: list[str],
        tag_dim: int,
        inputs: dict[str, int | None],
        mel_settings: dict | None = None,
        made_by: dict | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.options = Options(**options)
        acoustic = "musicnn" if mel_settings == SETTINGS["musicnn"] else "short-chunk"
        self.model = RetrievalModel(
            tag_dim,
            inputs,
            self.options.fusion_in_force,
            acoustic,
            self.options.heads == "twins",
            self.options.input_dropout,
        )
        self.logit_scale = self.logit_bias = None
        if self.options.asks_all_tags:
            self.logit_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())
            self.logit_bias = nn.Parameter(torch.tensor(FIRST_BIAS))
        self.negative_weighting = (
            self.options.negative_weighting if self.options.is_weighted else "uniform"
        )
        self.per_tag: dict[str, np.ndarray] | None = None
        self.train_seconds = 0.0
        self._graphed: GraphedStep | None = None
        self._song_embeddings: list[Tensor] = []

    def configure_optimizers(self) -> torch.optim.Optimizer | dict:
        """Adam with the weight decay of the paper's code, its learning rate by --lr_schedule."""
        groups = [{"params": list(self.model.parameters()), "weight_decay": 1e-4}]
        if self.logit_scale is not None:
            groups.append({"params": [self.logit_scale, self.logit_bias], "weight_decay": 0.0})
        adam = torch.optim.Adam(groups, lr=self.options.lr, fused=True)
        if self.options.lr_schedule == "constant":
            return adam
        n_steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(adam, lambda step: cosine_schedule(step, n_steps))
        return {"optimizer": adam, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # ------------------------------------------------------------ training

    def on_train_start(self) -> None:
        """Start the clock, where it stood if training is resumed; see what a step may be."""
        self._clock_start = time.monotonic() - self.train_seconds
        self._generator = torch.Generator(self.device)
        schedule = self.lr_schedulers()
        if schedule:  # of a resumed training it has the learning rate by the --n_epochs of before
            rates = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
            groups = schedule.optimizer.param_groups
            for group, (highest, share) in zip(groups, rates, strict=True):
                group["lr"] = highest * share(schedule.last_epoch)
        is_alone = self.device.type == "cuda" and self.trainer.world_size == 1
        is_plain = self.trainer.precision in ("32-true", "bf16-mixed")  # float16 scales its loss
        if is_alone and is_plain and not self.model.is_masked:  # masks depend on the batch
            self._graphed = GraphedStep(self._measure, self, self._generator)

    def on_train_epoch_start(self) -> None:
        """Seed dropout and mining from (seed, epoch, process), so that resuming changes nothing."""
        here = (self.options.seed, self.current_epoch)
        self._generator.manual_seed(epoch_seed("negatives", *here))
        torch.manual_seed(epoch_seed("dropout", *here, self.global_rank))
        self._logged = torch.zeros(len(self.LOGGED), device=self.device)

    def training_step(self, batch, batch_idx: int) -> Tensor:
        """Loss of a `data_loader.TripletBatch` or, if it is over all tags, a `LabelBatch`."""
        measured = (self._graphed or self._measure)(batch)
        self._logged += measured.detach()  # on the device: logging each step would wait for it
        return measured[0]

    def backward(self, loss: Tensor) -> None:
        """Leave the gradients of the loss in the parameters."""
        (self._graphed.backward if self._graphed else Tensor.backward)(loss)

    def _measure(self, batch) -> Tensor:
        """What `LOGGED` or `LOGGED_LABELS` names, of a batch: (4,), the loss first."""
        n_tags, n_songs = len(batch.tag_vectors), batch.n_songs
        tags = gather(self.model.embed_tags(part_of(batch.tag_vectors)), n_tags)  # (A or T, 256)
        ways = [gather(one, n_songs) for one in self.model.embed_ways(batch.songs)]  # (B, 256)
        measure = self._labels if self.options.asks_all_tags else self._triplets
        pairs = [pair for songs in ways for pair in self.model.apart(tags, songs)]
        measured = torch.stack([torch.stack(measure(batch, *pair)) for pair in pairs]).mean(dim=0)
        if not self.model.are_twins:
            return measured
        # half a gradient each would leave Adam's weight decay, which is added to it, twice as large
        return torch.cat([measured[:1] * len(pairs), measured[1:]])

    def _triplets(self, batch, tags: Tensor, songs: Tensor) -> tuple[Tensor, ...]:
        """What `LOGGED` names, of triplets mined from the batch; tags (A, 256), songs (B, 256)."""
        similarity = cosine_similarity(tags, songs)  # (A, B), anchor by song
        negative_index, is_valid = mine_negatives(
            similarity.detach(),
            batch.is_candidate,
            self.negative_weighting,
            tags.shape[1],
            self._generator,
        )
        pairs = torch.stack([batch.positive, negative_index], dim=1)  # (A, 2)
        positive, negative = similarity.gather(1, pairs).unbind(dim=1)  # (A, B) -> (A,) twice
        loss, active = triplet_margin_loss(positive, negative, is_valid, self.options.margin)
        with torch.no_grad():
            n_valid = is_valid.sum().clamp(min=1)
            return loss, active, positive.mean(), (negative * is_valid).sum() / n_valid

    def _labels(self, batch, tags: Tensor, songs: Tensor) -> tuple[Tensor, ...]:
        """What `LOGGED_LABELS` names, of every song (B, 256) of the batch with every tag."""
        similarity = cosine_similarity(songs, tags)  # (B, T)
        scale = self.logit_scale.exp()
        loss = LABEL_LOSSES[self.options.loss](similarity * scale + self.logit_bias, batch.truth)
        with torch.no_grad():
            positive, negative = (
                (similarity * weight).sum() / weight.sum().clamp(min=1e-9)
                for weight in (batch.truth, 1 - batch.truth)
            )
            return loss, scale, positive, negative

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means."""
        means = self._logged / self.trainer.num_training_batches
        names = self.LOGGED_LABELS if self.options.asks_all_tags else self.LOGGED
        self.log_dict(dict(zip(names, means, strict=True)), sync_dist=True)

    # ------------------------------------------------------------ validation, test, prediction

    def validation_step(self, batch: SongInputs, batch_idx: int) -> None:
        """Embed songs of the split."""
        self._song_embeddings.append(self.model.embed_songs(batch))

    test_step = validation_step

    def predict_step(self, batch: SongInputs, batch_idx: int) -> Tensor:
        """Embed songs: (B, 256)."""
        return self.model.embed_songs(batch)

    def on_validation_epoch_end(self) -> None:
        """Score and log the validation split; learn from it which input tells which tag."""
        truth = torch.from_numpy(self.trainer.datamodule.tag_song_truth("valid")).float()
        songs = gather(torch.cat(self._song_embeddings), truth.shape[1])  # (n, 256)
        dataset = self.trainer.datamodule.dataset
        kinds = [dataset.categories.get(tag, "") for tag in dataset.tags]
        tag_vectors = self.trainer.datamodule.tag_vectors()
        self.model.fit_gate(tag_vectors, songs, truth.to(self.device), kinds)
        self.log_dict(self._score_split("valid", songs), prog_bar=True, sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Score and log the test split; the metrics of each tag stay in `per_tag`."""
        self.log_dict(self._score_split("test", torch.cat(self._song_embeddings)))

    def _score_split(self, split: str, songs: Tensor) -> dict[str, float]:
        """Mean metrics of a split, whose songs are (n, 256), all of them in every process."""
        self._song_embeddings.clear()
        tags = self.model.embed_tags(self.trainer.datamodule.tag_vectors())  # (T, 256)
        scores = cosine_similarity(tags, songs)  # (T, n), stays on the device
        if not scores.sum().isfinite():  # a NaN or infinity stays one in the sum
            raise UserError(
                "training diverged, embeddings are not finite: lower --lr or use --precision 32"
            )
        self.per_tag = score_tags(scores, self.trainer.datamodule.tag_song_truth(split))
        return mean_over_tags(self.per_tag)

    # ------------------------------------------------------------ checkpoints

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Stamp the checkpoint with its format version and the time that it took."""
        checkpoint["tag_retrieval_format"] = CHECKPOINT_FORMAT
        checkpoint["train_seconds"] = time.monotonic() - self._clock_start

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Take the time that it took."""
        self.train_seconds = checkpoint["train_seconds"]
