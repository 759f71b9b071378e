"""No network uses an operator that has no deterministic CUDA kernel: forward, backward and optimizer are traced without a GPU.

On the "meta" device nothing is computed and torch goes the ways that it goes on a GPU, so the trace is of what a GPU would run.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from eoinas import genotype
from eoinas.code import ROOT
from eoinas.data import images as image_data
from eoinas.models import path as paths
from eoinas.models.cifar import NetworkCIFAR
from eoinas.models.imagenet import NetworkImageNet
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.models.seg_supernet import SupernetSegmentation
from eoinas.models.segmentation import SegmentationNetwork, SegNetworkParams
from eoinas.runlog import RunLog
from eoinas.spaces import registry
from eoinas.train import arithmetic, classify, pixel_loss, search, search_cifar, search_seg
from tests import test_search as small

# What the documentation of torch.use_deterministic_algorithms (torch 2.14) lists as raising an error on a CUDA tensor, by the
# names of the operators underneath, and the operators that it lists as deterministic under certain arguments only.
NONDETERMINISTIC = {
    "aten::adaptive_max_pool2d_backward",
    "aten::avg_pool3d_backward",
    "aten::bincount",
    "aten::_ctc_loss_backward",
    "aten::_cudnn_ctc_loss",
    "aten::_adaptive_avg_pool2d_backward",
    "aten::_adaptive_avg_pool3d_backward",
    "aten::_embedding_bag_backward",
    "aten::fractional_max_pool2d_backward",
    "aten::fractional_max_pool3d_backward",
    "aten::grid_sampler_2d_backward",
    "aten::grid_sampler_3d_backward",
    "aten::histc",
    "aten::max_unpool2d",
    "aten::max_unpool3d",
    "aten::median",
    "aten::nanmedian",
    "aten::nll_loss2d_backward",
    "aten::nll_loss2d_forward",
    "aten::put",
    "aten::put_",
    "aten::reflection_pad1d_backward",
    "aten::reflection_pad2d_backward",
    "aten::reflection_pad3d_backward",
    "aten::scatter_reduce",
    "aten::scatter_reduce_",
    "aten::upsample_bicubic2d_backward",
    "aten::upsample_bilinear2d_backward",
    "aten::upsample_linear1d_backward",
    "aten::upsample_trilinear3d_backward",
}
SPACE = registry.space("darts", OPERATIONS)
ALPHAS = SPACE.shape[:2]
META = torch.device("meta")
CELL = genotype.load(ROOT / "data/genotypes/eoinas_cifar.json")


class Trace(TorchDispatchMode):
    """Collects the names of all operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func._schema.name)
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def as_in_a_stage() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def trained(build: Callable[[], nn.Module], loss: Callable[[nn.Module], Tensor]) -> set[str]:
    """Operators of one training step of a network, its clipped gradients and its optimizer."""
    with torch.device("meta"):
        network = build().to(memory_format=torch.channels_last)
        step = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=3e-4)
        with Trace() as trace:
            loss(network).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            step.step()
    return trace.names


def classified(network: nn.Module, size: int, classes: int) -> Tensor:
    images = torch.zeros(2, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(2, dtype=torch.long)
    logits, auxiliary = network(images, torch.ones(len(network.cells), 8, 2))
    return F.cross_entropy(logits, labels) + F.cross_entropy(auxiliary, labels, label_smoothing=0.1)


def supernet(operation: int) -> set[str]:
    """A weight step and an alpha step in which the same operation runs on every edge."""
    index = torch.full(ALPHAS, operation)

    def loss(network: nn.Module) -> Tensor:
        images = torch.zeros(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
        alpha = nn.Parameter(torch.zeros(ALPHAS))
        outputs = [
            network(images, paths.sampled(index, weight, SPACE.zero, images.device)) for weight in (None, alpha.softmax(-1))
        ]
        return sum(search_cifar.loss_and_accuracy(output, torch.zeros(2, dtype=torch.long))[0] for output in outputs)

    return trained(lambda: SPACE.supernet(4, 3, 10, True), loss)


def segmentation(norm: str, ohem: bool) -> set[str]:
    """A step of the encoder and decoder on scenes whose sides are no multiple of 16."""
    values = {"C": 16, "cells": "NRNRN", "norm": norm, "aspp_rates": [2], "width": 16, "low_width": 8}

    def loss(network: nn.Module) -> Tensor:
        logits = network(torch.zeros(2, 3, 65, 65).contiguous(memory_format=torch.channels_last))
        targets = torch.zeros(2, 65, 65, dtype=torch.uint8)
        found = pixel_loss.hard_cross_entropy(logits, targets, 0.7, 9) if ohem else pixel_loss.cross_entropy(logits, targets)
        return pixel_loss.mean(*found[:2])

    return trained(lambda: SegmentationNetwork(CELL, SegNetworkParams(**values), 19), loss)


def segmentation_search() -> set[str]:
    """Both steps of the search on scenes, with other operations on every edge."""
    index = torch.arange(ALPHAS[0] * ALPHAS[1]).view(ALPHAS) % len(OPERATIONS)

    def loss(network: nn.Module) -> Tensor:
        images = torch.zeros(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        alpha = nn.Parameter(torch.zeros(ALPHAS))
        outputs = [
            network(images, paths.sampled(index.to("cpu"), weight, SPACE.zero, images.device))
            for weight in (None, alpha.softmax(-1))
        ]
        return sum(search_seg.loss_and_accuracy(output, torch.zeros(2, 64, 64, dtype=torch.uint8))[0] for output in outputs)

    return trained(lambda: SupernetSegmentation(SPACE, 4, "NRNRN", [6], 19, True), loss)


STEPS = {
    "segmentation": lambda: segmentation("batch", False),
    "segmentation, group normalisation, hard examples": lambda: segmentation("group", True),
    "segmentation search": segmentation_search,
    "CIFAR network": lambda: trained(lambda: NetworkCIFAR(CELL, 4, 3, 10), lambda network: classified(network, 32, 10)),
    "ImageNet network": lambda: trained(lambda: NetworkImageNet(CELL, 4, 3, 10), lambda network: classified(network, 224, 10)),
} | {f"supernet, {name}": functools.partial(supernet, index) for index, name in enumerate(OPERATIONS)}


@pytest.mark.parametrize("name", STEPS)
def test_no_step_needs_a_kernel_that_is_not_deterministic(name: str) -> None:
    names = STEPS[name]()
    assert "aten::_log_softmax_backward_data" in names
    assert "aten::convolution_backward" in names or name == "supernet, none"  # all edges zero: no gradient gets to a convolution
    assert names & NONDETERMINISTIC == set()


class Copies(TorchDispatchMode):
    """Copies between host and device for which the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out, name = func(*args, **(kwargs or {})), func._schema.name
        places = {tensor.device.type for tensor in (*args[:2], out) if isinstance(tensor, Tensor)}
        if name in ("aten::_to_copy", "aten::copy_") and len(places) > 1 and not (kwargs or {}).get("non_blocking"):
            self.found.append(name)
        return out


class Made(TorchFunctionMode):
    """Tensors that are made on the device of values of the host, which are copies that no operator shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor, Tensor.new_tensor) and out.device.type != "cpu":
            self.found.append(func.__name__)
        return out


def waits(work: Callable[[], object]) -> list[str]:
    """All of them."""
    with Copies() as copies, Made() as made:
        work()
    return copies.found + made.found


def copies_of_an_epoch(work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Copies and steps of a training on the meta device, which goes on until the losses of its first epoch are read."""
    steps: list[object] = []
    monkeypatch.setattr(RunLog, "step", lambda _, values: steps.append(values))

    def until_the_end() -> None:
        with pytest.raises(RuntimeError, match="meta"):
            work()

    return len(waits(until_the_end)), len(steps)


META_IMAGES = small.data(size=16, train=48)
RETRAIN = {"C": 2, "layers": 3, "epochs": 2, "cpu_threads": 1}


def search_on_meta(batch: int) -> None:
    settings = small.settings(batch_size=batch, warmup=7)
    search_cifar.run(image_data.halves(META_IMAGES, small.SPLIT, META), settings, 0, "small", small.NoCheckpoint())


def retrain_on_meta(batch: int) -> None:
    settings = classify.RetrainParams(**{**small.PAPER["retrain"], **RETRAIN, "batch_size": batch})
    images = image_data.halves(META_IMAGES, small.SPLIT, META)
    classify.train(CELL, images, settings, 4, 0, "small", "small", small.NoCheckpoint())


@pytest.mark.parametrize("training", [search_on_meta, retrain_on_meta])
def test_no_step_copies_what_the_host_must_wait_for(training: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """More steps an epoch are no more copies. On the meta device a value that is read is an error."""
    monkeypatch.setattr(classify, "_drop_path", lambda *_: 0.5)  # in the first epoch too
    monkeypatch.setattr(arithmetic, "autocast", lambda *_: contextlib.nullcontext())  # there is none of this device
    found = [copies_of_an_epoch(functools.partial(training, batch), monkeypatch) for batch in (24, 4)]
    assert [steps for _, steps in found] == [1, 6]
    assert found[1][0] <= found[0][0]


@pytest.mark.parametrize("forward", ["sampled", "mixture"])
def test_the_weights_of_a_path_go_to_the_device_without_a_wait(forward: str) -> None:
    found = search.Architecture(SPACE, small.settings(forward=forward), 0)
    network, images = SPACE.supernet(4, 3, 10, True).to(META), torch.zeros(2, 3, 32, 32, device=META)
    drawn = found.draw(torch.zeros(SPACE.shape), 5.0)
    assert waits(lambda: network(images, found.path(*drawn, META, gradient=True))) == []


def test_losses_over_pixels_copy_nothing() -> None:
    logits, targets = torch.zeros(2, 19, 9, 9, device=META), torch.zeros(2, 9, 9, dtype=torch.uint8, device=META)
    assert waits(lambda: pixel_loss.hard_cross_entropy(logits, targets, 0.7, 9)) == []
    assert waits(lambda: pixel_loss.cross_entropy(logits, targets)) == []


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.zeros(2).to(META),
        lambda: torch.zeros(2, device=META).copy_(torch.zeros(2)),
        lambda: torch.tensor([1.0], device=META),
        lambda: torch.zeros(2, device=META).new_tensor([1.0]),
    ],
)
def test_a_copy_is_noticed(work: Callable[[], Tensor]) -> None:
    assert len(waits(work)) == 1


def step_of(module: nn.Module, loss: Callable[[Tensor], Tensor]) -> set[str]:
    build = functools.partial(nn.Sequential, nn.Conv2d(3, 4, 3), module)
    return trained(build, lambda network: loss(network.to("meta")(torch.zeros(2, 3, 8, 8, device="meta"))))


@pytest.mark.parametrize(
    ("module", "loss", "found"),
    [
        (nn.AdaptiveAvgPool2d(2), lambda y: y.sum(), "aten::_adaptive_avg_pool2d_backward"),
        (nn.Identity(), lambda y: F.cross_entropy(y, torch.zeros(2, 6, 6, dtype=torch.long)), "aten::nll_loss2d_forward"),
        (nn.ReflectionPad2d(1), lambda y: y.sum(), "aten::reflection_pad2d_backward"),
        (nn.AdaptiveMaxPool2d(2), lambda y: y.sum(), "aten::adaptive_max_pool2d_backward"),
    ],
)
def test_an_operator_without_a_deterministic_kernel_is_noticed(module: nn.Module, loss: Callable, found: str) -> None:
    with torch.device("meta"):
        assert found in step_of(module, loss) & NONDETERMINISTIC
