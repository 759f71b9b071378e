"""Stochastic gradient descent and Adam: torch's own arithmetic without its ``Optimizer`` classes.

The first ``torch.optim.Optimizer`` that is made imports the compiler behind torch.compile, 1.5 s of every process, and a graph of
short stages would pay that in each. The two classes here hold the state that torch's functional API works on.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class _Optimizer:
    """What loops, checkpoints and ``torch.amp.GradScaler`` need of an optimizer: one group of parameters."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float):
        self.param_groups = [{"params": list(parameters), "lr": learning_rate}]
        self._state: list[dict[str, Tensor]] = [{} for _ in self.param_groups[0]["params"]]  # empty before the first gradient

    def zero_grad(self) -> None:
        """Drop the gradients: a parameter without one stays as it is in ``step``."""
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def state_dict(self) -> dict[str, list[dict[str, Tensor]]]:
        """For a checkpoint."""
        return {"state": self._state}

    def load_state_dict(self, saved: dict[str, list[dict[str, Tensor]]]) -> None:
        """Take up what ``state_dict`` gave; the moments lie in memory as their parameters do."""
        pairs = zip(self.param_groups[0]["params"], saved["state"], strict=True)
        self._state = [{name: self._like(value, parameter) for name, value in state.items()} for parameter, state in pairs]

    @staticmethod
    def _like(value: Tensor, parameter: Tensor) -> Tensor:
        return value if value.dim() == 0 else torch.empty_like(parameter).copy_(value)

    def _with_gradient(self) -> tuple[list[Tensor], list[Tensor], list[dict[str, Tensor]]]:
        """Parameters that have a gradient, their gradients, their states."""
        found = [
            (p, p.grad, state) for p, state in zip(self.param_groups[0]["params"], self._state, strict=True) if p.grad is not None
        ]
        return tuple(list(column) for column in zip(*found, strict=True)) if found else ([], [], [])


class SGD(_Optimizer):
    """Stochastic gradient descent with momentum, as ``torch.optim.SGD``."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, momentum: float, weight_decay: float):
        super().__init__(parameters, learning_rate)
        self.momentum, self.weight_decay = momentum, weight_decay

    @torch.no_grad()
    def step(self) -> None:
        """Descend along the gradients of the parameters."""
        parameters, gradients, states = self._with_gradient()
        buffers = [state.get("momentum") for state in states]
        sgd(
            parameters,
            gradients,
            buffers,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=self.param_groups[0]["lr"],
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        for state, buffer in zip(states, buffers, strict=True):
            if buffer is not None:  # without momentum there is none
                state["momentum"] = buffer


class Adam(_Optimizer):
    """Adam with an L2 penalty, as ``torch.optim.Adam``."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, betas: Iterable[float], weight_decay: float):
        super().__init__(parameters, learning_rate)
        self.betas, self.weight_decay = tuple(betas), weight_decay

    @torch.no_grad()
    def step(self) -> None:
        """Descend along the gradients of the parameters."""
        parameters, gradients, states = self._with_gradient()
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state |= {"mean": torch.zeros_like(parameter), "square": torch.zeros_like(parameter), "step": torch.tensor(0.0)}
        adam(
            parameters,
            gradients,
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=self.param_groups[0]["lr"],
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )
