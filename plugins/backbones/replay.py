"""Many small kernels at once: on a CUDA device, starting them one by one takes longer than what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from .derived import state_of

Way: TypeAlias = Callable[..., tuple[torch.Tensor, ...]]
MOST = 64  # recordings that are kept, of tensors of different shapes; the oldest go first


@dataclass(frozen=True)
class Recording:
    """A CUDA graph, and the tensors that it reads and writes."""

    graph: Any
    inputs: list[torch.Tensor]
    outputs: tuple[torch.Tensor, ...]

    def play(self, *tensors: torch.Tensor, **options: Any) -> tuple[torch.Tensor, ...]:
        torch._foreach_copy_(self.inputs, list(tensors))
        self.graph.replay()
        return tuple(one.clone() for one in self.outputs)


class Replayed:
    """``function`` of tensors, all on one device, and of options, to tensors that depend on nothing else but the
    weights of ``module``.

    Without gradients on a CUDA device it is recorded when it is called with tensors alike for the second time, and
    played from then on, until weights have changed. What cannot be recorded runs as it is.
    """

    def __init__(self, module: torch.nn.Module, function: Way) -> None:
        self.module, self.function = module, function
        self.parameters: list[torch.nn.Parameter] = []
        self.weights: list[tuple[int, int]] = []
        self.ways: dict[Any, Way | None] = {}
        self.pool: Any = None

    def __call__(self, *tensors: torch.Tensor, **options: Any) -> tuple[torch.Tensor, ...]:
        if tensors[0].device.type != "cuda" or torch.is_grad_enabled():
            self.parameters = []
            return self.function(*tensors, **options)
        self.parameters = self.parameters or list(self.module.parameters())
        if (weights := state_of(self.parameters)) != self.weights:
            self.ways, self.weights = {}, weights
        key = tuple((one.shape, one.stride(), one.dtype) for one in tensors), tuple(options.items())
        if key not in self.ways:
            self.ways[key] = None
            if len(self.ways) > MOST:
                del self.ways[next(iter(self.ways))]
            return self.function(*tensors, **options)
        way = self.ways[key] = self.ways[key] or self._record(tensors, options)
        return way(*tensors, **options)

    def _record(self, tensors: Sequence[torch.Tensor], options: Mapping[str, Any]) -> Way:
        inputs = [torch.empty_like(one).copy_(one) for one in tensors]
        graph, self.pool = torch.cuda.CUDAGraph(), self.pool or torch.cuda.graph_pool_handle()
        try:
            with torch.cuda.graph(graph, pool=self.pool):
                outputs = self.function(*inputs, **options)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return self.function
        return Recording(graph, inputs, outputs).play
