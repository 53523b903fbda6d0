"""How far training and testing are, in lines of a log file: in place of Lightning's bars."""

import sys
import time
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar, TQDMProgressBar

from progress import LINE_EVERY, on_terminal


def progress_bar() -> ProgressBar:
    """A calm bar where somebody watches; Lightning draws it on standard output."""
    if on_terminal() and sys.stdout.isatty():
        return TQDMProgressBar(refresh_rate=20)
    return TrainingLines()


class TrainingLines(ProgressBar):
    """A line on standard error after each epoch, and now and then within what takes long."""

    def __init__(self):
        super().__init__()
        self._is_on = True
        self._told = time.monotonic()
        self._epoch: int | None = None  # that is under way

    def disable(self) -> None:
        """Say nothing: Lightning asks it of all processes but the first."""
        self._is_on = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell of the epoch before, whose loss is known only now."""
        self._tell_epoch(trainer)
        self._epoch = trainer.current_epoch

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell of the last epoch."""
        self._tell_epoch(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Tell how far the epoch is."""
        what = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        self._tell_batch(what, batch_idx, trainer.num_training_batches)

    def on_validation_batch_end(self, trainer: Trainer, *rest: Any) -> None:
        """Tell how far the validation is."""
        self._tell_batch("validation", rest[3], trainer.num_val_batches[0])

    def on_test_batch_end(self, trainer: Trainer, *rest: Any) -> None:
        """Tell how far the test is."""
        self._tell_batch("test", rest[3], trainer.num_test_batches[0])

    def on_predict_batch_end(self, trainer: Trainer, *rest: Any) -> None:
        """Tell how far the embedding is."""
        self._tell_batch("embedding", rest[3], trainer.num_predict_batches[0])

    def _tell_epoch(self, trainer: Trainer) -> None:
        if self._epoch is not None:
            found = trainer.callback_metrics
            loss, mean_precision = float(found["loss"]), float(found["map"])
            self._tell(
                f"epoch {self._epoch + 1} of {trainer.max_epochs}: loss {loss:.4f}, "
                f"validation MAP {mean_precision:.4f}"
            )
            self._epoch = None

    def _tell_batch(self, what: str, batch_idx: int, n_batches: float) -> None:
        if time.monotonic() - self._told >= LINE_EVERY:
            self._tell(f"{what}: batch {batch_idx + 1} of {n_batches}")

    def _tell(self, line: str) -> None:
        self._told = time.monotonic()
        if self._is_on:
            print(line, file=sys.stderr, flush=True)
