"""Graphed step: on a GPU the same losses, draws and weights as step by step."""

import pytest
import torch

from graphed_step import GraphedStep
from losses import LABEL_LOSSES
from training_runs import fit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine"),
]


@pytest.mark.parametrize("loss", ["triplet", *LABEL_LOSSES])
def test_a_graphed_training_is_the_training_step_by_step(shared_dataset_dir, monkeypatch, loss):
    replays = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(
        torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(graph) or replay(graph)
    )
    here = {"accelerator": "gpu", "loss": loss, "epochs": 2, "schedule": "cosine"}
    graphed, with_graph = fit(shared_dataset_dir, **here)
    assert len(replays) == 2 * 78  # 10,000 triplets in batches of 128; the last batch has 16
    monkeypatch.setattr(GraphedStep, "__call__", lambda step, batch: step.compute(batch))
    monkeypatch.setattr(GraphedStep, "backward", lambda step, loss: loss.backward())
    plain, without = fit(shared_dataset_dir, **here)
    assert len(replays) == 2 * 78
    for name, value in without.callback_metrics.items():
        torch.testing.assert_close(with_graph.callback_metrics[name], value, msg=name)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(graphed.state_dict()[name], value, msg=name)


def test_capturing_leaves_model_and_draws_as_they_were():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout())
    model.cuda()
    generator = torch.Generator("cuda").manual_seed(1)

    def compute(rows):
        noise = torch.rand(len(rows), 4, generator=generator, device="cuda")
        return (model(rows) * noise).square().mean()[None]

    def start():
        torch.manual_seed(0)
        generator.manual_seed(1)

    rows = torch.randn(6, 3, device="cuda")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start()
    plain = [compute(rows), compute(rows)]
    gradients = torch.autograd.grad(plain[1].sum(), list(model.parameters()))
    plain = [one.detach() for one in plain]  # what keeps its graph cannot be captured
    model.load_state_dict(before)
    start()
    step = GraphedStep(compute, model, generator)
    graphed = [step(rows).clone(), step(rows).clone()]
    step.backward(graphed[1])
    torch.testing.assert_close(graphed, plain)
    torch.testing.assert_close([one.grad for one in model.parameters()], list(gradients))
    assert model[1].num_batches_tracked == 2


def test_another_shape_is_computed_anew():
    model = torch.nn.Linear(3, 1).cuda()
    step = GraphedStep(lambda rows: model(rows).sum()[None], model, torch.Generator("cuda"))
    for n in (5, 2, 5):
        rows = torch.randn(n, 3, device="cuda")
        model.zero_grad()
        looked = step(rows)
        step.backward(looked[0])
        torch.testing.assert_close(looked.detach(), model(rows).sum().detach()[None])
        torch.testing.assert_close(model.weight.grad, rows.sum(dim=0)[None])
        assert step.is_replayed == (n == 5)
