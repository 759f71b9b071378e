"""Tables, figures and page on a small results tree with known numbers."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from eoinas import plan as plans
from eoinas.errors import InputError
from eoinas.report import fig_indicator, load, plot, reference, table
from eoinas.report.cell import parse
from eoinas.report.fig_1_4 import fig_1_4
from eoinas.report.fig_5_9 import _title, fig_5_9
from eoinas.report.fig_7_8 import columns, fig_7_8, summary
from eoinas.report.fig_10 import fig_10
from eoinas.report.fig_indicator import chosen_edges
from eoinas.report.fig_retrain import APART, fig_retrain, offsets
from eoinas.report.fig_seg_search import fig_seg_search
from eoinas.report.page import FIGURES, PARTS, PICTURE, page
from eoinas.report.scale import announce
from eoinas.report.table_1 import table_1
from eoinas.report.table_2 import table_2
from eoinas.report.table_3 import table_3
from eoinas.report.table_4 import Layer, table_4
from eoinas.report.table_5 import table_5
from eoinas.report.welch import welch
from tests import report_fixture
from tests.report_fixture import body, change, records

DRAW = {
    "fig_1_4": fig_1_4,
    "fig_5_9": fig_5_9,
    "fig_7_8": fig_7_8,
    "fig_indicator": fig_indicator.fig_indicator,
    "fig_retrain": fig_retrain,
    "fig_10": fig_10,
    "fig_seg_search": fig_seg_search,
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def build(tmp_path, monkeypatch):
    return report_fixture.builder(tmp_path, monkeypatch)


@pytest.fixture
def demo(build):
    return build("demo")


def test_quoted_rows_are_the_papers():
    by_name = {row.architecture: row for row in reference.TABLE_1}
    assert (by_name["EoiNAS + CutOut"].c10, by_name["EoiNAS + CutOut"].c100, by_name["EoiNAS + CutOut"].days) == (
        "2.50",
        "17.3",
        "0.6",
    )
    frc = by_name["GDAS(FRC) + CutOut [20]"]
    assert (frc.c10, frc.c100, frc.params, frc.days) == ("2.82", "18.13", "2.5", "0.8")
    assert [len(rows) for rows in (reference.TABLE_1, reference.TABLE_2, reference.TABLE_3, reference.TABLE_5)] == [32, 24, 3, 16]
    assert [row.error for row in reference.TABLE_3] == ["2.93", "2.72", "2.50"]
    last = reference.TABLE_2[-1]
    assert (last.architecture, last.params, last.madds, last.top1, last.top5) == ("EoiNAS", "5.0", "570", "25.6", "8.3")
    assert reference.TABLE_5[-1].miou == "80.2"


def test_table_5_rows_average_to_their_mean_except_as_noted():
    off = {}
    for row in reference.TABLE_5:
        assert len(row.iou) == len(reference.CITYSCAPES_CLASSES) == 19
        mean = sum(map(float, row.iou)) / 19
        if abs(mean - float(row.miou)) > 0.0501:
            off[row.method] = round(mean, 2)
    assert off == {"FRRN [71]": 70.99, "DeepLabv3+ [75]": 79.56}


def test_errors_are_those_of_the_last_epoch(demo):
    runs = load.runs("demo", "cifar10", "eoinas_cutout")  # 50, 51, 52 wrong of 1000; one fewer in the best epoch
    assert runs.errors == pytest.approx((5.0, 5.1, 5.2))
    assert (runs.mean, runs.sd, runs.n) == (pytest.approx(5.1), pytest.approx(0.1), 3)


def test_a_single_run_has_no_standard_deviation(build):
    build("demo", runs=(4,))
    result = table_1("demo")
    assert "**5.40** (n = 1" in result.markdown
    assert result.metrics["cifar10"]["eoinas_cutout"] == {"test_error": 5.4, "n": 1, "params_million": 0.012345}
    first, second = table_3("demo").markdown.split("## Over searches")
    assert "\nNo test possible, there is no spread to test against.\n" in first
    assert "Holm" not in first
    assert "| no significant difference |" in second


def test_a_part_of_cifar_is_called_so(demo):
    for count, name in ((10_000, "CIFAR-100 32 px"), (2000, "a part of CIFAR-100 32 px")):
        for path in demo.glob("results/demo/retrain/cifar100-eoinas/0-2/*/result.json"):
            change(path, images=count, data={"source": "cifar", "image_size": 32, "classes": 100})
        assert load.runs("demo", "cifar100", "eoinas").data == name


def test_runs_on_different_data_are_refused(demo):
    path = demo / "results/demo/retrain/cifar10-eoinas/0-2/1/result.json"
    change(path, epochs=3)
    with pytest.raises(InputError, match="cifar10-eoinas: the runs differ"):
        load.runs("demo", "cifar10", "eoinas")


def test_table_1_shows_both_kinds_of_rows(demo):
    result = table_1("demo")
    rows = body(result.markdown)
    assert len(rows) == 32 + 6
    assert result.markdown.splitlines()[6].split(" | ")[7:9] == ["CIFAR-10 error (%)", "CIFAR-100 error (%)"]
    assert rows[31] == ["quoted", "NAS", "EoiNAS + CutOut", "1", "0.6", "3.4", "–", "2.50", "17.3", "gradient-based"]
    ours = rows[32]
    assert ours[2:7] == ["**EoiNAS + CutOut** (`eoinas_cutout`)", "–", "< 0.01 (Test CPU)", "12.3 k", "1.23"]
    assert ours[7] == ours[8] == "**5.10 ± 0.10** (n = 3, handwritten digits 16 px)"
    assert rows[34][8] == "–"  # no CIFAR-100 entry of that name
    assert result.metrics["cifar10"]["sss_cutout"] == {"test_error": 8.1, "sd": 0.1, "n": 3, "params_million": 0.012348}
    for fact in (reference.MADDS, reference.ERROR, reference.RANDOM, reference.GDAS_COST):
        assert fact in result.markdown


@pytest.mark.parametrize("make", [table_1, table_3])
@pytest.mark.parametrize("scale", ["demo", "study"])
def test_below_paper_scale_every_measured_row_says_so(build, make, scale):
    build(scale)
    result = make(scale)
    assert announce(scale) in result.markdown.splitlines()[0]
    assert "not a paper result; not comparable with the quoted rows" in result.markdown
    kinds = [row[0] for row in body(result.markdown)]
    marks = [kind for kind in kinds if kind != "quoted"]
    assert marks
    assert set(marks) == {f"**measured here, {scale} scale**"}
    assert all((row["source"], row["scale"]) in {("quoted", ""), ("measured", scale)} for row in records(result.csv))
    assert all(
        row["images" if make is table_3 else "cifar10_images"] for row in records(result.csv) if row["source"] == "measured"
    )


def test_paper_scale_needs_no_warning(build):
    build("paper", source="cifar", images=10000)
    text = table_1("paper").markdown
    assert "not a paper result" not in text
    assert "**measured here, paper scale**" in text
    assert "± 0.01** (n = 3)" in text


@pytest.mark.parametrize("make", [table_1, table_3])
def test_csv_agrees_with_markdown(demo, make):
    result = make("demo")
    cells, rows = body(result.markdown), records(result.csv)
    rows = [row for row in rows if row.get("part", "selected cell") == "selected cell"]
    assert len(cells) == len(rows)
    error, column = ("error", -1) if make is table_3 else ("cifar10_error", 7)
    spread, name = error.replace("error", "sd"), 1 if make is table_3 else 2
    for cell, row in zip(cells, rows, strict=True):
        shown = f"{row[error]} ± {row[spread]}" if row["source"] == "measured" else row[error]
        assert shown in cell[column]
        assert row["architecture"] in cell[name]
        assert (row["source"] == "quoted") == (cell[0] == "quoted")


def test_table_3_marks_and_rows(demo):
    result = table_3("demo")
    rows = body(result.markdown)
    marks = [["✓", "✓"], ["✓", "✓"], ["×", "×"], ["✓", "×"], ["–", "–"], ["–", "–"]]
    assert [row[2:4] for row in rows] == [["×", "×"], ["✓", "×"], ["✓", "✓"], *marks]
    assert [row[1].split("`")[1] for row in rows[3:]] == list(report_fixture.ENTRIES["cifar10"])
    assert rows[3][-1].startswith("**5.10 ± 0.10**")
    assert "**significant**, `eoinas_cutout` has the lower error" in result.markdown
    pairs = [row[0] for row in body(result.markdown, 1)]
    assert len(pairs) == 10  # of the five networks with cutout; the one without is compared with none
    assert not any("`eoinas`" in pair for pair in pairs)


def test_a_control_goes_by_its_name(build):
    control = {"shuffled": {"label": "OII shuffled", "slimming": True, "indicator": "shuffled", "accuracy_unit": "percent"}}
    mine = {**report_fixture.ENTRIES["cifar10"], "mine": {"genotype": "shuffled", "cutout": 0}}
    build("demo", variants={**report_fixture.VARIANTS, **control}, entries={**report_fixture.ENTRIES, "cifar10": mine})
    result = table_3("demo")
    assert body(result.markdown)[-1][1:4] == ["**OII shuffled** (`mine`)", "✓", "shuffled"]
    assert "shuffled in the column OII: a control" in result.markdown
    assert [row["oii"] for row in records(result.csv) if row["entry"] == "mine"] == ["shuffled"]


def test_over_searches_by_hand(demo):
    """Two seeds, two runs each; the selected seed 0 is served by the first runs of the entry with cutout."""
    result = table_3("demo")
    found = load.over_searches("demo", "eoinas")
    # Seed 0: 50 and 51 of 1000 wrong in the first runs of eoinas_cutout. Seed 1, third candidate: 145 and 146.
    assert found.by_seed[0].errors == pytest.approx((5.0, 5.1))
    assert found.by_seed[1].errors == pytest.approx((14.5, 14.6))
    assert found.errors == pytest.approx((5.05, 14.55))
    assert (found.n, found.mean, found.sd) == (2, pytest.approx(9.8), pytest.approx(9.5 / 2**0.5))
    rows = body(result.markdown, 2)
    assert [row[1].split("`")[1] for row in rows] == ["baseline", "sss", "eoinas", "random"]
    assert rows[2][2:] == [
        *("✓", "✓", "**9.80 ± 6.72** (n = 2 searches, handwritten digits 16 px)"),
        "**0: 5.05**, 1: 14.55",
    ]
    assert result.metrics["over_searches"]["eoinas"] == {"test_error": 9.8, "sd": 6.7175, "n": 2, "runs": 2}
    assert len(body(result.markdown, 3)) == 6
    assert "**n is small.** With 2 searches" in result.markdown
    written = [row for row in records(result.csv) if row["entry"] == "eoinas" and row["part"] != "selected cell"]
    assert [(row["part"], row["seed"], row["error"], row["sd"], row["n"]) for row in written] == [
        ("over searches", "", "9.80", "6.72", "2"),
        ("one search", "0", "5.05", "0.07", "2"),
        ("one search", "1", "14.55", "0.07", "2"),
    ]


def test_over_searches_tests_searches_and_not_runs(demo):
    """Means 10 and 11 against 12 and 13 over two searches each: t = -2 / sqrt(0.5), whatever the runs of a search are."""
    for candidate, errors in (("sss", (100, 110)), ("random", (120, 130))):
        folders = (f"retrain/cifar10-{candidate}_cutout/0-2", f"retrain_seeds/{candidate}/1/1")
        for folder, wrong in zip(folders, errors, strict=True):
            for run, off in ((0, -5), (1, 5)):
                change(demo / f"results/demo/{folder}/{run}/result.json", wrong=wrong + off)
    result = table_3("demo")
    row = next(row for row in body(result.markdown, 3) if row[0] == "`sss` against `random`")
    assert row[1:4] == ["2 and 2", "-2.00", "-2.83"]
    assert "sss_vs_random" in result.metrics["welch_over_searches"]


def test_without_an_entry_to_serve_it_every_seed_has_runs_of_its_own(build):
    kept = {key: value for key, value in report_fixture.ENTRIES["cifar10"].items() if key != "random_cutout"}
    build("demo", entries={**report_fixture.ENTRIES, "cifar10": kept})
    assert load.over_searches("demo", "random").errors == pytest.approx((16.05, 16.55))


def test_seeds_of_different_lengths_are_refused(demo):
    for run in (0, 1):
        change(demo / f"results/demo/retrain_seeds/sss/1/1/{run}/result.json", epochs=3)
    with pytest.raises(InputError, match="retrain_seeds/sss: the seeds differ"):
        table_3("demo")


def test_equal_cells_are_named(demo):
    for make in (table_1, table_2, table_3):
        assert "are the same." not in make("demo").markdown
        assert "One and the same cell" not in make("demo").markdown
    results = demo / "results/demo"
    for name in ("genotypes/{}.json", "derive/{}/0/genotype.json"):
        # The same cell, its edges listed in another order.
        cell = json.loads((results / name.format("eoinas")).read_text())
        cell["normal"][:2] = cell["normal"][1::-1]
        report_fixture.write_json(results / name.format("sss"), cell)
    for make in (table_1, table_3):
        assert "- The selected cells of `eoinas` and `sss` are the same.\n" in make("demo").markdown
    assert "- One and the same cell: `sss` seed 0; `eoinas` seed 0.\n" in table_3("demo").markdown
    same = json.loads((results / "derive/eoinas/0/genotype.json").read_text())
    change(results / "entries/cifar10-published_cutout.json", cell=same)
    report_fixture.write_json(results / "derive/eoinas/1/genotype.json", same)
    text = table_3("demo").markdown
    assert f"- The cells of `eoinas`, `sss` and `{report_fixture.GIVEN}` are the same.\n" in text
    assert "- One and the same cell: `sss` seed 0; `eoinas` seeds 0 and 1.\n" in text


def test_an_odd_cell_is_one_line(demo):
    report_fixture.write_json(demo / "results/demo/genotypes/sss.json", {"normal": [["skip_connect", 9]]})
    with pytest.raises(InputError, match=r"genotypes/sss\.json: not a cell of this search space"):
        table_1("demo")
    cell = report_fixture.genotype(0, 0)
    cell["normal"] = [["conv_9x9", 0], *cell["normal"][1:]]
    report_fixture.write_json(demo / "results/demo/genotypes/sss.json", cell)
    with pytest.raises(InputError, match=r"genotypes/sss\.json: conv_9x9 is no operation"):
        fig_5_9("demo", "a.png")


def test_welch_by_hand():
    # Means 2 and 4, variances 1 and 4, n = 3: t = -2 / sqrt(5/3), df = (5/3)^2 / ((1/3)^2/2 + (4/3)^2/2) = 2.941; p from tables.
    (test,) = welch({"a": (1.0, 2.0, 3.0), "b": (2.0, 4.0, 6.0)})
    assert test["t"] == pytest.approx(-2 / (5 / 3) ** 0.5)
    assert test["p"] == pytest.approx(0.2211, abs=1e-3)
    assert test["holm"] == test["p"]


def test_welch_correction_and_equal_runs():
    tests = welch({"a": (1.0, 1.1, 1.2), "b": (5.0, 5.1, 5.2), "c": (1.05, 1.1, 1.25)})
    by_pair = {test["pair"]: test for test in tests}
    smallest = min(test["p"] for test in tests)
    assert min(test["holm"] for test in tests) == pytest.approx(3 * smallest)
    assert by_pair["a", "c"]["holm"] == by_pair["a", "c"]["p"] > 0.05
    (same,) = welch({"a": (1.0, 1.0), "b": (2.0, 2.0)})
    assert same["p"] is None


def test_no_difference_is_said_plainly(build):
    root = build("demo")
    for entry, wrong in (("eoinas_cutout", (50, 60, 70)), ("random_cutout", (51, 61, 69))):
        for run, count in enumerate(wrong):
            path = root / f"results/demo/retrain/cifar10-{entry}/0-2/{run}/result.json"
            change(path, wrong=count)
    row = next(row for row in body(table_3("demo").markdown, 1) if row[0] == "`eoinas_cutout` against `random_cutout`")
    assert row[1] == "3 and 3"
    assert row[-1] == "no significant difference"


def test_entries_of_the_user_appear(build):
    mine = {"genotype": "data/genotypes/mine.json", "cutout": 0}
    entries = {data: {**networks} for data, networks in report_fixture.ENTRIES.items()}
    entries["cifar10"]["my_net"] = mine
    entries["cifar100"]["my_net"] = {**mine, "cutout": 16}  # same name, another network: a row of its own
    build("demo", entries=entries)
    result = table_1("demo")
    rows = [row for row in body(result.markdown) if "`my_net`" in row[2]]
    assert [row[2] for row in rows] == ["**genotype mine** (`my_net`)", "**genotype mine + CutOut** (`my_net`)"]
    assert (rows[0][8], rows[1][7]) == ("–", "–")
    assert "my_net" in result.metrics["cifar10"]


@pytest.mark.parametrize(
    ("missing", "make"),
    [
        ("results/demo/retrain/cifar100-eoinas/0-2/2/result.json", table_1),
        ("results/demo/complexity/images.json", table_1),
        ("results/demo/timing/search/sss/1/1.json", table_3),
        ("results/demo/retrain_seeds/random/1/1/1/result.json", table_3),
        ("results/demo/derive/sss/1/genotype.json", table_3),
        ("results/demo/genotypes/sss.json", lambda scale: fig_5_9(scale, "a.png")),
        ("results/demo/settings/report.json", table_1),
        ("results/demo/search/baseline/1/1/history.csv", lambda scale: fig_7_8(scale, "a.png")),
        ("results/demo/search/eoinas/0/0/trace.npz", lambda scale: fig_indicator.fig_indicator(scale, "a.png")),
        ("results/demo/selection/eoinas.json", lambda scale: fig_indicator.fig_indicator(scale, "a.png")),
        ("results/demo/retrain/cifar10-sss_cutout/0-2/0/result.json", lambda scale: fig_retrain(scale, "a.png")),
        ("results/demo/imagenet/eoinas/result.json", table_2),
        ("results/demo/seg_evaluate/eoinas/scratch/result.json", table_5),
        ("results/demo/standalone/none/result.json", lambda scale: fig_1_4(scale, "a.png")),
        ("results/demo/seg_search/history.csv", lambda scale: fig_seg_search(scale, "a.png")),
        ("results/demo/timing/seg_search.json", page),
        ("reports/demo/table_3.md", page),
        ("reports/demo/table_5.md", page),
        ("reports/demo/fig_5_9.png", page),
    ],
)
def test_a_missing_file_is_named(demo, missing, make):
    write_reports(demo)
    (demo / missing).unlink()
    with pytest.raises(InputError, match=missing):
        make("demo")


def test_a_missing_field_is_named(demo):
    report_fixture.write_json(demo / "results/demo/timing/search/sss/0/0.json", {"days": 1.0})
    with pytest.raises(InputError, match=r"sss/0/0\.json: the field 'device' is missing"):
        load.cost("demo", "sss")


def test_cost_is_the_mean_over_the_seeds(demo):
    report_fixture.write_json(demo / "results/demo/timing/search/sss/0/0.json", {"days": 0.5, "device": "A"})
    assert table.days_text(load.cost("demo", "sss")) == "0.25 (A, Test CPU)"


@pytest.mark.parametrize("name", DRAW)
def test_figures_are_reproducible(demo, name):
    first, second = Path("first/a.png"), Path("second/b.png")
    for path in (first, second):
        DRAW[name]("demo", path)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(PNG)


def test_figures_without_prunes_and_with_one_seed(build):
    build("demo", seeds=(7,), prunes=(), runs=(0,))
    for name, draw in DRAW.items():
        draw("demo", f"{name}.png")


def test_fig_7_8_numbers(demo):
    fig_7_8("demo", "a.png")
    rows = records(Path("a.csv").read_text())
    assert len(rows) == 8 * 3
    curves = load.histories("demo", ("sss",))
    values = curves[curves["epoch"] == 3]["train_loss"].to_numpy()
    row = next(row for row in rows if (row["epoch"], row["variant"]) == ("3", "sss"))
    assert float(row["train_loss_mean"]) == pytest.approx(values.mean(), abs=1e-6)
    assert float(row["train_loss_sd"]) == pytest.approx(values.std(ddof=1), abs=1e-6)
    assert summary(curves)["epoch"].tolist() == list(range(1, 9))


def test_panels_of_fig_7_8():
    value = report_fixture.plan(variants={**report_fixture.VARIANTS, **report_fixture.RESET})
    found = columns(plans.Plan.model_validate_json(json.dumps(value)))
    assert list(found.values()) == [["baseline", "sss"], ["sss", "eoinas", "reset"]]


def test_rows_of_fig_5_9_name_the_papers_figure_of_their_like():
    later = {"sigma": {"label": "Another chain", "slimming": True, "indicator": "beta", "accuracy_unit": "percent"}}
    value = report_fixture.plan(variants={**report_fixture.VARIANTS, **later, **report_fixture.RESET})
    plan = plans.Plan.model_validate_json(json.dumps(value))
    assert [_title(plan, name) for name in plan.candidates] == [
        *("EoiNAS without SSS and OII (Fig. 9)", "EoiNAS without OII (Fig. 9)", "EoiNAS (Fig. 5)"),
        *("Another chain", "EoiNAS, tally reset", "Random architecture, the best of 2"),
    ]


def test_chosen_edges():
    space = plans.Space(**report_fixture.SPACE)
    (cell, _) = parse({**report_fixture.genotype(0, 0), "normal": [["skip_connect", 0]] * 7 + [["sep_conv_3x3", 4]]}, "x", space)
    indicator = np.full((2, 14, 8), 0.1)
    indicator[:, 3, 0] = 0.9
    indicator[:, 9, 0] = 0.5
    assert chosen_edges(indicator, cell, space) == [3, 9, 13]  # edges (0, 5) and (4, 5) lead into the last node
    indicator[:, 13, 0] = 2.0
    assert chosen_edges(indicator, cell, space) == [13, 9, 3]
    indicator[:, :, 1:] = np.nan  # nothing to compare: the first edge stands in
    assert chosen_edges(indicator, cell, space) == [0, 9, 13]


def test_dots_stand_apart():
    assert offsets(2, (1.0, 1.001, 5.0, 0.999), 0.01) == pytest.approx([2, 2 - APART, 2, 2 + APART])


# What a user adds in params.yaml appears by the plan alone.


def test_a_variant_and_a_data_set_of_the_user(build):
    build(
        "demo",
        variants={**report_fixture.VARIANTS, **report_fixture.RESET},
        datasets={**report_fixture.DATASETS, "photos": {"title": "My photos"}},
        entries={**report_fixture.ENTRIES, "photos": {"mine": {"genotype": "reset", "cutout": 0}}},
    )
    result = table_1("demo")
    assert result.markdown.splitlines()[6].split(" | ")[7:10] == [
        f"{t} error (%)" for t in ("CIFAR-10", "CIFAR-100", "My photos")
    ]
    assert "on CIFAR-10, CIFAR-100 and My photos" in result.markdown.splitlines()[0]
    rows = body(result.markdown)
    assert rows[31][7:10] == ["2.50", "17.3", "–"]
    assert rows[-1][2] == "**EoiNAS, tally reset** (`mine`)"
    assert rows[-1][7:] == ["–", "–", "**5.10 ± 0.10** (n = 3, handwritten digits 16 px)", "gradient-based"]
    assert result.metrics["photos"]["mine"]["test_error"] == 5.1
    assert records(result.csv)[-1]["photos_error"] == "5.10"
    second = body(table_3("demo").markdown, 2)
    assert [row[1].split("`")[1] for row in second] == ["baseline", "sss", "eoinas", "reset", "random"]
    for name, draw in DRAW.items():
        draw("demo", f"{name}.png")
    assert {row["variant"] for row in records(Path("fig_7_8.csv").read_text())} == {"baseline", "sss", "eoinas", "reset"}


def test_another_search_space(build):
    build("demo", space=report_fixture.SMALL_SPACE)
    for make in (table_1, table_2, table_3, table_5):
        assert make("demo").markdown
    for name, draw in DRAW.items():
        draw("demo", f"{name}.png")
    assert [row["operation"] for row in records(Path("fig_1_4.csv").read_text())] == list(report_fixture.SMALL_OPERATIONS)


def test_colours_go_by_position():
    value = json.dumps(report_fixture.plan(variants={**report_fixture.VARIANTS, **report_fixture.RESET}))
    plan = plans.Plan.model_validate_json(value)
    names = ("baseline", "sss", "eoinas", "reset", "random", report_fixture.GIVEN)
    assert [plot.colour(plan, name) for name in names] == [*plot.COLOURS[:4], plot.RANDOM, plot.GIVEN]
    assert plot.COLOURS[:3] == ("#7f7f7f", "#d9822b", "#1f6fb4")
    assert len({*plot.COLOURS, plot.RANDOM, plot.GIVEN}) >= 12


def small_table_4(scale: str) -> table.Table:
    return table_4(scale, [Layer("Conv2d, 3×3", 2, 32, 32, 2), Layer("ASPP", None, 4, 4, 16)], 64)


def write_reports(root: Path) -> None:
    """The files that the page inlines or shows; pictures need only exist."""
    folder = root / "reports/demo"
    folder.mkdir(parents=True)
    for number, make in ((1, table_1), (2, table_2), (3, table_3), (4, small_table_4), (5, table_5)):
        (folder / f"table_{number}.md").write_text(make("demo").markdown, encoding="utf-8")
    (folder / "table_bench.md").write_text("# NAS-Bench-201 (demo scale)\n", encoding="utf-8")
    (folder / "findings.md").write_text(
        "# Found\n\n## In short (demo scale)\n\n- Nothing yet.\n\n## Words\n\n- None.\n", encoding="utf-8"
    )
    for name in FIGURES:
        (folder / name).write_bytes(PNG)


def test_page(demo):
    write_reports(demo)
    text = page("demo")
    assert text.startswith("# Results of EoiNAS, demo scale: stand-in images, not a paper result\n")
    assert "\n## What was found (demo scale)\n\n- Nothing yet.\n\n" in text
    assert "- None." not in text
    assert "6 searches on CIFAR-10: 3 variants, 2 seeds each, 8 epochs of 500 images of each half, 7 prunes" in text
    assert "24 training runs of entries: 8 networks, 3 runs each, 2 epochs of 40,000 images." in text
    assert "random search, 2 run(s) each, 2 epochs of 40,000 images: 16 training runs, of which 8 are an entry's." in text
    assert "16 stand-alone runs: 8 operations, 2 run(s) each, 2 epochs." in text
    assert "one search of 8 epochs, 7 prunes, days: 0.25 (Test CPU); 2 trained networks of 120 iterations" in text
    assert "ImageNet: handwritten digits 224 px, 1000 classes; Cityscapes: street scenes drawn by code" in text
    assert "| EoiNAS | 0 | 85.00 | 0: 85.00, 1: 84.00 | with the weights of its supernet |" in text
    assert all(f"\n## Table {number} (demo scale" in text for number in ("I", "II", "III", "IV", "V"))
    assert [line for line in text.splitlines() if line.startswith("# ")] == [text.splitlines()[0]]
    for name in FIGURES:
        assert f"]({name})" in text
    assert text.count("Measured (demo scale: stand-in images, not a paper result)") == len(FIGURES)
    assert "for all 28 edges" in text
    assert "{" not in text.replace("{k", "")
    for fact in (reference.GDAS_ABLATION, reference.GDAS_COST, reference.RANDOM, reference.MADDS, reference.FRRN_MEAN):
        assert fact in text
    places = [text.index(f"]({name})") for name in (PICTURE, *PARTS) if "table_" not in name]
    assert places == sorted(places)


def test_a_page_of_findings_without_answers_is_run_again(demo):
    write_reports(demo)
    (demo / "reports/demo/findings.md").write_text("# Found\n")
    with pytest.raises(InputError, match=r"findings\.md: has no part 'In short'; run the stage findings again"):
        page("demo")


def test_pictures_of_others_are_not_passed_on(demo):
    write_reports(demo)
    (demo / "reports/demo/fig_11.png").unlink()
    with pytest.raises(InputError, match=r"fig_11\.png: no such file"):
        page("demo")
    for init in ("scratch", "pretrained"):
        change(
            demo / f"results/demo/seg_evaluate/eoinas/{init}/result.json",
            data={"source": "folder", "counts": {"train": 8, "val": 6}},
        )
    assert "`fig_11.png` shows images of the data set and is not passed on" in (text := page("demo"))
    assert "](fig_11.png)" not in text


def test_page_names_other_arithmetic(demo):
    write_reports(demo)
    assert "allow_tf32" not in (text := page("demo"))
    assert "deterministic" not in text
    change(demo / "results/demo/settings/report.json", tf32=["retrain", "imagenet"], nondeterministic=["seg_train"])
    text = page("demo")
    assert "TensorFloat-32 was allowed (`allow_tf32`) in: retrain, imagenet." in text
    assert "Another run may differ in its last digits (`deterministic: false`) in: seg_train." in text


def test_reports_know_nothing_of_a_search_space_or_of_params_yaml():
    """Axes, names and labels come from the plan; Fig. 11 alone asks where its pictures lie."""
    for path in (Path(__file__).parent.parent / "eoinas/report").glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)]
        names = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
        assert not any(name.startswith("eoinas.genotype") for name in names), path
        assert "eoinas.params" not in names or path.name == "fig_11.py", path


def test_reports_never_import_torch():
    for path in (Path(__file__).parent.parent / "eoinas/report").glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        assert not any(name.split(".")[0] == "torch" for name in names)
        assert "from torch" not in path.read_text(encoding="utf-8")
