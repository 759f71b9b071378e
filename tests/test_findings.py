"""What is said about the paper's claims: estimates by other ways, cells by hand, sentences by their numbers."""

import json
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chi2, ttest_1samp, ttest_ind
from scipy.stats import t as student

from eoinas import bench
from eoinas import plan as plans
from eoinas.metrics.strength import over_searches
from eoinas.report import changes, estimate, likeness, load, reference
from eoinas.report.cell import parse
from eoinas.report.estimate import interval
from eoinas.report.fig_bench_sensitivity import family, fig_bench_sensitivity
from eoinas.report.fig_findings import fig_findings
from eoinas.report.findings import findings
from eoinas.report.table_3 import table_3
from eoinas.spaces.darts import Darts
from tests import report_fixture
from tests.report_fixture import body, change, records

SAMPLES = [3.1, 2.7, 3.4, 2.9], [2.2, 2.5, 1.9, 2.6, 2.0]


@pytest.fixture
def demo(tmp_path, monkeypatch):
    folder = report_fixture.builder(tmp_path, monkeypatch)("demo")
    report_fixture.build_bench(folder)
    return folder


def test_intervals_by_hand():
    one, other = map(np.array, SAMPLES)
    reach = 3.182446 * one.std(ddof=1) / 2  # Student's t of three degrees of freedom at 0.975; four values
    assert estimate.mean(SAMPLES[0]) == pytest.approx((one.mean(), one.mean() - reach, one.mean() + reach))
    a, b = one.var(ddof=1) / 4, other.var(ddof=1) / 5
    freedom, between = (a + b) ** 2 / (a**2 / 3 + b**2 / 4), one.mean() - other.mean()  # Welch and Satterthwaite
    reach = student.ppf(0.975, freedom) * (a + b) ** 0.5
    assert estimate.difference(*SAMPLES) == pytest.approx((between, between - reach, between + reach))


def test_one_value_has_no_interval():
    assert estimate.mean([3.0]) == (3.0, None, None)
    assert estimate.difference([3.0], [1.0, 2.0]) == (1.5, None, None)
    assert interval(estimate.mean([3.0]), ".2f") == "3.00"


def test_values_that_do_not_differ_have_no_interval():
    assert estimate.mean([3.0, 3.0]) == (3.0, None, None)
    assert estimate.difference([3.0, 3.0], [1.0, 1.0]) == (2.0, None, None)
    assert estimate.difference([3.0, 3.0], [1.0, 2.0]).low is not None
    assert over_searches(np.full(8, 0.5)) == (0.5, None, None)


def test_paired_tests_are_corrected_for_all_that_can_be_made():
    ps = [ttest_1samp(each, 0).pvalue for each in SAMPLES]
    small, large = sorted(ps)
    found = estimate.paired([SAMPLES[0], [2.0, 2.0], SAMPLES[1]])
    assert found[1] is None
    assert sorted([found[0], found[2]]) == pytest.approx([min(1, 2 * small), max(min(1, 2 * small), large)])


def test_power_as_often_as_tests_see_it():
    rng, trials = np.random.default_rng(0), 20_000
    for effect, n, level in ((1.0, 4, 0.05), (0.5, 20, 0.05), (3.5, 4, 0.05 / 6), (2.0, 2, 0.05)):
        samples = rng.normal(effect, 1, (n, trials)), rng.normal(0, 1, (n, trials))
        ps = ttest_ind(*samples, equal_var=False).pvalue
        assert estimate.power(effect, n, level) == pytest.approx((ps < level).mean(), abs=0.012)


def test_differences_below_the_digits_of_a_history_are_none():
    """11 of 128 images at two seeds, which six digits of two accuracies take for two differences."""
    assert estimate.paired([[8.59375, 8.5937]]) == [None]


def test_an_error_by_its_images():
    low, high = binomtest(533, 1000).proportion_ci(method="exact")
    assert estimate.share(53.3, 1000) == pytest.approx((53.3, 100 * low, 100 * high))


def test_needed_and_visible_are_where_the_power_is_reached():
    n = estimate.needed(0.9)
    assert estimate.power(0.9, n - 1) < estimate.POWER <= estimate.power(0.9, n)
    assert estimate.power(estimate.visible(4), 4) == pytest.approx(estimate.POWER)
    assert estimate.power(estimate.visible(4, 0.05 / 6), 4, 0.05 / 6) == pytest.approx(estimate.POWER)
    assert estimate.visible(4, 0.05 / 6) == pytest.approx(3.92, abs=0.01)


def test_shared_edges_by_hand():
    one = report_fixture.genotype(0, 0)
    other = report_fixture.genotype(0, 0)
    other["normal"] = [["sep_conv_3x3", 1], ["skip_connect", 0], *other["normal"][2:6], ["max_pool_3x3", 2], ["sep_conv_3x3", 0]]
    a, b = parse(one, "one"), parse(other, "other")
    assert likeness.edges(a) == 16
    assert likeness.shared(a, a) == 16
    assert likeness.shared(a, b) == likeness.shared(b, a) == 14  # the order within a node makes no difference


def test_chance_is_what_random_cells_share(demo):
    plan = plans.load("demo")
    space = Darts(tuple(plan.space.operations))
    draw = [space.random(torch.Generator().manual_seed(seed)) for seed in range(200)]
    cells = [parse(space.plain(each), "drawn") for each in draw]
    shared = [likeness.shared(a, b) for a, b in combinations(cells, 2)]
    expected = float(likeness.chance(cells[0], plan.space))
    assert expected == pytest.approx(2 * 4 / 7 * (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5))
    assert np.mean(shared) == pytest.approx(expected, abs=0.05)


def test_what_cells_with_these_operations_would_share():
    """Dealt out again and again over the edges, and the inputs drawn."""
    one, other = (report_fixture.genotype(0, shift) for shift in (0, 1))
    expected, rng = likeness.by_operations(parse(one, "one"), parse(other, "other")), np.random.default_rng(0)

    def dealt(genotype):
        found = {**genotype}
        for cell in ("normal", "reduce"):
            operations = rng.permutation([operation for operation, _ in genotype[cell]]).tolist()
            inputs = [int(i) for node in range(2, 6) for i in rng.choice(node, 2, replace=False)]
            found[cell] = [list(edge) for edge in zip(operations, inputs, strict=True)]
        return parse(found, "dealt")

    shared = [likeness.shared(dealt(one), dealt(other)) for _ in range(4000)]
    assert expected == pytest.approx(np.mean(shared), abs=0.08)


def test_cells_of_two_seeds(demo):
    cells = likeness.found("demo")
    assert list(cells) == ["baseline", "sss", "eoinas", "random"]
    # Two seeds of a variant differ in one edge, as two variants do.
    assert [likeness.shared(*pair) for pair in likeness.other_seeds(cells, "sss", "sss")] == [15]
    assert [likeness.shared(*pair) for pair in likeness.same_seed(cells, "sss", "eoinas")] == [15, 15]
    assert len(likeness.other_seeds(cells, "sss", "eoinas")) == 2


def test_the_page_says_what_its_numbers_say(demo):
    found = findings("demo")
    assert found.markdown.startswith("# What was found (demo scale: stand-in images, not a paper result)\n")
    rows = {row["what"]: row for row in records(found.csv)}
    # From the fixture: eoinas 5.05 and 14.55, random 9.05 and 16.55.
    row = rows["test error: eoinas against random cells"]
    assert float(row["difference"]) == pytest.approx(np.mean([5.05, 14.55]) - float(row["before"]))
    expected = ttest_ind([5.05, 14.55], [9.05, 16.55], equal_var=False).confidence_interval()
    assert (float(row["low"]), float(row["high"])) == pytest.approx((expected.low, expected.high))
    assert "no significant difference (p 1 after correction for 6 tests)." in found.markdown
    assert found.metrics["test_error"]["oii"]["difference"] == pytest.approx(
        float(rows["test error: OII"]["difference"]), abs=1e-4
    )
    row = rows["test error: SSS and OII"]
    assert (row["from"], row["to"]) == ("baseline", "eoinas")
    assert "for 2 epochs of 40,000 images with CutOut on handwritten digits" in found.markdown
    # I ranks better than beta by half in each of four searches: p 2 / 16.
    asked = next(row for row in body(found.markdown) if "beta?" in row[0])
    assert asked[1:4] == ["4", "+0.500 tau", "0.125"]


def test_the_papers_steps_in_deviations_of_random_cells(demo):
    text, rng = findings("demo").markdown, np.random.default_rng(0)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    row = next(row for row in rows if row[:2] == ["SSS", "2.93 to 2.72"])
    for cell, sd in zip(row[2:5], (reference.RANDOM_SD, reference.SEEDS_SD, reference.SEEDS_SD / 10**0.5), strict=True):
        drawn = np.abs(np.subtract(*rng.normal(0, sd, (2, 100_000)))) >= 0.21
        share = 0.0 if cell == "under 1 %" else float(cell.removesuffix(" %"))
        assert share == pytest.approx(100 * drawn.mean(), abs=0.8)
    assert row[-1] == str(estimate.needed(0.21 / reference.RANDOM_SD))
    assert next(row for row in rows if row[:2] == ["SSS and OII", "2.93 to 2.50"])[3] == "under 1 %"


def set_wrong(folder, **wrong):
    """Wrong images of each of the two searches of a variant."""
    for name, counts in wrong.items():
        for place, count in zip((f"retrain/cifar10-{name}_cutout/0-2", f"retrain_seeds/{name}/1/1"), counts, strict=True):
            for run in (0, 1):
                change(folder / f"results/demo/{place}/{run}/result.json", wrong=count)


def test_a_clear_difference_is_said(demo):
    """Two searches each, far apart."""
    set_wrong(demo, sss=(500, 501), eoinas=(100, 101))
    text = findings("demo").markdown
    assert "- **OII**: with 10.05 %, without 50.05 %; -40.00" in text
    line = text.split("- **OII**: with 10.05")[1].split("\n")[0]
    (row,) = [row for row in body(table_3("demo").markdown, 3) if row[0] == "`sss` against `eoinas`"]
    assert row[-1].startswith("**significant**, `eoinas`")  # over searches
    assert float(row[-2]) < 0.001
    assert line.endswith("points: lower (p below 0.001 after correction for 6 tests).")


def test_answers_are_counted(demo):
    """The ranking questions of the fixture have too few searches, so that the errors alone count."""
    assert (
        "Of 8 questions on operations and test errors 0 are answered in the method's favour, 0 against it, and 8 are open."
        in (findings("demo").markdown)
    )
    set_wrong(demo, baseline=(900, 901), sss=(500, 501), eoinas=(600, 601))
    # SSS lower, OII higher, both lower; random cells scatter too much.
    assert "2 are answered in the method's favour, 1 against it, and 5 are open." in findings("demo").markdown


def test_one_search_each_is_said(tmp_path, monkeypatch):
    folder = report_fixture.builder(tmp_path, monkeypatch)("demo", seeds=(0,))
    report_fixture.build_bench(folder)
    text = findings("demo").markdown
    assert "no test: one search each." in text
    assert "With 1 searches" not in text
    assert "| EoiNAS | – | – |" in text  # no second seed to share edges with


def test_errors_that_do_not_differ_are_said(demo):
    set_wrong(demo, baseline=(900, 900), sss=(900, 900), eoinas=(900, 900))
    assert "no test: every search has the same error." in findings("demo").markdown


def test_an_interval_alone_is_no_verdict(demo):
    """It leaves out 0, with p 0.03 before the correction for six pairs."""
    set_wrong(demo, sss=(104, 105), eoinas=(100, 101))
    row = next(row for row in records(findings("demo").csv) if row["what"] == "test error: OII")
    assert float(row["high"]) < 0
    assert row["verdict"].startswith("no significant difference (p ")
    assert row["verdict"].endswith("; the interval alone leaves out 0)")


def test_the_methods_parts_are_known_by_what_variants_do_and_not_by_name(demo):
    names = {"baseline": "plain", "sss": "pruned", "eoinas": "whole"}
    plan = plans.load("demo")
    renamed = plan.model_copy(
        update={"variants": {names[name]: it for name, it in plan.variants.items()}, "main": "whole", "plain": "plain"}
    )
    assert changes.parts(renamed) == [("plain", "pruned", "SSS"), ("pruned", "whole", "OII")]
    assert changes.whole(renamed) == [("plain", "whole", "SSS and OII")]
    del renamed.variants["pruned"]
    assert changes.parts(renamed) == []
    assert changes.whole(plan.model_copy(update={"main": "sss"})) == []


def test_variants_of_other_lengths(demo):
    """The last epoch is each variant's own."""
    for folder in demo.glob("results/demo/search/sss/*"):
        for path in folder.rglob("history.csv"):
            path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    row = next(row for row in records(findings("demo").csv) if row["what"].startswith("convergence: SSS"))
    assert float(row["after"]) > 0


def test_a_network_no_better_than_chance_is_said(demo):
    change(demo / "results/demo/imagenet/eoinas/result.json", wrong_top1=49_950)
    assert "chance 99.9 %, 1000 classes, not shown to be better)." in findings("demo").markdown


def test_values_of_a_parameter_are_variants_that_differ_in_it_alone(demo):
    plan = bench.load("demo")
    assert family(plan, "lambda") == {0.5: "eoinas", 5.0: "lambda_5"}
    assert family(plan, "epsilon_1") == {0.02: "eoinas", 0.08: "epsilon_08"}


def test_sensitivity_in_numbers(demo):
    fig_bench_sensitivity("demo", "a.png")
    rows = records((demo / "a.csv").read_text())
    assert [(row["parameter"], row["value"], row["measure"]) for row in rows[:2]] == [
        ("lambda", "0.5", "accuracy"),
        ("lambda", "5", "accuracy"),
    ]
    # Variant 3 of the fixture: 93 and a quarter a seed.
    assert (float(rows[1]["mean"]), rows[1]["n"]) == (pytest.approx(93.375), "4")
    taus = {row["value"]: float(row["mean"]) for row in rows if row["parameter"] == "epsilon_1" and row["measure"] == "tau of I"}
    assert taus == {"0.02": pytest.approx(0.715), "0.08": pytest.approx(0.915)}


@pytest.mark.parametrize("draw", [fig_findings, fig_bench_sensitivity])
def test_figures_are_reproducible(demo, draw):
    for name in ("a.png", "b.png"):
        draw("demo", name)
    assert (demo / "a.png").read_bytes() == (demo / "b.png").read_bytes()


def test_a_scale_without_the_method_has_nothing_to_turn(demo):
    path = demo / "results/demo/settings/bench_report.json"
    variants = json.loads(path.read_text())["variants"]
    change(path, variants={name: value for name, value in variants.items() if name in ("baseline", "sss")})
    fig_bench_sensitivity("demo", "a.png")
    assert (demo / "a.csv").read_text().count("\n") == 1
    assert "**confirmed**" not in findings("demo").markdown


def test_the_power_is_that_of_the_verdicts(tmp_path, monkeypatch):
    """At the strictest step of Holm's correction for all pairs, random cells among them."""
    folder = report_fixture.builder(tmp_path, monkeypatch)("demo", seeds=(0, 1, 2, 3))
    report_fixture.build_bench(folder)
    found = {name: load.over_searches("demo", name) for name in ("baseline", "sss", "eoinas", "random")}
    sd = np.sqrt(np.mean([np.var(searches.errors, ddof=1) for searches in found.values()]))
    strict, single = (sd * estimate.visible(4, level) for level in (0.05 / 6, 0.05))
    text = findings("demo").markdown
    low, high = np.sqrt(12 / chi2.ppf((0.975, 0.025), 12))  # four searches of four
    assert f"(sd {sd:.2f} points, known to a factor of {low:.1f} to {high:.1f})" in text
    assert f"one of {strict:.1f} points is found with a chance of 80 %" in text
    assert f"for 6 pairs, of {single:.1f} points without correction." in text
