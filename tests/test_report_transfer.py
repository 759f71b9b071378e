"""Tables II, IV and V and Figs. 1, 4 and 11 on small results with known numbers."""

import json
import math
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from eoinas.data import cityscapes, cityscapes_check
from eoinas.data.cityscapes_labels import CLASSES, COLOURS, TO_LABEL
from eoinas.errors import InputError
from eoinas.metrics import structure
from eoinas.models.path import Route
from eoinas.report import fig_1_4, fig_11, labels, load, load_transfer, rank_correlation, reference, table_5
from eoinas.report.scale import announce
from eoinas.report.table_2 import table_2
from eoinas.report.table_4 import Layer, rows, table_4
from eoinas.settings import resolve
from eoinas.train import search_seg
from stages import complexity
from tests import report_fixture
from tests.report_fixture import EDGES, OPERATIONS, body, change, records, write_json

ROOT = Path(__file__).parent.parent
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def build(tmp_path, monkeypatch):
    return report_fixture.builder(tmp_path, monkeypatch)


@pytest.fixture
def demo(build):
    return build("demo")


# Table II.


def test_table_2_shows_both_kinds_of_rows(demo):
    result = table_2("demo")
    found = body(result.markdown)
    assert len(found) == 24 + 1
    assert found[23] == ["quoted", "NAS", "EoiNAS", "1", "0.6", "5.0", "570", "25.6", "8.3", "gradient-based"]
    ours = found[24]
    assert ours[:7] == [
        *("**measured here, demo scale**", "NAS", "**EoiNAS** (`eoinas`)", "–"),
        "< 0.01 (Test CPU)",
        "5.04",
        "561.00",
    ]
    # 12,800 and 4,150 of 50,000 are wrong after the last epoch, not the 12,000 of the best.
    assert ours[7:9] == [f"**{error}** (n = 1, handwritten digits 224 px)" for error in ("25.60", "8.30")]
    assert result.metrics["imagenet"]["eoinas"]["top1_error"] == 25.6
    assert "50000 validation images" in result.markdown
    assert reference.MADDS in result.markdown
    for cell, row in zip(found, records(result.csv), strict=True):
        assert row["top1_error"] in cell[7]
        assert row["top5_error"] in cell[8]
        assert (row["source"] == "quoted") == (cell[0] == "quoted")


@pytest.mark.parametrize(
    ("about", "name"),
    [
        ({"source": "folder", "image_size": 224, "classes": 1000}, "ImageNet 224 px"),
        ({"source": "folder", "image_size": 224, "classes": 20}, "images from a folder 224 px"),
    ],
)
def test_only_all_of_imagenet_is_called_so(demo, about, name):
    change(demo / "results/demo/imagenet/eoinas/result.json", data=about)
    assert f"(n = 1, {name})" in table_2("demo").markdown


def test_a_folder_of_other_images_has_the_name_of_params_yaml(demo):
    change(demo / "results/demo/settings/report.json", titles={"imagenet": "20 classes of ImageNet", "cityscapes": "CamVid"})
    for classes, name in ((1000, "ImageNet 224 px"), (20, "20 classes of ImageNet 224 px")):
        change(
            demo / "results/demo/imagenet/eoinas/result.json", data={"source": "folder", "image_size": 224, "classes": classes}
        )
        assert load_transfer.imagenet("demo", "eoinas")[0].data == name
    about = {"source": "folder", "counts": {"train": 367, "val": 101}, "listing_sha256": "0"}
    path = demo / "results/demo/seg_evaluate/eoinas/scratch/result.json"
    change(path, data=about, iou=dict.fromkeys(CLASSES[:11], 0.25) | dict.fromkeys(CLASSES[11:]))
    found = load_transfer.segmented("demo", "eoinas", "scratch")
    assert (found.data, found.classes) == ("CamVid", 11)
    assert "which is over 11 and 19 of 19 classes" in table_5.table_5("demo").markdown.replace("\n", " ")


# Table IV.


def test_table_4_at_paper_scale_is_the_papers():
    settings = resolve(yaml.safe_load((ROOT / "params.yaml").read_text()), "paper")["seg_search"]
    with torch.device("meta"):
        network = search_seg.build(settings)
    layers = [Layer(*stage) for stage in structure.stages_of(network, settings.crops.crop)]
    assert rows(layers) == list(reference.TABLE_4)
    text = table_4("paper", layers, settings.crops.crop).markdown
    assert "Row by row the two are the same." in text
    assert "not a paper result" not in text
    assert all(row[:4] == row[4:] for row in body(text))


def test_rows_are_read_off_a_network_of_any_search_space():
    """One edge a cell, two cells; the path that the network is given has a skip on every edge."""

    class Network(torch.nn.Module):
        space = SimpleNamespace(shape=(2, 3, 2), operations=("conv", "skip_connect"))

        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Module()
            self.stem.convs = torch.nn.ModuleList([torch.nn.Conv2d(3, 4, 3, 2, 1)])
            self.cells = torch.nn.ModuleList([torch.nn.AvgPool2d(1), torch.nn.AvgPool2d(2)])
            self.cells[0].reduction, self.cells[1].reduction = False, True
            self.aspp = torch.nn.Identity()

        def forward(self, x, path):
            assert path == [Route([[1]] * 3)] * 2
            for layer in (*self.stem.convs, *self.cells, self.aspp):
                x = layer(x)

    assert structure.stages_of(Network(), 32) == [
        *(("Conv2d, 3×3", 2, 16, 16, 2), ("Normal cell", 1, 16, 16, 2)),
        *(("Reduction cell", 2, 8, 8, 4), ("ASPP", None, 8, 8, 4)),
    ]


def test_table_4_elsewhere_says_that_it_differs():
    layers = [Layer("Conv2d, 3×3", 2, 32, 32, 2), *[Layer("Normal cell", 1, 16, 16, 4)] * 2, Layer("ASPP", None, 4, 4, 16)]
    result = table_4("demo", layers, 64)
    assert announce("demo") in result.markdown.splitlines()[0]
    assert "The two differ. **Demo scale" in result.markdown
    found = body(result.markdown)
    assert [row[0] for row in found] == ["Conv2d, 3×3", "Normal cell×2", "ASPP", *[""] * 6]
    assert found[2][:5] == ["ASPP", "–", "4×4", "16", "Conv2d, 3×3"]
    assert [row["source"] for row in records(result.csv)] == ["built"] * 3 + ["quoted"] * 9


def test_convolutions_keep_a_row_each():
    layer = Layer("Conv2d, 3×3", 1, 8, 8, 2)
    assert [row.architecture for row in rows([layer, layer])] == ["Conv2d, 3×3"] * 2


# Table V.


def test_table_5_shows_both_kinds_of_rows(demo):
    result = table_5.table_5("demo")
    found = body(result.markdown)
    assert len(found) == 16 + 2
    assert found[14][1] == "EoiNAS ‡"
    scratch, pretrained = found[16:]
    assert scratch[1] == "**EoiNAS ‡, from scratch** (`eoinas`)"
    assert pretrained[1] == "**EoiNAS, pretrained** (`eoinas`)"
    assert scratch[2:] == [*["25.0"] * 16, "–", "25.0", "25.0", "**25.0**", "val, street scenes drawn by code"]
    assert pretrained[2:] == [*["50.0"] * 19, "**50.0**", "val, street scenes drawn by code"]
    assert result.metrics["cityscapes"]["eoinas"] == {
        "scratch": {"miou": 25.0, "images": 6},
        "pretrained": {"miou": 50.0, "images": 6},
    }
    for fact in (reference.FRRN_MEAN, reference.DEEPLAB_MEAN):
        assert fact in result.markdown
    written = records(result.csv)
    assert (written[16]["train"], written[16]["road"], written[16]["split"]) == ("", "25.00", "val")
    assert [float(row["miou"]) for row in written[-4:]] == [72.6, 80.2, 25.0, 50.0]


def test_classes_are_those_that_results_have():
    short = {"swalk": "sidewalk", "tlight": "traffic light", "sign": "traffic sign", "mbike": "motorcycle", "bike": "bicycle"}
    for printed, full in zip(reference.CITYSCAPES_CLASSES, CLASSES, strict=True):
        assert full.startswith(short.get(printed, printed.rstrip(".")))


@pytest.mark.parametrize(("count", "name"), [(500, "val, Cityscapes"), (101, "val, street scenes from a folder")])
def test_only_all_of_cityscapes_is_called_so(demo, count, name):
    about = {"source": "folder", "counts": {"train": 2975, "val": count}, "listing_sha256": "0"}
    change(demo / "results/demo/seg_evaluate/eoinas/scratch/result.json", data=about)
    assert body(table_5.table_5("demo").markdown)[16][-1] == name


def test_no_class_at_all_is_named(demo):
    change(demo / "results/demo/seg_evaluate/eoinas/scratch/result.json", miou=None)
    with pytest.raises(InputError, match=r"scratch/result\.json: none of the classes"):
        table_5.table_5("demo")


@pytest.mark.parametrize("make", [table_2, table_5.table_5])
@pytest.mark.parametrize("scale", ["demo", "study"])
def test_below_paper_scale_every_measured_row_says_so(build, make, scale):
    build(scale)
    result = make(scale)
    assert announce(scale) in result.markdown.splitlines()[0]
    assert "not a paper result; not comparable with the quoted rows" in result.markdown
    marks = [row[0] for row in body(result.markdown) if row[0] != "quoted"]
    assert set(marks) == {f"**measured here, {scale} scale**"}
    for row in records(result.csv):
        assert (row["source"], row["scale"]) in {("quoted", ""), ("measured", scale)}
        assert bool(row["images"]) == (row["source"] == "measured")


@pytest.mark.parametrize("make", [table_2, table_5.table_5])
def test_paper_scale_needs_no_warning(build, make):
    build("paper", source="cifar", images=10000)
    text = make("paper").markdown
    assert "not a paper result" not in text
    assert "**measured here, paper scale**" in text


# Figs. 1 and 4.


def test_spearman_and_kendall_by_hand():
    # Two neighbours swapped of 8: rho = 1 - 6 * 2 / (8 * 63); one discordant pair of 28: tau = 1 - 2 / 28.
    x, y = range(8), [1, 0, 2, 3, 4, 5, 6, 7]
    rho, tau = rank_correlation.spearman(x, y), rank_correlation.kendall(x, y)
    assert rho.value == pytest.approx(1 - 12 / 504)
    assert tau.value == pytest.approx(1 - 2 / 28)
    for found, error in ((rho, math.sqrt((1 + rho.value**2 / 2) / 5)), (tau, math.sqrt(0.437 / 4))):
        assert math.atanh(found.high) - math.atanh(found.value) == pytest.approx(1.96 * error, rel=1e-4)
        assert found.low < found.value < found.high < 1


def test_without_a_relation_the_interval_is_wide():
    found = rank_correlation.spearman(range(8), [3, 6, 0, 5, 2, 7, 1, 4])
    assert found.low < -0.6
    assert found.high > 0.6


def test_intervals_hold_what_they_promise():
    """Of independent rankings, all 7! of seven operations, about 5 % have an interval without 0."""
    x = range(7)
    missed = {rank_correlation.spearman: 0, rank_correlation.kendall: 0}
    every = list(permutations(range(7)))[::12]
    for coefficient in missed:
        for y in every:
            found = coefficient(x, y)
            missed[coefficient] += found.low is not None and not found.low <= 0 <= found.high
    assert all(0.01 < count / len(every) < 0.09 for count in missed.values())


def test_correlation_at_its_ends():
    perfect = rank_correlation.kendall(range(8), range(8))
    assert perfect == (pytest.approx(1), None, None)
    assert rank_correlation.in_words("τ", perfect) == "τ = 1.00 [no interval]"
    nothing = rank_correlation.spearman(range(8), [1.0] * 8)
    assert nothing == (None, None, None)
    assert rank_correlation.in_words("ρ", nothing) == "ρ undefined (all values equal)"
    assert rank_correlation.in_words("ρ", rank_correlation.Correlation(-0.5, -0.9, 0.25)) == "ρ = −0.50 [−0.90, 0.25]"


def test_ranks_share_a_tie():
    assert fig_1_4.ranks([0.1, 0.4, 0.4, 0.2]) == [4, 1.5, 1.5, 3]


def spoil_trace(root: Path, variant: str, seed: int, **arrays: np.ndarray) -> None:
    path = root / f"results/demo/search/{variant}/{seed}/{seed}/trace.npz"
    with np.load(path) as old:
        np.savez(path, **{**old, **arrays})


def test_fig_1_4_reads_the_right_step_and_edge(demo):
    """beta of the baseline after its last step, beta and I of eoinas in the step that its first prune followed."""
    edge = EDGES.index([1, 2])
    for variant, factor in (("baseline", 1), ("eoinas", -1)):
        shape = load.trace("demo", variant, 0)["I"].shape
        values = np.zeros(shape, np.float32)
        values[:, 0, edge] = factor * np.arange(8) + 100 * np.arange(len(values))[:, None]
        spoil_trace(demo, variant, 0, beta=values, I=2 * values)
    metrics = fig_1_4.fig_1_4("demo", "a.png")
    found = records(Path("a.csv").read_text())
    assert [row["operation"] for row in found] == list(OPERATIONS)
    # Seven steps, epochs 2 to 8; the first prune is after epoch 2, that is after the first step.
    assert [float(row["baseline_beta"]) for row in found] == [600 + index for index in range(8)]
    assert [float(row["eoinas_beta"]) for row in found] == [-index for index in range(8)]
    assert [float(row["eoinas_I"]) for row in found] == [-2 * index for index in range(8)]
    assert [float(row["accuracy"]) for row in found] == [89 - index for index in range(8)]  # mean of two runs
    assert [int(row["accuracy_rank"]) for row in found] == list(range(1, 9))
    assert {row["accuracy_sd"] for row in found} == {f"{math.sqrt(2):.4f}"}
    assert [row["operation"] for row in found if row["in_final_cell"] == "True"] == ["sep_conv_3x3"]
    assert metrics["baseline_beta"] == {"spearman": -1.0, "kendall": -1.0}
    assert metrics["eoinas_I"] == {"spearman": 1.0, "kendall": 1.0}
    assert (metrics["operations"], metrics["runs"]) == (8, 2)


def test_operations_that_differ_in_their_runs_are_refused(demo):
    path = demo / "results/demo/standalone/none/result.json"
    for fields in ({"edge": [0, 2]}, {"epochs": 3}, {"runs": [{"run": 0, "wrong": 1, "images": 100}]}):
        before = path.read_text()
        change(path, **fields)
        with pytest.raises(InputError, match="standalone: the operations differ"):
            load_transfer.standalone("demo")
        path.write_text(before)


def test_all_equal_accuracies_are_drawn(demo):
    for operation in OPERATIONS:
        runs = [{"run": 0, "wrong": 50, "images": 100}]
        change(demo / f"results/demo/standalone/{operation}/result.json", runs=runs)
    metrics = fig_1_4.fig_1_4("demo", "a.png")
    assert metrics["eoinas_I"] == {}
    assert Path("a.png").read_bytes().startswith(PNG)


def test_labels_do_not_overlap():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    rng = np.random.default_rng(3)
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = [(float(x), float(y)) for x, y in rng.uniform(0.2, 0.8, (8, 2))]
    points[1] = (points[0][0], points[0][1] + 0.005)  # two nearly in one place
    axes.scatter(*zip(*points, strict=True))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    figure.canvas.draw()
    labels.place(axes, points, [f"operation {index}" for index in range(8)], [0.0] * 8)
    renderer = figure.canvas.get_renderer()
    boxes = [Text.get_window_extent(text, renderer) for text in axes.texts]
    assert len(boxes) == 8
    assert not [1 for index, box in enumerate(boxes) for other in boxes[:index] if box.overlaps(other)]
    frame = axes.get_window_extent(renderer)
    assert all(frame.contains(*corner) for box in boxes for corner in (box.min, box.max))


def test_labels_do_not_cover_an_error_bar():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    figure.canvas.draw()
    labels.place(axes, [(0.4, 0.5), (0.45, 0.6)], ["first", "second"], [0.0, 0.2])
    assert axes.texts[0].get_horizontalalignment() == "right"  # the bar beside it reaches down to its height


# Fig. 11.


@pytest.fixture
def scenes(demo) -> cityscapes.Scenes:
    """Drawn scenes; the pretrained network is right everywhere, the other one sees road."""
    values = {"source": "drawn", "raw": "data/raw/cityscapes", "decode_all": True, "cache": "", "drawn_seed": 0}
    values |= {"drawn_train": 6, "drawn_val": 6, "drawn_width": 128, "drawn_height": 64}
    report_fixture.write_json(demo / "results/demo/settings/cityscapes_data.json", values)
    settings = cityscapes.CityscapesDataParams(**values)
    cityscapes_check.prepare(settings, "data/prepared/demo/cityscapes")
    found = cityscapes.load("data/prepared/demo/cityscapes", settings)
    for pair in found.split("val"):
        truth = cityscapes.labels(found.root, pair)
        for init, ids in (("scratch", np.zeros_like(truth)), ("pretrained", np.where(truth == 255, 0, truth))):
            folder = demo / f"results/demo/seg_evaluate/eoinas/{init}/predictions"
            folder.mkdir(exist_ok=True)
            Image.fromarray(TO_LABEL[ids]).save(folder / f"{pair.name}_pred_labelIds.png")
    return found


def test_fig_11_shows_picture_truth_and_both_networks(scenes):
    pair = scenes.split("val")[0]
    picture, truth, scratch, pretrained = fig_11._row("demo", "eoinas", scenes.root, pair)
    ids = cityscapes.labels(scenes.root, pair)
    assert picture.shape == truth.shape == (64, 128, 3)
    assert (truth == COLOURS[ids]).all()
    assert (scratch == COLOURS[0]).all()
    assert (pretrained[ids != 255] == truth[ids != 255]).all()
    assert not truth[ids == 255].any()


def test_fig_11_is_reproducible(scenes):
    for name in ("a.png", "b.png"):
        fig_11.fig_11("demo", name)
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.png").read_bytes().startswith(PNG)


def test_scenes_are_spread_evenly():
    assert fig_11.spread(list(range(8)), 4) == [0, 2, 4, 6]
    assert fig_11.spread(list(range(3)), 4) == [0, 1, 2]


def test_a_missing_or_odd_prediction_is_named(scenes, demo):
    path = Path(f"results/demo/seg_evaluate/eoinas/scratch/predictions/{scenes.split('val')[0].name}_pred_labelIds.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    with pytest.raises(InputError, match=f"{path.name}: not of the size"):
        fig_11.fig_11("demo", "a.png")
    path.unlink()
    with pytest.raises(InputError, match=path.name):
        fig_11.fig_11("demo", "a.png")


# Parameters and multiply-adds.


def test_complexity_has_every_entry_of_the_plan(demo):
    for data, classes in (("cifar10", 10), ("cifar100", 100)):
        meta = {
            "source": "digits",
            "train_count": 2,
            "test_count": 1,
            "image_size": 16,
            "classes": [str(c) for c in range(classes)],
        }
        write_json(demo / f"data/prepared/demo/images/{data}/meta.json", {**meta, "mean": [0.5] * 3, "std": [0.5] * 3})
    write_json(demo / "data/prepared/demo/imagenet/meta.json", {"classes": ["a", "b", "c"]})
    large = {"C": 4, "layers": 3, "image_size": 104}
    write_json(demo / "results/demo/settings/complexity.json", {"retrain": {"C": 4, "layers": 3}, "imagenet": large})
    complexity.main("demo", "images")
    found = json.loads((demo / "results/demo/complexity/images.json").read_text())
    assert {data: list(networks) for data, networks in found.items()} == {
        data: list(networks) for data, networks in report_fixture.ENTRIES.items()
    }
    small = found["cifar10"]["eoinas_cutout"]
    assert found["cifar100"]["eoinas_cutout"]["params"] - small["params"] == 90 * (16 * 4 + 1)
    assert small["params"] < small["params_with_auxiliary"]
    complexity.main("demo", "imagenet")
    large = json.loads((demo / "results/demo/complexity/imagenet.json").read_text())
    assert {data: list(networks) for data, networks in large.items()} == {"imagenet": ["eoinas"]}
    (demo / "data/prepared/demo/imagenet/meta.json").write_text("{}")
    with pytest.raises(InputError, match=r"imagenet/meta\.json: not a description"):
        complexity.main("demo", "imagenet")
