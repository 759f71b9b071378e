"""A refactoring shows identical losses: the first steps of fixed small networks on fixed inputs.

`golden.json` holds the losses. After a change that is meant to alter them, renew it with `python -m tests.test_golden` and commit
the file with the reason. Everything random here comes from uniform draws, which are the same on every CPU, in double precision,
so that the numbers hold across machines.
"""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from eoinas import seeds
from eoinas.genotype import parse
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.spaces import registry
from eoinas.train import classify, search, search_cifar
from tests import test_search as small

FILE = Path(__file__).with_name("golden.json")
STEPS = 5
CELL = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]["eoinas_cifar"]["genotype"]


class Fixed:
    """Batches of random images: four of 16 x 16 in three classes."""

    steps = STEPS

    def __init__(self, purpose: str):
        self._purpose = purpose

    def get(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = seeds.generator(0, self._purpose, epoch, step)
        images = 4 * torch.rand(4, 3, 16, 16, generator=generator, dtype=torch.float64) - 2
        return images, torch.randint(3, (4,), generator=generator)


def refill(network: torch.nn.Module) -> torch.nn.Module:
    """The network in double precision, its weights of two and more axes uniform with variance 2 / fan-in."""
    network = network.double()
    generator = seeds.generator(0, "golden weights")
    for parameter in network.parameters():
        if parameter.ndim > 1:
            draw = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data = (2 * draw - 1) * (6 / parameter[0].numel()) ** 0.5
        elif parameter.ndim == 1:
            parameter.data = parameter.data.round()  # BatchNorm's ones and zeros; the bias of a linear layer becomes 0
    return network


def search_losses(forward: str) -> dict[str, list[float]]:
    """Losses of the weight steps and of the alpha steps, and alpha's mean size after each."""
    space = registry.space("darts", OPERATIONS)
    network = refill(space.supernet(2, 3, 3, True))
    task = search.Task(network, network, Fixed("train"), Fixed("valid"), search_cifar.loss_and_accuracy)
    architecture = search.Architecture(space, small.settings(forward=forward), 0)
    architecture.alpha.data = architecture.alpha.data.double()
    optimizer = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=3e-4)
    found: dict[str, list[float]] = {"train": [], "valid": [], "alpha": []}
    for step in range(STEPS):
        uniform = torch.rand(space.shape, generator=seeds.generator(0, "tau", step), dtype=torch.float64)
        index, h = architecture.draw(-(-uniform.log()).log(), 5.0)
        for kind in ("train", "valid"):
            path = architecture.path(index, h, torch.device("cpu"), gradient=kind == "valid")
            if kind == "train":
                loss, _ = search.weight_step(task, optimizer, path, 1, step, 5.0)
            else:
                loss, _ = search.alpha_step(task, architecture, path, 1, step, 5.0)
            found[kind].append(loss.item())
        found["alpha"].append(architecture.alpha.abs().mean().item())
    return found


def retraining_losses() -> dict[str, list[float]]:
    """Losses with the auxiliary head and drop path."""
    network = refill(NetworkCIFAR(parse(CELL, "oracle.json"), 2, 3, 3, 16))
    optimizer = torch.optim.SGD(network.parameters(), 0.05, 0.9, weight_decay=3e-4)
    found: dict[str, list[float]] = {"main": [], "auxiliary": []}
    for step in range(STEPS):
        inputs, targets = Fixed("retrain").get(1, step)
        keep = classify.keep_masks(3, 8, 4, 0.2, seeds.generator(0, "drop path", 1, step)).double()
        losses = [F.cross_entropy(logits, targets) for logits in network(inputs, keep)]
        optimizer.zero_grad()
        (losses[0] + 0.4 * losses[1]).backward()
        optimizer.step()
        for name, loss in zip(found, losses, strict=True):
            found[name].append(loss.item())
    return found


CASES = {
    "search sampled": lambda: search_losses("sampled"),
    "search mixture": lambda: search_losses("mixture"),
    "retraining": retraining_losses,
}


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_the_file(case: str) -> None:
    expected = json.loads(FILE.read_text())[case]
    found = CASES[case]()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert len(values) == STEPS
        assert found[name] == pytest.approx(values, rel=1e-4), name


if __name__ == "__main__":
    golden = {case: {name: [round(value, 8) for value in row] for name, row in make().items()} for case, make in CASES.items()}
    FILE.write_text(json.dumps(golden, indent=1) + "\n")
