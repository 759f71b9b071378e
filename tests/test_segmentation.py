"""The networks for street scenes: counts against the oracle, shapes, Table IV."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from eoinas import genotype as genotypes
from eoinas.genotype import Genotype, parse
from eoinas.metrics.complexity import parameters
from eoinas.metrics.structure import stages_of
from eoinas.models.aspp import ASPP
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.models.path import Route
from eoinas.models.seg_cells import plan
from eoinas.models.seg_supernet import SupernetSegmentation
from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork, SegNetworkParams
from eoinas.spaces import registry

SPACE = registry.space("darts", OPERATIONS)
ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())
CELL = parse(ORACLE["cells"]["eoinas_cityscapes"]["genotype"], "oracle.json")
COUNTS = ORACLE["networks"]["cityscapes_c48_10_cells_groupnorm_eoinas_cityscapes"]
TABLE_IV, TEXT = "NNNRNNNRNN", "NNNRNNRNNN"
PAPER = {"C": 48, "cells": TABLE_IV, "norm": "batch", "aspp_rates": [6, 12, 18], "width": 256, "low_width": 48}
SMALL = {"C": 4, "cells": "NRNRN", "norm": "batch", "aspp_rates": [1, 2], "width": 8, "low_width": 4}


def build(genotype: Genotype = CELL, device: str = "meta", **changes: object) -> SegmentationNetwork:
    with torch.device(device):
        return SegmentationNetwork(genotype, SegNetworkParams(**{**PAPER, **changes}), 19)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize(
    ("cells", "total", "backbone"), [(TABLE_IV, "tableIV_3R3R2", "backbone_tableIV"), (TEXT, "code_3R2R3", "backbone_code")]
)
def test_parameters_are_the_published_ones(cells: str, total: str, backbone: str, norm: str) -> None:
    network = build(cells=cells, norm=norm)
    assert parameters(network) == COUNTS[total]
    assert parameters(network.backbone) == COUNTS[backbone]
    assert parameters(network.aspp) == COUNTS["aspp"]
    assert parameters(network.decoder) == COUNTS["decoder"]


def test_the_published_cell_is_in_the_project() -> None:
    assert genotypes.load(Path(__file__).parent.parent / "data/genotypes/eoinas_cityscapes.json") == CELL


def test_low_level_feature_is_the_last_of_stride_4() -> None:
    network = build()
    assert (network.backbone.low_channels, network.backbone.out_channels) == (192, 768)
    low, high = network.backbone(torch.zeros(2, 3, 320, 320, device="meta"))
    assert (low.shape, high.shape) == ((2, 192, 80, 80), (2, 768, 20, 20))


@pytest.mark.parametrize("size", [(769, 769), (1025, 2049), (1024, 2048), (320, 320), (97, 130), (45, 61)])
def test_logits_have_the_size_of_the_image(size: tuple[int, int]) -> None:
    assert build()(torch.zeros(2, 3, *size, device="meta")).shape == (2, 19, *size)


@pytest.mark.parametrize("size", [(65, 65), (50, 71)])
def test_a_small_network_computes_and_every_parameter_has_a_gradient(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = build(device="cpu", **SMALL)
    logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 19, *size)
    logits.square().sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.isfinite().all()] == []


def test_gradient_is_deterministic() -> None:
    torch.set_deterministic_debug_mode("error")
    try:
        gradients = []
        for _ in range(2):
            torch.manual_seed(0)
            network = build(device="cpu", **SMALL)
            network(torch.randn(2, 3, 65, 65)).square().sum().backward()
            gradients.append([value.grad for value in network.parameters()])
        assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    finally:
        torch.set_deterministic_debug_mode("default")


def test_features_lie_on_every_sixteenth_pixel() -> None:
    """Convolutions of stride 2 with padding 1 keep pixel 0; upsampling with aligned corners puts the features back there."""
    x = torch.arange(49.0)[None, None, None].expand(1, 1, 2, 49)
    up = nn.functional.interpolate(x, (17, 769), mode="bilinear", align_corners=True)
    assert torch.allclose(up[0, 0, 0], torch.arange(769) / 16, atol=1e-4)


def test_group_norm_takes_the_place_of_every_batch_norm() -> None:
    network = build(norm="group")
    kinds = [type(module) for module in network.modules()]
    assert nn.BatchNorm2d not in kinds
    assert {module.num_groups for module in network.modules() if isinstance(module, nn.GroupNorm)} == {8}
    assert nn.GroupNorm not in [type(module) for module in build().modules()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"C": 24, "norm": "group"}, "C must be a multiple of 16"),
        ({"width": 20, "norm": "group"}, "width must be a multiple of 8"),
        ({"low_width": 20, "norm": "group"}, "low_width must be a multiple of 8"),
        ({"C": 5}, "multiple of 2"),
        ({"cells": "NNN"}, "match pattern"),
        ({"cells": "RNRN"}, "match pattern"),
        ({"cells": "NRNRNR"}, "match pattern"),
        ({"cells": "nrnrn"}, "match pattern"),
        ({"aspp_rates": []}, "at least 1"),
    ],
)
def test_sizes_that_make_no_network_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SegNetworkParams(**{**PAPER, **changes})


def test_plan_of_the_cells() -> None:
    assert plan("NNRNR", 4) == [(4, False, True), (4, False, False), (8, True, False), (8, False, True), (16, True, False)]


def test_pooled_classifier_has_the_same_backbone() -> None:
    with torch.device("meta"):
        pooled = PooledClassifier(CELL, SegNetworkParams(**PAPER), 1000)
    wanted = {name: value.shape for name, value in build().backbone.state_dict().items()}
    assert {name: value.shape for name, value in pooled.backbone.state_dict().items()} == wanted
    assert parameters(pooled) == COUNTS["backbone_tableIV"] + 769 * 1000
    logits, auxiliary = pooled(torch.zeros(2, 3, 224, 224, device="meta"))
    assert logits.shape == (2, 1000)
    assert auxiliary is None


def test_aspp_by_hand() -> None:
    """With weights of ones each branch is a sum over what it sees, before the norm."""
    aspp = ASPP(2, 3, [2], track_running_stats=True).eval()
    for module in aspp.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    x = torch.zeros(1, 2, 9, 9)
    x[0, 0, 4, 4] = 81.0
    x[0, 1, 0, 0] = -5.0  # negative: ReLU comes first
    scale = (1 + 1e-5) ** -0.5  # of an untrained norm in evaluation
    point, dilated, pooled = aspp.branches[0](torch.relu(x)), aspp.branches[1](torch.relu(x)), 1.0 * scale
    assert point[0, :, 4, 4].tolist() == pytest.approx([81 * scale] * 3)
    seen = dilated[0, 0].nonzero().tolist()
    assert seen == [[i, j] for i in (2, 4, 6) for j in (2, 4, 6)]
    found = aspp(x)
    assert found.shape == (1, 3, 9, 9)
    assert found[0, :, 4, 4].tolist() == pytest.approx([3 * (81 * scale + 81 * scale + pooled) * scale] * 3, rel=1e-5)
    assert found[0, :, 0, 0].tolist() == pytest.approx([3 * pooled * scale] * 3, rel=1e-5)


# The supernet.


def supernet(device: str = "meta", C: int = 40, cells: str = TABLE_IV) -> SupernetSegmentation:
    with torch.device(device):
        return SupernetSegmentation(SPACE, C, cells, [6], 19, pool_bn=True)


def test_table_iv() -> None:
    rows = stages_of(supernet(), 320)
    conv, normal, reduction = "Conv2d, 3×3", "Normal cell", "Reduction cell"
    assert [tuple(row) for row in rows] == [
        (conv, 2, 160, 160, 2),
        (conv, 1, 160, 160, 2),
        (conv, 2, 80, 80, 4),
        *[(normal, 1, 80, 80, 4)] * 3,
        (reduction, 2, 40, 40, 8),
        *[(normal, 1, 40, 40, 8)] * 3,
        (reduction, 2, 20, 20, 16),
        *[(normal, 1, 20, 20, 16)] * 2,
        ("ASPP", None, 20, 20, 16),
    ]


def test_table_of_a_real_network_is_the_same() -> None:
    assert stages_of(supernet("cpu", 2, "NRNRN"), 64) == stages_of(supernet("meta", 2, "NRNRN"), 64)


def test_stem_of_the_supernet_has_the_widths_of_the_choice() -> None:
    assert [module.out_channels for module in supernet().stem.modules() if isinstance(module, nn.Conv2d)] == [20, 20, 40]


def test_supernet_runs_every_operation_and_statistics_are_of_the_batch() -> None:
    torch.manual_seed(0)
    network = supernet("cpu", 2, "NRNRN")
    assert not [name for name, _ in network.named_buffers()]
    for operation, name in enumerate(SPACE.operations):
        path = [Route([[operation] if name != "none" else [] for _ in SPACE.edges]) for _ in SPACE.cells]
        logits = network(torch.randn(2, 3, 64, 49), path)
        assert logits.shape == (2, 19, 64, 49)
        assert logits.isfinite().all()


def test_supernet_runs_a_derived_cell() -> None:
    assert supernet("cpu", 2, "NRNRN")(torch.randn(2, 3, 33, 33), SPACE.path(CELL)).shape == (2, 19, 33, 33)
