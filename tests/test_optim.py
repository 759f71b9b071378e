"""The optimizers give the bits of torch.optim's, through a checkpoint too, and do not load the compiler."""

import copy
import subprocess
import sys

import pytest
import torch

from eoinas import optim

MAKE = {
    "sgd": (lambda p: optim.SGD(p, 0.1, 0.9, 3e-4), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=3e-4)),
    "plain sgd": (lambda p: optim.SGD(p, 0.1, 0.0, 0.0), lambda p: torch.optim.SGD(p, 0.1)),
    "adam": (
        lambda p: optim.Adam(p, 3e-4, [0.5, 0.999], 1e-3),
        lambda p: torch.optim.Adam(p, 3e-4, (0.5, 0.999), weight_decay=1e-3),
    ),
}


def parameters() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, 3, 5, 5, generator=generator).to(memory_format=torch.channels_last)
    return [
        torch.nn.Parameter(value)
        for value in (image, torch.randn(7, generator=generator), torch.randn(2, 2, generator=generator))
    ]


def walk(optimizer: object, weights: list[torch.Tensor], steps: range) -> None:
    """Steps with gradients drawn from the step's number; the last weight gets one every third step, as an operation does."""
    for step in steps:
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(step)
        for i, weight in enumerate(weights):
            if i < 2 or step % 3 == 1:
                weight.grad = torch.randn(weight.shape, generator=generator).to(memory_format=torch.preserve_format)
        optimizer.step()


@pytest.mark.parametrize("name", MAKE)
def test_same_bits_as_torch(name: str) -> None:
    ours, theirs = parameters(), parameters()
    walk(MAKE[name][0](ours), ours, range(8))
    walk(MAKE[name][1](theirs), theirs, range(8))
    for a, b, start in zip(ours, theirs, parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, start)


@pytest.mark.parametrize("name", MAKE)
def test_a_restored_optimizer_goes_on_with_the_same_bits(name: str) -> None:
    whole, halves = parameters(), parameters()
    walk(MAKE[name][0](whole), whole, range(8))
    first = MAKE[name][0](halves)
    walk(first, halves, range(4))
    second = MAKE[name][0](halves)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    walk(second, halves, range(4, 8))
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))


def test_restored_moments_lie_in_memory_as_their_parameters_do() -> None:
    weights = parameters()
    first, second = optim.SGD(weights, 0.1, 0.9, 0.0), optim.SGD(weights, 0.1, 0.9, 0.0)
    walk(first, weights, range(2))
    saved = copy.deepcopy(first.state_dict())
    saved["state"][0]["momentum"] = saved["state"][0]["momentum"].contiguous()
    second.load_state_dict(saved)
    assert second.state_dict()["state"][0]["momentum"].stride() == weights[0].stride()


def test_states_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        optim.SGD(parameters()[:2], 0.1, 0.9, 0.0).load_state_dict(optim.SGD(parameters(), 0.1, 0.9, 0.0).state_dict())


def test_a_step_does_not_load_the_compiler() -> None:
    code = """
import sys, torch
from eoinas import optim
weight = torch.nn.Parameter(torch.ones(2))
(weight * weight).sum().backward()
for optimizer in (optim.SGD([weight], 0.1, 0.9, 0.0), optim.Adam([weight], 0.1, [0.9, 0.99], 0.0)):
    optimizer.step()
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
