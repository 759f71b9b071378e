import pytest
import torch
from torch import nn
from torch.nn import functional as F

from eoinas.errors import InputError
from eoinas.models import cpu, ops
from eoinas.models.ops import OPERATIONS


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [7, 8])
def test_every_operation_keeps_channels_and_divides_sides(name: str, stride: int, side: int) -> None:
    operation = ops.build(name, 6, stride, affine=False, pool_bn=True)
    assert operation(torch.randn(2, 6, side, side)).shape == (2, 6, -(-side // stride), -(-side // stride))


# C = 16: depthwise 16 k k, pointwise 16 16, BatchNorm 2 16; SepConv has each twice.
@pytest.mark.parametrize(
    ("name", "stride", "expected"),
    [
        ("skip_connect", 1, 0),
        ("skip_connect", 2, 16 * 16 + 32),
        ("none", 1, 0),
        ("sep_conv_3x3", 1, 2 * (16 * 9 + 256 + 32)),
        ("sep_conv_5x5", 2, 2 * (16 * 25 + 256 + 32)),
        ("dil_conv_3x3", 1, 16 * 9 + 256 + 32),
        ("dil_conv_5x5", 2, 16 * 25 + 256 + 32),
        ("avg_pool_3x3", 1, 0),
        ("max_pool_3x3", 2, 0),
    ],
)
def test_parameters_with_affine_batchnorm(name: str, stride: int, expected: int) -> None:
    operation = ops.build(name, 16, stride, affine=True, pool_bn=False)
    assert sum(parameter.numel() for parameter in operation.parameters()) == expected


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("track", [True, False])
def test_batchnorm_follows_the_arguments(name: str, track: bool) -> None:
    norms = [m for m in ops.build(name, 4, 2, False, True, track).modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == {"none": 0, "sep_conv_3x3": 2, "sep_conv_5x5": 2}.get(name, 1)
    assert all(not norm.affine and norm.track_running_stats is track for norm in norms)


@pytest.mark.parametrize("name", ["avg_pool_3x3", "max_pool_3x3"])
def test_pools_of_derived_networks_have_no_batchnorm(name: str) -> None:
    assert not any(isinstance(m, nn.BatchNorm2d) for m in ops.build(name, 4, 1, True, False).modules())


def test_average_pool_does_not_count_the_padding() -> None:
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(ops.build("avg_pool_3x3", 1, 1, True, False)(ones), ones)


def test_zero_gives_zeros_even_for_infinite_input() -> None:
    x = torch.full((1, 2, 5, 5), float("inf"), requires_grad=True)
    out = ops.Zero(2)(x)
    assert torch.equal(out, torch.zeros(1, 2, 3, 3))


def test_factorized_reduce_sees_every_pixel_of_even_sides() -> None:
    x = torch.rand(1, 1, 4, 4).add(0.1).requires_grad_()
    reduce = ops.FactorizedReduce(1, 2).eval()
    nn.init.ones_(reduce.even.weight)
    nn.init.ones_(reduce.odd.weight)
    out = reduce(x) * (1 + reduce.bn.eps) ** 0.5
    assert torch.allclose(out[0, 0], x[0, 0, ::2, ::2])
    assert torch.allclose(out[0, 1], x[0, 0, 1::2, 1::2])


@pytest.mark.parametrize(("name", "reach"), [("sep_conv_3x3", 2), ("sep_conv_5x5", 4), ("dil_conv_3x3", 2), ("dil_conv_5x5", 4)])
def test_receptive_field(name: str, reach: int) -> None:
    x = torch.ones(1, 1, 13, 13, requires_grad=True)
    operation = ops.build(name, 1, 1, affine=True, pool_bn=False).eval()
    for parameter in operation.parameters():
        nn.init.ones_(parameter)
    operation(x)[0, 0, 6, 6].backward()
    touched = x.grad[0, 0].nonzero()
    assert touched.min() == 6 - reach
    assert touched.max() == 6 + reach
    side = int(name[-1])
    assert len(touched) == (side**2 if name.startswith("dil") else (2 * reach + 1) ** 2)


def test_the_operations_of_the_paper_in_its_order() -> None:
    names = "skip_connect none sep_conv_3x3 dil_conv_3x3 sep_conv_5x5 dil_conv_5x5 avg_pool_3x3 max_pool_3x3"
    assert list(ops.PAPER) == names.split()
    assert list(OPERATIONS) == [*ops.PAPER, "nor_conv_1x1", "nor_conv_3x3"]  # those of NAS-Bench-201


@pytest.mark.parametrize("name", OPERATIONS)
def test_weights_says_whether_there_are_parameters_at_stride_1(name: str) -> None:
    for affine, pool_bn in ((True, False), (False, True)):  # of a derived network, of the super network
        assert bool([*ops.build(name, 4, 1, affine, pool_bn).parameters()]) is OPERATIONS[name].weights


def test_one_entry_is_a_new_operation(monkeypatch) -> None:
    def seven(C: int, stride: int, norm: ops.Norm) -> nn.Module:
        return ops.ReLUConvBN(C, C, 7, stride, norm.affine, norm.track_running_stats)

    monkeypatch.setitem(OPERATIONS, "conv_7x7", ops.Operation(seven, weights=True))
    assert ops.build("conv_7x7", 4, 2, affine=True, pool_bn=False)(torch.zeros(2, 4, 9, 8)).shape == (2, 4, 5, 4)


def test_unknown_name() -> None:
    with pytest.raises(InputError, match=r"unknown operation 'conv_7x7'.*sep_conv_3x3"):
        ops.build("conv_7x7", 4, 1, True, False)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sides", [(1, 1), (2, 3), (4, 4), (7, 9), (16, 16), (13, 8)])
def test_the_dilated_convolution_by_parts_is_the_dilated_convolution(kernel: int, stride: int, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 3, kernel, stride, 2 * (kernel // 2), 2, groups=3, bias=False).double()
    x = torch.randn(2, 3, *sides, dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    whole, parts = conv(x), cpu.dilated(x, conv)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)
    weight = torch.randn_like(whole)
    found, expected = (torch.autograd.grad((y * weight).sum(), (x, conv.weight)) for y in (parts, whole))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_nodes_get_whole_gradients(layout: torch.memory_format) -> None:
    nodes = [torch.randn(2, 4, 3, 3).to(memory_format=layout).requires_grad_() for _ in range(4)]
    joined = ops.concatenate(nodes, training=True)
    weight = torch.randn(2, 16, 3, 3).to(memory_format=layout)
    (joined * weight).sum().backward()
    for node, part in zip(nodes, weight.chunk(4, 1), strict=True):
        assert torch.equal(node.grad, part)
    assert torch.equal(joined, torch.cat(nodes, 1))


@pytest.mark.parametrize("sides", [(1, 1), (1, 4), (2, 2), (4, 5), (7, 7), (8, 8)])
def test_the_two_ways_to_reduce_are_one(sides: tuple[int, int]) -> None:
    reduce = ops.FactorizedReduce(3, 5).double()
    x = torch.rand(2, 3, *sides, dtype=torch.float64)
    found = cpu.every_other(x, reduce.even, reduce.odd)
    for one, other in zip(found, (reduce.even(x), reduce.odd(F.pad(x, (-1, 1, -1, 1)))), strict=True):
        torch.testing.assert_close(one, other)
        assert one.shape[2:] == tuple(-(-side // 2) for side in sides)


def test_what_is_for_cpus_in_training_keeps_out_of_evaluation_and_of_other_devices(monkeypatch) -> None:
    called = []
    for name in ("dilated", "every_other"):
        real = getattr(cpu, name)
        monkeypatch.setattr(cpu, name, lambda *args, name=name, real=real: called.append(name) or real(*args))

    def run(device: str, training: bool, gradient: bool) -> set[str]:
        called.clear()
        layers = (ops.build("dil_conv_3x3", 2, 1, True, False), ops.FactorizedReduce(2, 2))
        x = torch.randn(2, 2, 4, 4, device=device, requires_grad=gradient)
        for layer in layers:
            layer.to(device).train(training)(x)
        hooks = []
        node = x * 1
        node.register_hook = hooks.append
        ops.concatenate([node, node], training)
        return {*called} | ({"hooks"} if hooks else set())

    assert run("cpu", training=True, gradient=True) == {"dilated", "every_other", "hooks"}
    assert run("cpu", training=True, gradient=False) == {"every_other"}
    assert run("cpu", training=False, gradient=True) == {"every_other"}
    assert run("meta", training=True, gradient=True) == set()
