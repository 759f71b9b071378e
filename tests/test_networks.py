import json
from pathlib import Path

import pytest
import torch

from eoinas.errors import InputError
from eoinas.genotype import NODES, Genotype, parse
from eoinas.metrics.complexity import multiply_adds, parameters
from eoinas.models.auxiliary import AuxiliaryHead
from eoinas.models.cell import Cell
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())
CELLS = ORACLE["cells"]
EDGES = 2 * NODES


def genotype(name: str) -> Genotype:
    return parse(CELLS[name]["genotype"], name)


@pytest.mark.parametrize("name", CELLS)
def test_published_cells_on_cifar(name: str) -> None:
    ten, hundred = CELLS[name]["cifar10"], CELLS[name]["cifar100"]
    network = NetworkCIFAR(genotype(name), 36, 20, 10)  # in earnest, not on the meta device: at this size it is faster
    with torch.device("meta"):
        network100 = NetworkCIFAR(genotype(name), 36, 20, 100)
    assert parameters(network) == ten["params_with_aux"]
    assert parameters(network) - parameters(network.auxiliary) == ten["params"]
    assert multiply_adds(network, 32) == {"conv": ten["macs_conv"], "linear": ten["macs_linear"]}
    assert parameters(network100) == hundred["params_with_aux"]
    assert parameters(network100) - parameters(network100.auxiliary) == hundred["params"]


@pytest.mark.parametrize("name", CELLS)
def test_published_cells_on_imagenet(name: str) -> None:
    expected = CELLS[name]["imagenet_c48"]
    with torch.device("meta"):
        network = NetworkImageNet(genotype(name), 48, 14)
        head = AuxiliaryHead(network.cells[9].out_channels, 1000, 7, 224, second_bn=False)
    body = parameters(network) - parameters(network.auxiliary)
    assert body == expected["params"]
    assert parameters(network) == expected["params_with_aux_bn"]
    assert body + parameters(head) == expected["params_with_aux_nobn"]
    assert multiply_adds(network, 224) == {"conv": expected["macs_conv"], "linear": expected["macs_linear"]}


def test_gdas_as_published() -> None:
    expected = ORACLE["networks"]["gdas_v1_imagenet_c50_14_cells"]
    with torch.device("meta"):
        plain = NetworkImageNet(genotype("gdas_v1"), 50, 14, auxiliary=False)
        network = NetworkImageNet(genotype("gdas_v1"), 50, 14)
        without = NetworkImageNet(genotype("gdas_v1"), 50, 14, auxiliary_bn=False)
    assert parameters(plain) == expected["params"]
    assert parameters(network) == expected["params_with_aux_bn"]
    assert parameters(without) == expected["params_with_aux_nobn"]
    assert multiply_adds(plain, 224) == {"conv": expected["macs_conv"], "linear": expected["macs_linear"]}


def test_counting_leaves_the_network_as_it_was() -> None:
    network = NetworkCIFAR(genotype("darts_v2"), 2, 3, 10, image_size=16)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    on_cpu = multiply_adds(network, 16)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.device("meta"):
        assert multiply_adds(NetworkCIFAR(genotype("darts_v2"), 2, 3, 10, image_size=16), 16) == on_cpu


@pytest.mark.parametrize("name", ["eoinas_cifar", "pc_darts_cifar"])
def test_cifar_forward_and_backward(name: str) -> None:
    network = NetworkCIFAR(genotype(name), 4, 3, 7, image_size=16)
    logits, auxiliary = network(torch.randn(2, 3, 16, 16))
    assert logits.shape == auxiliary.shape == (2, 7)
    (logits.sum() + auxiliary.square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    logits, auxiliary = network.eval()(torch.randn(2, 3, 16, 16))
    assert logits.shape == (2, 7)
    assert auxiliary is None


def test_without_auxiliary_head() -> None:
    network = NetworkCIFAR(genotype("darts_v1"), 4, 3, 7, image_size=8, auxiliary=False)
    logits, auxiliary = network(torch.randn(2, 3, 8, 8))
    assert logits.shape == (2, 7)
    assert auxiliary is None


def test_imagenet_forward_and_backward() -> None:
    network = NetworkImageNet(genotype("eoinas_cifar"), 4, 3, 5, image_size=100)
    logits, auxiliary = network(torch.randn(2, 3, 100, 100))  # 100 -> 13 -> 7 -> 4: odd sides on the way
    assert logits.shape == auxiliary.shape == (2, 5)
    (logits.sum() + auxiliary.sum()).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_reductions_stand_at_one_and_two_thirds() -> None:
    with torch.device("meta"):
        cells = NetworkCIFAR(genotype("darts_v1"), 36, 20, 10).cells
    assert [cell.out_channels // 4 for cell in cells] == [36] * 6 + [72] * 7 + [144] * 7


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 5, 3), (7, 5, 2), (4, 3, 1)])
def test_auxiliary_pool(side: int, kernel: int, stride: int) -> None:
    head = AuxiliaryHead(4, 3, side, 32)
    assert (head.features[1].kernel_size, head.features[1].stride) == (kernel, stride)


@pytest.mark.parametrize("side", range(4, 20))
def test_auxiliary_head_takes_any_side_from_four(side: int) -> None:
    assert AuxiliaryHead(2, 3, side, 32).eval()(torch.randn(1, 2, side, side)).shape == (1, 3)


def test_auxiliary_head_refuses_small_images() -> None:
    with pytest.raises(InputError, match=r"images of 8x8 are too small.*gets 2x2"):
        NetworkCIFAR(genotype("darts_v1"), 4, 3, 10, image_size=8)


def one_operation(name: str) -> Genotype:
    """Every edge comes from an input node and has the operation ``name``."""
    edges = tuple((name, source) for _ in range(NODES) for source in (0, 1))
    return Genotype(edges, (2, 3, 4, 5), edges, (2, 3, 4, 5))


def test_keep_of_zero_kills_exactly_its_edge() -> None:
    cell = Cell(one_operation("dil_conv_3x3"), 4, 4, 4, False, False).eval()
    x = torch.randn(2, 4, 8, 8)
    keep = torch.ones(EDGES, 2)
    whole = cell(x, x)
    assert torch.equal(cell(x, x, keep), whole)
    keep[3, 1] = 0  # edge 3 is the second edge of node 3, image 1
    dropped = cell(x, x, keep)
    assert torch.equal(dropped[0], whole[0])
    changed = (dropped[1] - whole[1]).abs().amax((1, 2)).reshape(NODES, 4).amax(1) > 0
    assert changed.tolist() == [False, True, False, False]
    assert torch.allclose(dropped[1, 4:8], cell.ops[2](cell.preprocess0(x))[1])


def test_keep_scales_what_stays() -> None:
    cell = Cell(one_operation("dil_conv_3x3"), 4, 4, 4, False, False).eval()
    x = torch.randn(2, 4, 8, 8)
    assert torch.allclose(cell(x, x, torch.full((EDGES, 2), 2.0)), 2 * cell(x, x), atol=1e-6)


def test_drop_path_spares_identities_but_not_reducing_skips() -> None:
    x = torch.randn(2, 4, 8, 8)
    zeros = torch.zeros(EDGES, 2)
    normal = Cell(one_operation("skip_connect"), 4, 4, 4, reduction=False, reduction_prev=False).eval()
    assert torch.equal(normal(x, x, zeros), normal(x, x))
    reducing = Cell(one_operation("skip_connect"), 4, 4, 4, reduction=True, reduction_prev=False).eval()
    assert reducing(x, x).abs().sum() > 0
    assert reducing(x, x, zeros).abs().sum() == 0


def test_each_cell_of_a_network_gets_its_own_keep() -> None:
    network = NetworkCIFAR(one_operation("dil_conv_3x3"), 4, 3, 7, image_size=16).eval()
    seen = []
    for cell in network.cells:
        cell.register_forward_pre_hook(lambda _, args: seen.append(args[2]))
    keep = torch.rand(3, EDGES, 2)
    network(torch.randn(2, 3, 16, 16), keep)
    assert all(torch.equal(one, other) for one, other in zip(seen, keep, strict=True))
