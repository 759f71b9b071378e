import json
from pathlib import Path

import pytest
import torch

from eoinas.genotype import NODES, Genotype, parse
from eoinas.metrics.complexity import parameters
from eoinas.models import path as paths
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.models.path import Path as Route
from eoinas.models.supernet import SearchCell, SupernetCIFAR
from eoinas.nas import gumbel
from eoinas.spaces import registry
from eoinas.spaces.darts import EDGES

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())
SPACE = registry.space("darts", OPERATIONS)
SHAPE, ZERO = SPACE.shape, SPACE.zero
SKIP, SEP3, DIL5, MAX = map(SPACE.operations.index, ("skip_connect", "sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3"))


def sampled(index: torch.Tensor, weight: torch.Tensor | None = None) -> Route:
    return paths.sampled(index, weight, ZERO)


def supernet(C: int = 2, layers: int = 3, pool_bn: bool = True) -> SupernetCIFAR:
    torch.manual_seed(0)
    return SupernetCIFAR(SPACE, C, layers, 5, pool_bn)


def images(size: int = 8) -> torch.Tensor:
    return torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))


def draw(seed: int) -> torch.Tensor:
    return torch.randint(len(OPERATIONS), SHAPE[:2], generator=torch.Generator().manual_seed(seed))


def everywhere(operation: int) -> torch.Tensor:
    return torch.full(SHAPE[:2], operation)


def test_weights_at_the_size_of_the_paper() -> None:
    expected = ORACLE["networks"]["supernet_cifar_c16_8_cells_8_ops_bn_not_affine"]
    with torch.device("meta"):
        assert parameters(SupernetCIFAR(SPACE, 16, 8, 10, True)) == expected["params_weights"] == 1_930_618
    assert torch.Size(SHAPE).numel() == expected["alphas"] == 224


def test_reductions_stand_at_one_and_two_thirds() -> None:
    cells = SupernetCIFAR(SPACE, 2, 8, 5, True).cells
    assert [cell.reduction for cell in cells] == [False, False, True, False, False, True, False, False]
    widths = [cell.preprocess1.op[1].out_channels for cell in cells]
    assert widths == [2, 2, 4, 4, 4, 8, 8, 8]


@pytest.mark.parametrize("size", [8, 9])
def test_every_operation_fits_on_every_edge(size: int) -> None:
    network = supernet()
    for operation in range(len(OPERATIONS)):
        logits = network(images(size), sampled(everywhere(operation)))
        assert logits.shape == (3, 5)
        assert logits.isfinite().all()


def test_only_the_drawn_operations_run() -> None:
    network, index = supernet(), draw(2)
    ran = []
    for layer, cell in enumerate(network.cells):
        for edge, operations in enumerate(cell.edges):
            for o, module in enumerate(operations):
                module.register_forward_hook(lambda *_, key=(layer, edge, o): ran.append(key))
    network(images(), sampled(index)).sum().backward()
    expected = [
        (layer, edge, index[int(cell.reduction), edge].item())
        for layer, cell in enumerate(network.cells)
        for edge in range(len(EDGES))
    ]
    assert sorted(ran) == [key for key in expected if key[2] != ZERO]
    for layer, cell in enumerate(network.cells):
        for edge, operations in enumerate(cell.edges):
            for o, module in enumerate(operations):
                has_gradient = {p.grad is not None for p in module.parameters()}
                assert has_gradient <= {(layer, edge, o) in ran}
    assert all(p.grad is not None for p in network.classifier.parameters())


def test_a_path_is_the_mixture_with_one_hot_weights() -> None:
    network, index = supernet(), draw(3)
    one_hot = torch.nn.functional.one_hot(index, len(OPERATIONS)).float()
    mixture = network(images(), paths.mixture(one_hot, torch.ones(SHAPE, dtype=torch.bool), ZERO))
    assert torch.allclose(network(images(), sampled(index)), mixture, atol=1e-5)
    ones = torch.ones(SHAPE[:2])
    assert torch.equal(network(images(), sampled(index)), network(images(), sampled(index, ones)))
    assert not torch.allclose(network(images(), sampled(draw(4))), mixture, atol=1e-3)


def test_mixture_leaves_out_the_dead_and_weighs_the_rest() -> None:
    cell = SearchCell(SPACE, 2, 2, 2, False, False, True)
    x = torch.randn(2, 2, 6, 6)
    alive = torch.zeros(SHAPE, dtype=torch.bool)
    alive[0, 0, [SEP3, ZERO, MAX]] = True  # edge (0, 2) alone
    h = torch.rand(SHAPE)
    node = cell(x, x, paths.mixture(h, alive, ZERO))[:, :2]
    s0 = cell.preprocess0(x)
    expected = h[0, 0, SEP3] * cell.edges[0][SEP3](s0) + h[0, 0, MAX] * cell.edges[0][MAX](s0)
    assert torch.allclose(node, expected, atol=1e-6)


def test_node_is_the_sum_over_its_edges_and_zero_adds_nothing() -> None:
    cell = SearchCell(SPACE, 2, 2, 2, False, False, True)
    x = torch.randn(2, 2, 6, 6)
    index = everywhere(ZERO)
    index[0, EDGES.index((0, 2))], index[0, EDGES.index((1, 2))] = SEP3, SKIP
    index[0, EDGES.index((2, 4))] = DIL5
    nodes = cell(x, x, sampled(index)).split(2, 1)
    s0, s1 = cell.preprocess0(x), cell.preprocess1(x)
    assert torch.allclose(nodes[0], cell.edges[0][SEP3](s0) + s1, atol=1e-6)  # Eq. (3)
    assert torch.allclose(nodes[2], cell.edges[EDGES.index((2, 4))][DIL5](nodes[0]), atol=1e-6)
    assert nodes[1].abs().sum() == nodes[3].abs().sum() == 0


@pytest.mark.parametrize("reduction", [False, True])
@pytest.mark.parametrize("size", [6, 7])
def test_nodes_without_any_edge_are_zeros_of_the_right_size(reduction: bool, size: int) -> None:
    cell = SearchCell(SPACE, 2, 2, 3, reduction, False, True)
    x = torch.randn(2, 2, size, size)
    side = -(-size // 2) if reduction else size
    path = sampled(everywhere(ZERO), torch.ones(SHAPE[:2], requires_grad=True))
    out = cell(x, x, path)
    assert out.shape == (2, NODES * 3, side, side)
    assert out.abs().sum() == 0
    index = everywhere(ZERO)
    index[:, EDGES.index((3, 5))] = SEP3  # runs on the zeros of node 3
    assert cell(x, x, sampled(index)).shape == out.shape


@pytest.mark.parametrize("operation", range(len(OPERATIONS)))
def test_a_reduction_cell_halves_the_sides_at_its_inputs_only(operation: int) -> None:
    cell = SearchCell(SPACE, 2, 2, 4, True, False, True)
    x = torch.randn(2, 2, 8, 8)
    sides = {(cell.edges[edge][operation](cell.preprocess0(x)).shape[-1], i < 2) for edge, (i, _) in enumerate(EDGES)}
    assert sides == {(4, True), (8, False)}


def test_alpha_gets_its_gradient_through_the_weights() -> None:
    network, index = supernet(), draw(5)
    weight = torch.ones(SHAPE[:2], requires_grad=True)
    loss = network(images(), sampled(index, weight)).square().sum()
    (found,) = torch.autograd.grad(loss, weight)
    assert (found[index == ZERO] == 0).all()
    assert (found[(index != ZERO)] != 0).float().mean() > 0.9
    # and it is the derivative: compare three edges, one a skip, with finite differences in double precision
    network.double()
    chosen = torch.nn.functional.one_hot(index, len(OPERATIONS))
    skip = (index == SKIP).nonzero()[0].tolist()
    for cell, edge in ((0, 13), (1, 0), skip):
        values = []
        for step in (-1e-4, 1e-4):
            moved = chosen.double()
            moved[cell, edge] *= 1 + step
            path = paths.mixture(moved, chosen.bool(), ZERO)
            values.append(network(images().double(), path).square().sum().item())
        assert (values[1] - values[0]) / 2e-4 == pytest.approx(found[cell, edge].item(), rel=1e-2, abs=1e-4)


def test_gradient_of_alpha_moves_all_live_operations_of_a_drawn_edge() -> None:
    network = supernet()
    alpha = torch.zeros(SHAPE, requires_grad=True)
    alive = torch.ones(SHAPE, dtype=torch.bool)
    alive[..., MAX] = False
    tau = gumbel.noise(torch.Size(SHAPE), torch.Generator().manual_seed(0))
    h = gumbel.relax(alpha, alive, tau, 5.0)
    index = h.argmax(-1)
    loss = network(images(), sampled(index, gumbel.straight_through(h, index))).square().sum()
    (found,) = torch.autograd.grad(loss, alpha)
    drawn = index != ZERO
    assert (found[..., MAX] == 0).all()
    assert (found[drawn][:, :MAX] != 0).float().mean() > 0.9
    assert found.sum(-1).abs().max() < 1e-4 * found.abs().max()  # a softmax moves along its simplex
    assert (found[~drawn] == 0).all()


@pytest.mark.parametrize("name", list(ORACLE["cells"])[:3])
def test_derived_path_is_the_genotype(name: str) -> None:
    genotype = parse(ORACLE["cells"][name]["genotype"], name)
    path = SPACE.path(genotype)
    for cell, pairs in zip(path, (genotype.normal, genotype.reduce), strict=True):
        found = sorted(
            (EDGES[edge][1], EDGES[edge][0], SPACE.operations[operation])
            for edge, chosen in enumerate(cell.operations)
            for operation in chosen
        )
        assert cell.weights is None
        assert found == sorted((2 + position // 2, source, operation) for position, (operation, source) in enumerate(pairs))


def test_two_operations_on_one_edge_both_run() -> None:
    pairs = (("sep_conv_3x3", 0), ("max_pool_3x3", 0)) * NODES
    genotype = Genotype(pairs, (2, 3, 4, 5), pairs, (2, 3, 4, 5))
    assert SPACE.path(genotype)[0].operations[0] == [SEP3, MAX]


def test_supernet_runs_a_derived_cell_the_same_in_both_modes() -> None:
    network = supernet()
    path = SPACE.path(SPACE.random(torch.Generator().manual_seed(0)))
    with torch.no_grad():  # with gradients a CPU has other kernels in training
        training = network.train()(images(), path)
        assert torch.equal(network.eval()(images(), path), training)  # the batch's own statistics in both
    assert not any("running" in name for name in network.state_dict())


def test_skip_dropout_acts_on_skips_in_training_only() -> None:
    cell = SearchCell(SPACE, 2, 2, 2, False, False, True)
    x = torch.randn(2, 2, 6, 6)
    skips, others = sampled(everywhere(SKIP)), sampled(everywhere(SEP3))
    plain = cell(x, x, skips)
    cell.skip_dropout = 0.5
    torch.manual_seed(0)
    assert not torch.equal(cell(x, x, skips), plain)
    torch.manual_seed(0)
    first = cell(x, x, others)
    assert torch.equal(cell(x, x, others), first)
    assert torch.equal(cell.eval()(x, x, skips), plain)


def test_pools_are_normalised_if_asked_for() -> None:
    def pools(network: SupernetCIFAR) -> int:
        return sum(isinstance(operations[MAX], torch.nn.Sequential) for cell in network.cells for operations in cell.edges)

    assert pools(supernet(pool_bn=True)) == 3 * len(EDGES)
    assert pools(supernet(pool_bn=False)) == 0
