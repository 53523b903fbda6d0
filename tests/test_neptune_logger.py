"""Neptune: what is logged, and that the run is kept when no server answers."""

from pathlib import Path

import pytest

neptune = pytest.importorskip("neptune")

from neptune.common.exceptions import NeptuneException  # noqa: E402

import neptune_logger  # noqa: E402


class FakeRun(dict):
    """Takes what the logger sends."""

    stopped = False

    def __missing__(self, key):
        self[key] = series = FakeSeries()
        return series

    def stop(self):
        self.stopped = True


class FakeSeries(list):
    def append(self, value, step):
        super().append((step, value))


def test_options_and_metrics_reach_the_run(monkeypatch):
    run, asked = FakeRun(), {}
    monkeypatch.setattr(neptune, "init_run", lambda **given: asked.update(given) or run)
    logger = neptune_logger.NeptuneLogger("space/project", "key")
    logger.log_hyperparams({"lr": 0.1, "tags": ["a"]})
    logger.log_metrics({"map": 0.5}, step=3)
    logger.log_metrics({"map": 0.75}, step=4)
    logger.finalize("success")
    assert asked["project"] == "space/project" and asked["api_token"] == "key"
    assert run["options"] == {"lr": "0.1", "tags": "['a']"}
    assert run["metrics/map"] == [(3, 0.5), (4, 0.75)]
    assert run.stopped


def test_without_an_answer_the_run_is_kept_offline(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    init_run = neptune.init_run

    def no_answer(mode=None, **given):
        if mode != "offline":
            raise NeptuneException("nobody there")
        return init_run(mode=mode, **given)

    monkeypatch.setattr(neptune, "init_run", no_answer)
    logger = neptune_logger.NeptuneLogger("space/project", "key")
    logger.log_metrics({"map": 0.5}, step=1)
    logger.finalize("success")
    told = [line for line in capsys.readouterr().out.splitlines() if "gives no run" in line]
    assert len(told) == 1
    folder = Path(told[0].rsplit(" in ", 1)[1])
    assert folder.is_dir() and any(folder.rglob("data-1.log"))


def test_nothing_is_opened_before_the_first_use():
    logger = neptune_logger.NeptuneLogger("space/project", None)
    assert (logger.name, logger.version) == ("space/project", None)
    logger.finalize("success")
