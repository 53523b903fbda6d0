"""A training step as one CUDA graph: forward and backward pass, launched at once.

It is some hundreds of kernels, which a GPU computes faster than Python asks for them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

WARM_UPS = 3  # passes before the capture, in which libraries prepare themselves


class GraphedStep:
    """Computes what a function gives for a batch, and the gradients of its first value.

    Batches of the first one's shapes replay what was captured with it; others are computed anew.
    The draws are the same as without a graph.

    Parameters
    ----------
    compute : callable
        Batch -> Tensor of float, shape (n,), the loss first. Its shapes must not depend on values,
        and it must not wait for the device.
    model : nn.Module
        Whose parameters get gradients.
    generator : torch.Generator
        On the GPU; `compute` draws from it, and from torch's own.
    """

    def __init__(
        self, compute: Callable[[Any], Tensor], model: nn.Module, generator: torch.Generator
    ):
        self.compute, self.model, self.generator = compute, model, generator
        self.graph: torch.cuda.CUDAGraph | None = None
        self.is_replayed = False

    def __call__(self, batch: Any) -> Tensor:
        """What `compute` gives for the batch; its gradients come by `backward`."""
        if self.graph is None:
            self._capture(batch)
        rows = tree_leaves(batch)
        self.is_replayed = [one.shape for one in rows] == [one.shape for one in self.rows]
        if not self.is_replayed:
            return self.compute(batch)
        for kept, given in zip(self.rows, rows, strict=True):
            kept.copy_(given)
        self.graph.replay()
        return self.result

    def backward(self, loss: Tensor) -> None:
        """Leave the gradients of the last batch's loss in the parameters, which have none yet."""
        if not self.is_replayed:
            loss.backward()
            return
        for parameter, gradient in self.gradients:
            parameter.grad = gradient

    def _capture(self, batch: Any) -> None:
        """Record the work on a copy of the batch, and leave no trace of it in the model."""
        device = self.generator.device
        kept = tree_map(torch.clone, batch)
        self.rows = tree_leaves(kept)
        buffers = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        states = self.generator.get_state(), torch.cuda.get_rng_state(device)
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                self._pass(kept)
        torch.cuda.current_stream(device).wait_stream(side)
        self.model.zero_grad(set_to_none=True)  # so that the graph has gradients of its own
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(self.generator)
        # Threads that read from disk pin memory meanwhile, which is no concern of the capture.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.result = self._pass(kept)
        self.gradients = [(one, one.grad) for one in self.model.parameters()]
        self.model.zero_grad(set_to_none=True)
        for buffer, before in buffers:
            buffer.copy_(before)
        self.generator.set_state(states[0])
        torch.cuda.set_rng_state(states[1], device)

    def _pass(self, batch: Any) -> Tensor:
        """Forward and backward pass: gradients are added to the model's."""
        result = self.compute(batch)
        with torch.autocast(self.generator.device.type, enabled=False):  # it is for the forward one
            result[0].backward()
        return result.detach()
