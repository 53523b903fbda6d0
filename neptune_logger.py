"""Neptune logger for Lightning, which has none of its own any more.

The hosted Neptune service closed in 2026. When no server answers, the run is kept in Neptune's
offline format, to be read or synchronised later with the `neptune` command.
"""

from pathlib import Path

import neptune
from neptune.common.exceptions import NeptuneException
from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from requests.exceptions import RequestException

_QUIET = {
    "capture_stdout": False,
    "capture_stderr": False,
    "capture_hardware_metrics": False,
    "source_files": [],
    "git_ref": False,
}


class NeptuneLogger(Logger):
    """Sends options and metrics to a Neptune project 'workspace/project', or keeps them offline.

    Without a key of the service it takes the environment variable NEPTUNE_API_TOKEN.
    """

    def __init__(self, project: str, api_key: str | None):
        super().__init__()
        self._project = project
        self._api_key = api_key
        self._run = None

    @property
    def name(self) -> str:
        """Name of the project."""
        return self._project

    @property
    def version(self) -> None:
        """None: Neptune numbers its runs itself."""
        return None

    @property
    @rank_zero_experiment
    def experiment(self):
        """The Neptune run, opened at first use."""
        if self._run is None:
            self._run = _open_run(self._project, self._api_key)
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict, *args, **kwargs) -> None:
        """Log the options."""
        self.experiment["options"] = {name: str(value) for name, value in params.items()}

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append metrics to their series."""
        for name, value in metrics.items():
            self.experiment[f"metrics/{name}"].append(float(value), step=step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left and close the run."""
        if self._run is not None:
            self._run.stop()


def _open_run(project: str, api_key: str | None):
    try:
        return neptune.init_run(project=project, api_token=api_key, **_QUIET)
    except (NeptuneException, RequestException) as error:
        run = neptune.init_run(mode="offline", **_QUIET)
        folder = Path(".neptune/offline").resolve()
        print(f"Neptune gives no run ({type(error).__name__}): it is kept offline in {folder}")
        return run
