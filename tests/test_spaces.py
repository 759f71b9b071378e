"""Other search spaces: without the zero operation, with one operation more, and one that has nothing of DARTS' cell."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eoinas import genotype, params, settings, weights
from eoinas.errors import InputError
from eoinas.models import ops
from eoinas.models import path as paths
from eoinas.models.cifar import NetworkCIFAR
from eoinas.nas import derive
from eoinas.spaces import registry
from eoinas.spaces.space import Space
from eoinas.train import candidates, search, search_cifar
from tests import test_search as small

PLAIN = tuple(name for name in ops.PAPER if name != "none")


def searched(**changes: object) -> tuple[nn.Module, dict[str, np.ndarray], search_cifar.SearchCifarParams]:
    """A search to its end, its parameters checked."""
    whole = {**small.METHOD, **small.PAPER["search"], **small.VARIANT, **small.SMALL}
    values = search_cifar.SearchCifarParams(**{**whole, **changes})
    network, result = search_cifar.run(small.halves(), values, 0, "small", small.NoCheckpoint())
    return network, result.trace, values


def check(trace: dict[str, np.ndarray], shape: tuple[int, int, int]) -> None:
    """Every array has the space's axes, and one operation an edge is left."""
    cells, edges, operations = shape
    records = operations - 1
    for name in ("alpha", "beta", "A", "E", "C", "S", "I", "alive"):
        assert trace[name].shape == (records, *shape), name
    assert trace["X"].shape == (records, *shape, 2)
    assert trace["Q"].shape == (records, *shape, 2, 2)
    assert trace["pruned"].shape == (records, cells, edges)
    assert trace["alive"].sum(-1).tolist() == [[[operations - k] * edges] * cells for k in range(records)]
    assert (trace["alive_final"].sum(-1) == 1).all()
    assert np.nansum(trace["I"], -1) == pytest.approx(1.5, abs=1e-5)
    assert trace["I_final"].shape == trace["alive_final"].shape == shape


def derived(space: Space, trace: dict[str, np.ndarray], folder: Path) -> object:
    """The cell, as the stage derives it, through JSON and back."""
    np.savez(folder / "trace.npz", **trace)
    cell = candidates.derive_cell(space, folder / "trace.npz", "before_last_prune")
    assert space.parse(space.plain(cell), "here") == cell
    return cell


def scored(network: nn.Module, cell: object, values: search_cifar.SearchCifarParams, folder: Path) -> float:
    weights.save(network, folder / "supernet.safetensors")
    return search_cifar.score(cell, folder / "supernet.safetensors", small.halves(), values, 4, 0)


def test_a_space_without_the_zero_operation(tmp_path) -> None:
    network, trace, values = searched(operations=list(PLAIN), epochs=7)
    space = registry.space("darts", PLAIN)
    assert space.zero is None
    check(trace, (2, 14, 7))
    cell = derived(space, trace, tmp_path)
    assert {name for name, _ in cell.normal + cell.reduce} <= {*PLAIN}
    survivors = trace["alive_final"].argmax(-1)
    assert cell.normal[0] == (PLAIN[survivors[0, 0]], 0)  # node 2 has two edges, and so takes both
    assert cell.normal[1] == (PLAIN[survivors[0, 1]], 1)
    assert 0 <= scored(network, cell, values, tmp_path) <= 1


def test_without_zero_every_operation_of_an_edge_runs() -> None:
    space = registry.space("darts", PLAIN)
    found = search.Architecture(space, small.settings(operations=list(PLAIN), forward="mixture"), 0)
    path = found.path(*found.draw(torch.zeros(space.shape), 5.0), torch.device("cpu"), gradient=False)
    assert [[len(edge) for edge in cell.operations] for cell in path] == [[7] * 14] * 2


@pytest.fixture
def ninth(monkeypatch) -> tuple[str, ...]:
    """The operations with one of one's own."""
    own = ops.Operation(lambda C, stride, norm: ops.ReLUConvBN(C, C, 1, stride, norm.affine), weights=True)
    monkeypatch.setitem(ops.OPERATIONS, "conv_1x1", own)
    return (*ops.PAPER, "conv_1x1")


def test_one_operation_more_is_one_prune_more(ninth: tuple[str, ...], tmp_path) -> None:
    network, trace, values = searched(operations=list(ninth), epochs=9)
    space = registry.space("darts", ninth)
    assert (len(ninth), space.zero) == (9, 1)
    check(trace, (2, 14, 9))
    assert len(values.prune_epochs) == 8
    cell = derived(space, trace, tmp_path)
    assert 0 <= scored(network, cell, values, tmp_path) <= 1
    with pytest.raises(ValueError, match="7 prunes in 8 epochs, but 9 operations need 8"):
        searched(operations=list(ninth), epochs=8)


def test_a_cell_with_an_operation_of_ones_own_is_read_and_built(ninth: tuple[str, ...]) -> None:
    pairs = (("conv_1x1", 0), ("skip_connect", 1)) * genotype.NODES
    own = genotype.Genotype(pairs, (2, 3, 4, 5), pairs, (2, 3, 4, 5))
    cell = genotype.parse(genotype.plain(own), "here")
    assert cell == own
    logits, _ = NetworkCIFAR(cell, 2, 3, 5, 16, auxiliary=False)(torch.randn(2, 3, 16, 16))
    assert logits.shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "operations", "message"),
    [
        ("nets", ("none",), "unknown search space 'nets'; one of darts"),
        ("darts", ("none", "conv_7x7"), "operations: unknown operation 'conv_7x7'; one of skip_connect, none, sep_conv_3x3"),
    ],
)
def test_unknown_names_are_refused_with_those_that_are_known(name: str, operations: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        registry.space(name, operations)


# A space that has nothing of the cell of DARTS: one cell of three nodes, every edge kept.

EDGES = ((0, 1), (0, 2), (1, 2))
NAMES = ("skip_connect", "avg_pool_3x3", "sep_conv_3x3")
Chain = tuple[str, str, str]


class ToyNet(nn.Module):
    """One cell between a convolution and a classifier."""

    def __init__(self, space: Space, C: int, classes: int, pool_bn: bool):
        super().__init__()
        self.space = space
        self.stem, self.classifier = nn.Conv2d(3, C, 3, padding=1), nn.Linear(C, classes)
        self.channels = C
        self.edges = nn.ModuleList(
            nn.ModuleList(ops.build(name, C, 1, False, pool_bn, False) for name in space.operations) for _ in space.edges
        )

    def forward(self, images: Tensor, path: paths.Path) -> Tensor:
        states, chosen = [self.stem(images)], path[0].scaled(self.channels)
        for node in (1, 2):
            terms = [
                ops.run(self.edges[edge][operation], states[i], scale)
                for edge, (i, j) in enumerate(EDGES)
                if j == node
                for operation, scale in chosen[edge]
            ]
            states.append(sum(terms))
        return self.classifier(states[2].mean((2, 3)))


class Toy(Space):
    """Its cell is a tuple of three names, the operations of its edges."""

    def __init__(self, operations: tuple[str, ...]):
        super().__init__("toy", operations, ("cell",), EDGES)

    def derive(self, importance: Tensor, alive: Tensor) -> Chain:
        return tuple(self.operations[o] for o in derive.best_operations(importance[0], alive[0], self.zero).operation.tolist())

    def random(self, generator: torch.Generator) -> Chain:
        return tuple(self.operations[o] for o in torch.randint(len(self.operations), (3,), generator=generator).tolist())

    def path(self, cell: Chain) -> paths.Path:
        return [paths.Route([[self.operations.index(name)] for name in cell])]

    def plain(self, cell: Chain) -> dict:
        return {"edges": list(cell)}

    def parse(self, value: object, where: str) -> Chain:
        return tuple(value["edges"])

    def supernet(self, C: int, layers: int, classes: int, pool_bn: bool) -> nn.Module:
        return ToyNet(self, C, classes, pool_bn)


@pytest.fixture
def toy(monkeypatch) -> Space:
    monkeypatch.setitem(registry.SPACES, "toy", Toy)
    return registry.space("toy", NAMES)


@pytest.mark.parametrize("forward", ["sampled", "mixture"])
def test_a_space_of_ones_own_is_searched_by_the_same_algorithm(toy: Space, forward: str, tmp_path) -> None:
    network, trace, values = searched(space="toy", operations=list(NAMES), epochs=3, forward=forward)
    assert isinstance(network, ToyNet)
    check(trace, (1, 3, 3))
    cell = derived(toy, trace, tmp_path)
    assert cell == tuple(NAMES[o] for o in trace["alive_final"][0].argmax(-1))
    assert 0 <= scored(network, cell, values, tmp_path) <= 1
    again = searched(space="toy", operations=list(NAMES), epochs=3, forward=forward)
    assert small.same(again[0].state_dict(), network.state_dict())
    assert small.same(again[1], trace)


def test_a_space_of_ones_own_without_slimming_takes_the_best_of_each_edge(toy: Space, tmp_path) -> None:
    _, trace, _ = searched(space="toy", operations=list(NAMES), epochs=2, slimming=False, indicator="beta")
    assert trace["alive_final"].all()
    assert derived(toy, trace, tmp_path) == tuple(NAMES[o] for o in trace["I_final"][0].argmax(-1))


@pytest.mark.parametrize(("block", "where"), [("search", "search, variant baseline"), ("seg_search", "seg_search")])
def test_a_space_without_the_cells_of_the_trained_networks_is_refused(toy: Space, block: str, where: str) -> None:
    values = params.read()
    values["paper"][block].update(space="toy", operations=list(NAMES))
    message = f"params.yaml: {where}: the space 'toy' has no normal and no reduce cell, of which the trained networks are built; "
    with pytest.raises(InputError, match=re.escape(message + "set space to darts")):
        settings.resolve(values, "paper")


def test_a_trace_of_another_space_is_refused(toy: Space, tmp_path) -> None:
    _, trace, _ = searched(space="toy", operations=list(NAMES), epochs=3)
    np.savez(tmp_path / "trace.npz", **trace)
    with pytest.raises(InputError, match=r"trace.npz: not the trace of a search .*; run the search again"):
        candidates.derive_cell(small.SPACE, tmp_path / "trace.npz", "before_last_prune")
