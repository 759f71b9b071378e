"""NAS-Bench-201: the space, the benchmark's accuracies, statistics of rankings, selection by masking, and the stages."""

import csv
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy.stats import kendalltau

from eoinas import bench, schedules, settings
from eoinas.code import ROOT
from eoinas.data import imageset
from eoinas.data import nasbench201 as accuracies
from eoinas.data.images import Images
from eoinas.errors import InputError
from eoinas.metrics import strength
from eoinas.models import path as paths
from eoinas.models.nasbench201 import NetworkBench201
from eoinas.nas import gumbel
from eoinas.report import bench_questions, bench_read, welch
from eoinas.spaces import nasbench201, registry
from eoinas.train import masked, search
from tests import test_search as small
from tests.test_extension import COMMAND

OPERATIONS = accuracies.OPERATIONS
SPACE = registry.space("nasbench201", OPERATIONS)
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text())
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


def cell(text: str) -> tuple[str, ...]:
    return nasbench201.read(text, OPERATIONS, "here")


def lines_of(path: Path) -> list[str]:
    return lzma.decompress(path.read_bytes()).decode().split("\n")


@pytest.fixture(scope="module")
def table() -> accuracies.Table:
    return accuracies.load(ROOT / VALUES["bench"]["table"], VALUES["bench"]["sha256"])


# The space


@pytest.mark.parametrize(
    ("text", "classes", "million"),
    [
        # github.com/D-X-Y/NATS-Bench, issue 36: 0.802426 on CIFAR-10; issue 18: 0.802, 0.808, 0.810 for 10, 100, 120 classes.
        ("|skip_connect~0|+|none~0|nor_conv_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|", 10, "0.802426"),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|", 10, "0.802"),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|", 100, "0.808"),
        ("|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|", 120, "0.810"),
    ],
)
def test_a_derived_network_has_the_parameters_that_the_benchmark_says(text: str, classes: int, million: str) -> None:
    network = NetworkBench201(cell(text), nasbench201.EDGES, 16, 15, classes)
    count = sum(weight.numel() for weight in network.parameters()) / 1e6
    assert f"{count:.{len(million) - 2}f}" == million
    assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, classes)


@pytest.mark.parametrize(
    ("cell", "edges"),
    [
        ("333333", 6),
        ("000000", 0),
        ("321200", 1),  # nothing leads from the inner nodes to the output
        ("300030", 2),  # by the first inner node
        ("030003", 2),
        ("303003", 3),  # through both
        ("003003", 0),  # no way from the input
        ("333001", 4),
        ("330030", 2),  # the second inner node leads nowhere
    ],
)
def test_edges_in_use_by_hand(cell: str, edges: int) -> None:
    assert accuracies.in_use([int(digit) for digit in cell]) == edges


def test_a_path_of_a_supernet_computes_the_cell_by_hand() -> None:
    torch.manual_seed(0)
    net = SPACE.supernet(4, 3, 10, pool_bn=True)
    images, found = (
        torch.randn(3, 3, 8, 8),
        cell("|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"),
    )
    skeleton = net.skeleton
    x = skeleton.stem(images)
    for stage, (block,) in enumerate(skeleton.stages):
        if stage:
            x = skeleton.blocks[stage - 1](x)
        edges = block.edges
        one = edges[0][3](x)
        two = x
        x = edges[3][4](x) + edges[4][2](one) + two
    expected = skeleton.classifier(torch.relu(skeleton.norm(x)).mean((2, 3)))
    torch.testing.assert_close(net(images, SPACE.path(found)), expected)
    assert net(images, SPACE.path(("none",) * 6)).shape == (3, 10)


def test_cells_are_read_written_and_drawn() -> None:
    found = cell(BEST)
    assert found == ("nor_conv_3x3", "nor_conv_3x3", "nor_conv_3x3", "skip_connect", "nor_conv_3x3", "nor_conv_1x1")
    assert SPACE.plain(found) == {"cell": BEST}
    assert SPACE.parse({"cell": BEST}, "here") == found
    drawn = [SPACE.random(torch.Generator().manual_seed(seed)) for seed in range(300)]
    shares = np.mean([[name == other for other in OPERATIONS] for each in drawn for name in each], 0)
    assert shares == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    "value", [None, {"cell": BEST, "more": 1}, {"cell": 3}, {"cell": "__import__('os')"}, {"cell": BEST[:-1]}]
)
def test_what_is_no_cell_is_refused(value: object) -> None:
    with pytest.raises(InputError, match=r"^here: "):
        SPACE.parse(value, "here")


def test_zero_may_be_derived_unless_told_otherwise() -> None:
    importance = torch.rand((1, 6, 5), generator=torch.Generator().manual_seed(1))
    importance[0, 2, 0] = 2.0
    alive = torch.ones((1, 6, 5), dtype=torch.bool)
    assert SPACE.derive(importance, alive)[2] == "none"
    without = SPACE.derive(importance, alive, zero_may_win=False)
    assert "none" not in without
    assert without[2] == OPERATIONS[1 + int(importance[0, 2, 1:].argmax())]


# GDAS's settings


def test_the_temperature_falls_linearly_as_in_gdas() -> None:
    found = [schedules.temperature(epoch, 250, 0, 10.0, 0.9, 0.1) for epoch in range(1, 251)]
    assert found == pytest.approx([10 - (10 - 0.1) * k / 249 for k in range(250)])


def test_the_bare_weights_of_the_others_change_the_gradient_alone() -> None:
    """Each edge gives w op(x) + the sum of the other weights: GDAS's forward pass, written out."""
    torch.manual_seed(0)
    net, images = SPACE.supernet(4, 3, 10, pool_bn=False), torch.randn(2, 3, 8, 8)
    alpha = torch.randn(1, 6, 5, requires_grad=True)
    alive, tau = torch.ones((1, 6, 5), dtype=torch.bool), gumbel.noise((1, 6, 5), torch.Generator().manual_seed(2))
    h = gumbel.relax(alpha, alive, tau, 2.0)
    index = h.detach().argmax(-1)
    way = paths.sampled(index, gumbel.straight_through(h, index), SPACE.zero, bare=gumbel.of_others(h, index))
    logits = net(images, way)
    torch.testing.assert_close(logits, net(images, paths.sampled(index, None, SPACE.zero)))
    (found,) = torch.autograd.grad(logits.square().sum(), alpha)

    h = gumbel.relax(alpha, alive, tau, 2.0)
    hard = torch.nn.functional.one_hot(index, 5) - h.detach() + h

    def run(block: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        values = [x]
        for j in (1, 2, 3):
            total = torch.zeros_like(x)
            for edge, (i, node) in enumerate(nasbench201.EDGES):
                for operation in range(5) if node == j else ():
                    weight, drawn = hard[0, edge, operation], operation == index[0, edge]
                    total = total + (weight * block.edges[edge][operation](values[i]) if drawn else weight)
            values.append(total)
        return values[3]

    (expected,) = torch.autograd.grad(net.skeleton.through(images, run).square().sum(), alpha)
    torch.testing.assert_close(found, expected)


def test_the_indicator_of_the_release_is_beta_and_half_of_c() -> None:
    """Twice that, for lambda weighs beta."""
    numbers = small.settings(operations=list(OPERATIONS), indicator="quotient").model_copy(update={"lambda_": 2.0})
    found = search.Architecture(SPACE, numbers, 0)
    drawn = torch.randint(5, (40, 1, 6), generator=torch.Generator().manual_seed(3))
    log = search.EpochLog(1)
    for index in drawn:
        log.train(index, torch.zeros(()), torch.zeros(()))
        log.valid(index, torch.zeros(()), torch.rand(()))
    found.tally = log.add_to(found.tally)
    values = found.measure(4)
    torch.testing.assert_close(values["I"] / 2, values["beta"] + 0.5 * values["C"])


# The table


def test_facts_of_the_benchmark(table: accuracies.Table) -> None:
    test = table.columns[accuracies.TEST]
    assert round(test.max(), 2) == 94.37
    assert table.accuracy(cell(BEST)) == test.max()
    assert table.rank(cell(BEST)) == 1
    assert round(table.accuracy(("skip_connect",) * 6), 2) == 54.30
    assert round(table.accuracy(("nor_conv_3x3",) * 6), 2) == 93.76
    assert round(test.mean(), 2) == 87.06
    assert float(np.median(test)) == pytest.approx(90.745)
    assert table.accuracy(("skip_connect",) * 6, "cifar100_test") == pytest.approx(15.61, abs=0.005)


def test_a_row_is_found_by_its_cell(table: accuracies.Table) -> None:
    lines = lines_of(ROOT / VALUES["bench"]["table"])
    for line in lines[1:-1:1777]:
        digits, *values = line.split(",")
        operations = [OPERATIONS[int(digit)] for digit in digits]
        assert [table.accuracy(operations, name) for name in accuracies.ACCURACIES] == [float(value) for value in values]
        assert table.digits[accuracies.number(operations)].tolist() == [int(digit) for digit in digits]


def test_three_definitions_of_true_strength(table: accuracies.Table) -> None:
    test, edge, operation = table.columns[accuracies.TEST], 4, 2
    having = table.digits[:, edge] == operation
    assert having.sum() == 3125
    assert table.mean_with()[edge, operation] == pytest.approx(test[having].mean())
    assert table.best_with()[edge, operation] == test[having].max()
    own = list(cell(BEST))
    replaced = table.replaced(own)
    assert replaced[4, 3] == table.accuracy(own)
    own[edge] = OPERATIONS[operation]
    assert replaced[edge, operation] == table.accuracy(own)


def test_what_random_search_finds_is_exact(table: accuracies.Table) -> None:
    generator, test, valid = np.random.default_rng(0), table.columns[accuracies.TEST], table.columns[accuracies.VALID]
    assert table.best_of(1) == pytest.approx(1 / 15625)
    drawn = generator.integers(15625, size=(20000, 4))
    best = np.take_along_axis(drawn, valid[drawn].argmax(1)[:, None], 1)[:, 0]
    chances = table.best_of(4)
    assert chances.sum() == pytest.approx(1)
    assert chances @ test == pytest.approx(test[best].mean(), abs=4 * test[best].std() / 20000**0.5)


def packed(folder: Path, edit: object) -> Path:
    lines = lines_of(ROOT / VALUES["bench"]["table"])
    (folder / "table.csv.xz").write_bytes(lzma.compress("\n".join(edit(lines)).encode()))
    return folder / "table.csv.xz"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: lines[:40] + lines[41:], "the cell 000124 is missing"),
        (lambda lines: [*lines[:-1], lines[7], ""], "the cell 000011 stands twice"),
        (lambda lines: [*lines[:-1], "999999,1,1,1,1", ""], "the cell '999999' is unknown"),
        (lambda lines: [lines[0], "000000,1,1,1,101", *lines[2:]], "imagenet16_test has a value that is no percentage"),
        (
            lambda lines: [lines[0].replace("cifar10_valid", "valid"), *lines[1:]],
            "no CSV packed by xz with the columns operations,",
        ),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(edit: object, message: str, tmp_path: Path) -> None:
    path = packed(tmp_path, edit)
    with pytest.raises(InputError, match=f"table.csv.xz: {message}"):
        accuracies.load(path, "")
    with pytest.raises(InputError, match=r"its SHA-256 is not that of bench\.sha256"):
        accuracies.load(path, VALUES["bench"]["sha256"])
    with pytest.raises(InputError, match="No such file"):
        accuracies.load(tmp_path / "none.xz", "")


# Statistics


def test_tau_is_scipys(table: accuracies.Table) -> None:
    generator = np.random.default_rng(0)
    quantity = generator.integers(4, size=(50, 6, 5)).astype(float)
    truth = table.mean_with()
    for index in range(50):
        for edge in range(6):
            expected = kendalltau(quantity[index, edge], truth[edge]).statistic
            assert strength.tau(quantity, truth)[index, edge] == pytest.approx(np.nan_to_num(expected))
    quantity[..., 1] = np.nan
    rest = [0, 2, 3, 4]
    assert strength.tau(quantity, truth) == pytest.approx(strength.tau(quantity[..., rest], truth[:, rest]))


def test_regret_is_what_the_first_costs() -> None:
    truth = np.array([3.0, 1.0, 2.0])
    assert strength.regret(
        np.array([[1.0, 0.0, 0.0], [0.0, 5.0, 1.0], [np.nan, 0.0, 1.0], [np.nan, 1.0, 0.0]]), truth
    ).tolist() == [0, 2, 0, 1]


def test_an_interval_covers_the_mean_of_the_searches() -> None:
    """95 of 100 would, were n large; a percentile interval of 12 is narrower."""
    generator, inside = np.random.default_rng(1), 0
    for _ in range(200):
        found = strength.over_searches(generator.normal(3.0, 1.0, (12, 6)))
        inside += found.low <= 3.0 <= found.high
    assert 170 <= inside <= 196
    alone = strength.over_searches(np.ones((3, 6)))
    assert (alone.value, alone.low, alone.high) == (1.0, None, None)


def test_sign_flips_are_counted_one_by_one() -> None:
    assert strength.sign_flips(np.array([1.0, 2.0, 3.0])) == 2 / 8
    assert strength.sign_flips(np.array([1.0, -1.0])) == 1.0
    assert strength.sign_flips(np.full(16, 0.3)) == 2 / 2**16
    assert strength.sign_flips(np.random.default_rng(2).normal(0, 1, 20)) > 0.01
    (clear,) = bench_questions.tested([1 + np.arange(20) / 50])
    assert clear.p == 1 / (strength.RESAMPLES + 1)  # no draw of signs is as extreme as those seen, which count as one


def test_holm() -> None:
    assert welch.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def strengths_of(differences: dict[str, list[float]]) -> pd.DataFrame:
    """A search has one edge and one step; of every quantity the tau of each seed."""
    about = {"variant": "baseline", "epoch": 5, "edge": 0, "truth": "mean"}
    return pd.DataFrame(
        [
            {**about, "seed": s, "quantity": name, "tau": value}
            for name, each in differences.items()
            for s, value in enumerate(each)
        ]
    )


@pytest.mark.parametrize(
    ("shift", "spread", "verdict"),
    [
        (0.3, 0.1, "**confirmed**"),
        (-0.3, 0.1, "**refuted**"),
        (0.0, 0.02, "**refuted** by the interval: an advantage of 0.05 tau is ruled out"),
        (0.03, 0.01, "**confirmed**, but below 0.05 tau: too small to matter"),
        (0.05, 0.4, "undecided"),
    ],
)
def test_answers_are_what_the_page_says(shift: float, spread: float, verdict: str) -> None:
    noise = np.random.default_rng(5).normal(0, spread, 16)
    noise -= noise.mean()
    beta = np.random.default_rng(6).normal(-0.2, 0.2, 16)
    found = strengths_of({"beta": beta, "I": beta + shift + noise, "I_percent": beta, "l": beta})
    plan = SimpleNamespace(masked="baseline", variants={"baseline": None})
    line = bench_questions.questions(plan, {}, found).split("\n")[2]
    assert line.endswith(f"| {verdict} |")
    assert f"| 16 | {shift:+.3f} [" in line


def test_of_few_searches_nothing_is_too_small_to_matter() -> None:
    """Eight: an interval, but a narrow one. Five of them could not be significant beside two others at all."""
    differences = np.array([0.01, -0.01] * 4)
    (eight,) = bench_questions.tested([differences])
    assert eight.mean.high < 0.02
    assert bench_questions.answer(eight, "tau") == "undecided"
    (sixteen,) = bench_questions.tested([np.tile(differences, 2)])
    assert bench_questions.answer(sixteen, "tau") == "**refuted** by the interval: an advantage of 0.05 tau is ruled out"
    few = bench_questions.tested([np.full(5, 1.0), np.full(16, 1.0), np.tile([1.0, -1.0], 8)])
    assert [test.too_few for test in few] == [True, False, False]  # 2 / 2^5 times 2
    assert bench_questions.answer(few[0], "tau") == "undecided: too few searches for this test (n 5)"
    assert bench_questions.answer(few[1], "points") == "**confirmed**"


def test_a_reading_is_better_only_by_its_interval_and_corrected_p() -> None:
    default = np.random.default_rng(7).normal(0, 0.2, 16)
    readings = {"reset": default + 0.3, "percent": default + np.tile([0.3, -0.29], 8), "steps": default - 0.3}
    variants = {name: SimpleNamespace(label=name) for name in ("eoinas", *readings)}
    frames = []
    for name, values in {"eoinas": default, **readings}.items():
        frames.append(strengths_of({"I": values}).assign(variant=name))
    text = bench_questions.readings(SimpleNamespace(variants=variants), pd.concat(frames))
    assert text.endswith(
        "shown to be better than the default until then, so by the rule of docs/evidence.md **it becomes the default**.\n"
    )
    assert text.count("**better than that default**") == 1
    assert "| `reset` reset | 16 |" in text.split("**better")[0].split("\n")[-1]
    assert text.count("**worse than that default**") == 1
    assert "| `steps` steps | 16 |" in text.split("**worse")[0].split("\n")[-1]


def test_the_best_mean_alone_makes_no_default() -> None:
    """Eight seeds of the reading, the default worse on the other eight."""
    default = np.concatenate([np.tile([0.1, 0.3], 4), np.full(8, -0.5)])
    reading = default[:8] + np.tile([0.2, -0.19], 4)
    frames = [strengths_of({"I": values}).assign(variant=name) for name, values in (("eoinas", default), ("steps", reading))]
    plan = SimpleNamespace(variants={name: SimpleNamespace(label=name) for name in ("eoinas", "steps")})
    text = bench_questions.readings(plan, pd.concat(frames))
    assert "| `steps` steps | 8 | +0.205 [" in text
    assert f"| {default[:8].mean():+.3f} | +0.005 [" in text
    assert "not shown to be better than the default until then, so by the rule of docs/evidence.md **that default stays**" in text
    frames = [frame.assign(tau=-frame["tau"]) for frame in frames]
    assert "The best mean is that of `eoinas`" in bench_questions.readings(plan, pd.concat(frames))


def test_readings_prune_by_prune_in_own_searches_and_on_common_supernets() -> None:
    """The first prune leaves percent's operations as the common ones, the second not."""
    rng = np.random.default_rng(8)
    beta, early, late = rng.normal(0, 0.1, (3, 16))
    frames = []
    for epoch, own in ((24, early), (36, late)):
        both = {"I": beta, "I_percent": early}
        frames += [strengths_of(both).assign(epoch=epoch), strengths_of({"I": beta}).assign(epoch=epoch, variant="eoinas")]
        frames.append(strengths_of({"I": own}).assign(epoch=epoch, variant="percent"))
    frames.append(strengths_of({"I": beta + 1, "I_percent": beta + 2}).assign(epoch=30))  # no prune
    plan = SimpleNamespace(masked="baseline", variants=dict.fromkeys(("baseline", "eoinas", "percent")))
    grid = [line.split(" | ") for line in bench_questions.by_prune(plan, pd.concat(frames)).split("\n")[2:8]]
    own, common = grid[2], grid[5]
    assert own[0] == "| own searches"
    assert [cell.split(" [")[0] for cell in own[2:5]] == [
        f"{value.mean() - beta.mean():+.3f}" for value in (early, late, (early + late) / 2)
    ]
    assert common[2:4] == [own[2], own[2]]
    plan.variants.pop("percent")
    assert bench_questions.by_prune(plan, pd.concat(frames)) is None


@pytest.mark.parametrize(
    ("cell", "edges"),
    [
        ("042200", {3, 5}),  # an average pooling that only the last edge would carry on, and the way without it
        ("333333", {0, 1, 2, 3, 4, 5}),
        ("000000", {3}),
        ("300000", {3, 4}),
        ("003003", {0, 1, 3}),
    ],
)
def test_edges_on_which_an_operation_changes_the_cell(cell: str, edges: set[int]) -> None:
    assert bench_read.telling(pd.DataFrame({"operations": [cell]}, index=[7])) == {(7, edge) for edge in edges}


def test_strengths_by_definition_and_of_edges_that_tell() -> None:
    rows = pd.DataFrame([{"seed": s, "edge": e, "truth": t} for s in (0, 1) for e in (0, 1) for t in bench.TRUTHS])
    found = bench_read.by_truth(rows, {(0, 1), (1, 0)})
    assert {name: len(part) for name, part in found.items()} == {**dict.fromkeys(bench.TRUTHS, 4), bench_read.TELLING: 2}
    assert list(zip(found[bench_read.TELLING]["seed"], found[bench_read.TELLING]["edge"], strict=True)) == [(0, 1), (1, 0)]
    assert set(found[bench_read.TELLING]["truth"]) == {"replaced"}


# Masking


def test_masking_keeps_the_operation_whose_paths_are_right() -> None:
    """A network that is right on more images the more edges have the operation that is right for them."""
    right = torch.tensor([3, 1, 4, 2, 0, 3])

    class Planted(torch.nn.Module):
        space = SPACE

        def forward(self, images: torch.Tensor, path: paths.Path) -> torch.Tensor:
            good = sum((edge or [0])[0] == want for edge, want in zip(path[0].operations, right.tolist(), strict=True))
            logits = torch.zeros(len(images), 2)
            logits[: good * len(images) // 6, 1] = 1.0
            return logits

    images = torch.zeros(120, 3, 4, 4, dtype=torch.uint8)
    data = SimpleNamespace(mean=(0.5,) * 3, std=(0.5,) * 3)
    whole = Images(images, torch.ones(120, dtype=torch.int64), torch.arange(60), torch.arange(60, 120), data)
    assert masked.select(Planted(), whole, masked.MaskedParams(draws=5, batch_size=12), 0).tolist() == right.tolist()


# Images, parameters


def test_images_are_averaged_over_squares() -> None:
    whole = small.data(size=8)
    found = imageset.averaged(whole, 2, "here")
    assert found.train_images.shape == (16, 3, 4, 4)
    square = whole.train_images[3, 1, 2:4, 6:8].astype(float).mean()
    assert found.train_images[3, 1, 1, 3] == np.rint(square)
    assert found.mean == imageset.statistics(found.train_images)[0]
    with pytest.raises(InputError, match=r"^here: the images are 8 pixels wide, which is no multiple of 3"):
        imageset.averaged(whole, 3, "here")


def resolved(**changes: object) -> dict:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in changes.items():
        block = values
        *parents, last = key.split("__")
        for parent in parents:
            block = block[parent]
        block[last] = value
    return settings.resolve(values, "demo")


def test_a_variant_without_seeds_says_nothing() -> None:
    found = resolved()
    empty = found["bench/gdas/0-15"]
    assert empty.dumped() == {"seeds": []}
    assert found["bench/sss/0-15"].seeds == [0, 1]
    assert list(found["bench_report"].variants) == ["baseline", "sss", "eoinas", "percent"]  # of demo alone, not of paper
    again = resolved(bench__method__lambda=0.9)
    assert again["bench/gdas/0-15"] == empty
    assert again["bench/eoinas/0-15"].search.lambda_ == 0.9
    assert resolved(**{"lambda": 0.9})["bench/eoinas/0-15"] == found["bench/eoinas/0-15"]
    assert resolved(method__zero_may_win=True)["bench/eoinas/0-15"] == found["bench/eoinas/0-15"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"demo__repeats__bench": {"nobody": 2}}, "demo.repeats.bench: the variant 'nobody' is unknown; one of gdas, baseline"),
        ({"demo__repeats__bench": {"baseline": 17}}, "bench_seeds: no item has number 16, and repeats.bench.baseline is 17"),
        ({"bench__masked": "sss"}, "bench.masked: 'sss' prunes; masking needs supernets with all operations"),
        ({"bench__masked": "gdas"}, "bench.masked: 'gdas' has no seeds at scale demo"),
        (
            {"bench__variants": {"baseline": {"slimming": False, "indicator": "beta"}}},
            "bench.variants.baseline.label: must be the name",
        ),
        ({"bench__sha256": "abc"}, "bench.sha256: "),
        ({"bench__method__accuracy_unit": "percent"}, "bench.method: the report asks its questions of A as a fraction"),
        ({"bench__method__epoch_unit": "steps"}, "bench.method: the report asks its questions of A as a fraction"),
        ({"demo__bench_search__prune_every": 3}, "demo.bench_search: 3 prunes in 12 epochs, but 5 operations need 4"),
    ],
)
def test_mistakes_are_one_line(changes: dict, message: str) -> None:
    if "bench__variants" in changes:
        changes = {**changes, "demo__repeats__bench": {"baseline": 2}, "paper__repeats__bench": {}}
    with pytest.raises(InputError) as caught:
        resolved(**changes)
    assert str(caught.value).startswith(f"params.yaml: {message}")
    assert "\n" not in str(caught.value)


# The stages


STAGES = (
    *("settings demo", "data demo cifar10"),
    *(f"bench_search demo cifar10 {variant} 0-15" for variant in ("gdas", "baseline", "sss", "eoinas")),
    *("bench_masked demo cifar10", "bench_truth demo", "table_bench demo"),
    *("fig_bench_cells demo", "fig_bench_curve demo", "fig_bench_tau demo", "fig_bench_sensitivity demo"),
)
TINY = {"C": 2, "epoch_images": 96, "batch_size": 8, "epochs": 6, "warmup": 2, "prune_every": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages at a size that takes seconds, with a few seeds of each variant."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "data").mkdir()
    shutil.copy(ROOT / VALUES["bench"]["table"], folder / "data")
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["demo"]["bench_search"] |= TINY
    values["demo"]["repeats"]["bench"] = {"gdas": 0, "baseline": 4, "sss": 3, "eoinas": 3}
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    (folder / "reports/demo").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-c", COMMAND, *STAGES]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def rows(path: Path) -> list[dict]:
    with open(path) as file:
        return list(csv.DictReader(file))


def test_a_variant_that_does_not_run_leaves_an_empty_folder(run: Path) -> None:
    assert not list((run / "results/demo/bench/gdas/0-15").iterdir())
    assert not list((run / "results/demo/timing/bench/gdas/0-15").iterdir())
    assert sorted(path.name for path in (run / "results/demo/bench/baseline/0-15").iterdir()) == list("0123")


def test_every_final_cell_is_that_of_its_trace_and_has_the_accuracy_of_its_line(run: Path, table: accuracies.Table) -> None:
    lines = dict(line.split(",", 1) for line in lines_of(run / "data/nasbench201.csv.xz")[1:-1])
    final = [row for row in rows(run / "results/demo/bench_truth/cells.csv") if row["epoch"] == str(bench.FINAL)]
    assert len(final) == 4 + 3 + 3 + 4
    for row in final:
        values = [float(row[name]) for name in accuracies.ACCURACIES]
        assert values == [float(value) for value in lines[row["operations"]].split(",")]
        if row["variant"] != bench.MASKED:
            trace = np.load(run / f"results/demo/bench/{row['variant']}/0-15/{row['seed']}/trace.npz")
            importance = np.where(trace["alive_final"], trace["I_final"], -np.inf)[0]
            assert row["operations"] == "".join(map(str, importance.argmax(-1)))


def test_tau_again_in_ten_lines(run: Path, table: accuracies.Table) -> None:
    """Of one search, every quantity, by another way."""
    found = [
        row for row in rows(run / "results/demo/bench_truth/strengths.csv") if (row["variant"], row["seed"]) == ("baseline", "3")
    ]
    trace = np.load(run / "results/demo/bench/baseline/0-15/3/trace.npz")
    step = list(trace["epoch"]).index(5)
    indicator = trace["S"] + 0.5 * trace["beta"]
    known = {"beta": trace["beta"], "A": trace["A"], "inverse_E": 1 / trace["E"], "S": trace["S"], "I": indicator}
    for quantity, values in known.items():
        for edge in range(6):
            truth = [np.mean([table.columns["cifar10_test"][table.digits[:, edge] == o]]) for o in range(5)]
            expected = kendalltau(values[step, 0, edge], truth).statistic
            (row,) = [
                r for r in found if (r["quantity"], r["truth"], r["epoch"], r["edge"]) == (quantity, "mean", "5", str(edge))
            ]
            assert float(row["tau"]) == pytest.approx(np.nan_to_num(expected), abs=1e-4)


def test_the_chain_of_a_search_that_prunes_is_its_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eoinas.metrics import bench_load

    monkeypatch.chdir(run)
    found = bench_load.found("demo", bench.load("demo"), "eoinas")[0]
    trace = np.load("results/demo/bench/eoinas/0-15/0/trace.npz")
    assert found.prunes == [3, 4, 5, 6]
    assert found.cells[-1] == found.final
    alive = trace["alive"][:, 0]
    assert found.quantities["l"][alive] == pytest.approx(trace["X"][:, 0, ..., 0][alive])
    assert np.isnan(found.quantities["l"][~alive]).all()


def test_the_chain_of_a_search_without_prunes_in_plain_arithmetic(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eq. (11) and (12) for each operation by itself, over all steps: four of order four, none clamped."""
    from eoinas.metrics import bench_load

    monkeypatch.chdir(run)
    found = bench_load.found("demo", bench.load("demo"), "baseline")[0].quantities
    for edge, operation in np.ndindex(6, 5):
        states, matrices = [(0.5, 0.5)] * 4, [((0.5, 0.5), (0.5, 0.5))] * 4
        (ll, ld), (dl, dd) = matrices[0]
        before = None
        for step, value in enumerate(found["I"][:, edge, operation]):
            sign = 0 if before is None else np.sign(value - before)
            ll, ld, dl, dd = ll + 0.02 * sign, ld - 0.02 * sign, dl + 0.01 * sign, dd - 0.01 * sign
            before, matrices = value, [((ll, ld), (dl, dd)), *matrices[:3]]
            live = sum(0.25 * (x * q[0][0] + y * q[1][0]) for (x, y), q in zip(states, matrices, strict=True))
            states = [(live, 1 - live), *states[:3]]
            assert found["l"][step, edge, operation] == pytest.approx(live, abs=1e-9)
    assert len(np.unique(found["l"][-1].round(6))) > 2


def test_percent_is_of_searches_that_count_in_fractions_and_epochs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that reads A1 otherwise has its S and I and no second ones."""
    from eoinas.metrics import bench_load

    monkeypatch.chdir(run)
    plan = bench.load("demo")
    plain = bench_load.found("demo", plan, "baseline")[0].quantities
    assert set(plain) == set(bench.QUANTITIES)
    ratio = 100 * plain["A"] * plain["inverse_E"]
    step, edge = np.argwhere(np.isfinite(ratio).all(-1))[-1]
    expected = np.exp(ratio[step, edge] - ratio[step, edge].max())
    assert plain["S_percent"][step, edge] == pytest.approx(expected / expected.sum())
    for change in ({"accuracy_unit": "percent"}, {"epoch_unit": "steps"}):
        plan.variants["baseline"].search.update(change)
        assert set(bench.QUANTITIES) - set(bench_load.found("demo", plan, "baseline")[0].quantities) == {"S_percent", "I_percent"}


def test_the_table_names_what_is_measured_known_and_quoted(run: Path) -> None:
    text = (run / "reports/demo/table_bench.md").read_text()
    assert "demo scale: stand-in images, not a paper result" in text.split("\n")[0]
    assert text.count("**measured here, demo scale**") == 4
    assert "| computed from the benchmark | a random cell; the median one has 90.7 on CIFAR-10 | – | 87.06 ± 12.93 |" in text
    asked = text.split("### The questions")[1].split("###")[0]
    assert asked.count("| 4 |") == 3  # searches of baseline
    assert asked.count("| 3 |") == 1  # pairs of eoinas and sss
    assert "| GDAS, 31,610 s | – | 93.61 ± 0.09 |" in text
    means = [float(row["cifar10_test"]) for row in rows(run / "reports/demo/table_bench.csv") if row["variant"] == "baseline"]
    assert f"| 4 | {np.mean(means):.2f} ± {np.std(means, ddof=1):.2f} |" in text
    for name in ("cells", "curve", "tau", "sensitivity"):
        assert (run / f"reports/demo/fig_bench_{name}.png").stat().st_size > 10_000


def test_a_missing_or_damaged_search_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eoinas.metrics import bench_load

    monkeypatch.chdir(run)
    plan, path = bench.load("demo"), run / "results/demo/bench/sss/0-15/2/trace.npz"
    blob = path.read_bytes()
    try:
        path.write_bytes(blob[:100])
        with pytest.raises(InputError, match=r"sss/0-15/2/trace\.npz: not the trace of a search"):
            bench_load.found("demo", plan, "sss")
        path.unlink()
        with pytest.raises(InputError, match=r"sss/0-15/2/trace\.npz: no such file; run the search first"):
            bench_load.found("demo", plan, "sss")
    finally:
        path.write_bytes(blob)


def test_the_regret_of_a_tie_is_the_mean_of_the_tied():
    truth = np.array([1.0, 5.0, 3.0, 9.0])
    quantity = np.array([[2.0, 2.0, 1.0, np.nan], [0.5, 0.5, 0.5, 0.5], [0.0, 1.0, 0.0, 0.0]])
    assert strength.regret(quantity, truth).tolist() == [2.0, 4.5, 4.0]
