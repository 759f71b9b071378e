"""Search, training and evaluation on drawn street scenes."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from eoinas import checkpoint, command, schedules, settings, weights
from eoinas import code as closure
from eoinas.data import cityscapes, cityscapes_check
from eoinas.data.cityscapes_labels import CLASSES, IGNORE, TO_LABEL
from eoinas.errors import InputError
from eoinas.metrics import iou, label_scenes
from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork, SegNetworkParams
from eoinas.ranks import ALONE, Group
from eoinas.runlog import RunLog
from eoinas.spaces import registry
from eoinas.train import candidates, pretrained, search, search_seg, segment
from tests.test_search import NoCheckpoint, same
from tests.test_segmentation import CELL, SMALL

PARAMS = yaml.safe_load((Path(__file__).parent.parent / "params.yaml").read_text())
DEMO = settings.resolve(PARAMS, "demo")
SPACE = registry.space("darts", PARAMS["operations"])
CPU = torch.device("cpu")


def size(**changes: object) -> SegNetworkParams:
    return SegNetworkParams(**{**SMALL, **changes})


def train_settings(**changes: object) -> segment.SegTrainParams:
    crops = {"short_side": 0, "scale_min": 0.75, "scale_max": 1.25, "crop": 49}
    return segment.SegTrainParams(
        **{**DEMO["seg_train"].train.dumped(), "iterations": 6, "batch_size": 2, "crops": crops, **changes}
    )


def search_settings(**changes: object) -> search_seg.SegSearchParams:
    small = {"C": 2, "cells": "NRNRN", "batch_size": 3, "epochs": 8, "warmup": 1, "prune_every": 1, "alpha_learning_rate": 0.05}
    crops = {"short_side": 64, "scale_min": 1.0, "scale_max": 1.0, "crop": 33}
    return search_seg.SegSearchParams(**{**DEMO["seg_search"].dumped(), **small, "crops": crops, **changes})


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> cityscapes.Scenes:
    folder = tmp_path_factory.mktemp("scenes") / "drawn"
    block = {**DEMO["cityscapes_data"].dumped(), "drawn_train": 7, "drawn_val": 6, "drawn_width": 130, "drawn_height": 67}
    cityscapes_check.prepare(cityscapes.CityscapesDataParams(**block), folder)
    meta = json.loads((folder / "meta.json").read_text())
    return cityscapes.Scenes(folder, tuple(cityscapes.read_manifest(folder / "manifest.csv", meta["listing_sha256"])), meta)


def run(
    scenes: cityscapes.Scenes,
    states: object = None,
    backbone: Path | None = None,
    group: Group = ALONE,
    workers: int = 0,
    stream: str = "small",
    **changes: object,
) -> tuple[SegmentationNetwork, RunLog]:
    """A small training."""
    states, numbers = states or NoCheckpoint(), train_settings(**changes)
    return segment.train(CELL, scenes, size(), numbers, backbone, CPU, group, "small", states, stream=stream, workers=workers)


def train(scenes: cityscapes.Scenes, states: object = None, **changes: object) -> tuple[dict, list[dict]]:
    """State and history of a small training."""
    network, log = run(scenes, states, **changes)
    return network.state_dict(), log.rows


@pytest.fixture(scope="module")
def usual(scenes) -> tuple[dict, list[dict]]:
    return train(scenes)


# Training.


def test_schedule_is_polynomial() -> None:
    found = [schedules.polynomial(iteration, 90_000, 0.007, 0.9) for iteration in (0, 45_000, 89_999)]
    assert found == pytest.approx([0.007, 0.007 * 0.5**0.9, 0.007 * (1 / 90_000) ** 0.9])


def test_history_has_an_epoch_a_row_and_the_last_may_be_short(scenes, usual) -> None:
    rows = usual[1]  # 7 pictures in batches of 2: 3 steps an epoch, the last one of 3
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["learning_rate"] == pytest.approx(schedules.polynomial(2, 6, DEMO["seg_train"].train.learning_rate, 0.9))
    assert all(np.isfinite(row["train_loss"]) and 0 <= row["train_accuracy"] <= 1 for row in rows)


def test_the_same_bytes_again_and_with_workers(scenes, usual) -> None:
    assert same(train(scenes)[0], usual[0])
    assert same(train(scenes, workers=1)[0], usual[0])
    assert not same(train(scenes, seed=1)[0], usual[0])
    assert not same(train(scenes, stream="other")[0], usual[0])


@pytest.mark.parametrize("changes", [{"loss": "ohem", "ohem_threshold": 0.05}, {"grad_clip": 0.1}, {"power": 2.0}])
def test_parameters_have_an_effect(scenes, usual, changes) -> None:
    assert not same(train(scenes, **changes)[0], usual[0])


def test_it_learns(scenes) -> None:
    rows = train(scenes, iterations=60, learning_rate=0.05)[1]
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]
    assert rows[-1]["train_accuracy"] > rows[0]["train_accuracy"]


def test_a_stopped_training_goes_on_exactly(scenes, usual, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    monkeypatch.setattr(command, "wait_for_checkpoint", lambda: None)

    def once() -> tuple[dict, list[dict]]:
        with checkpoint.Checkpoint("stage", "key", 10.0) as states:
            return train(scenes, states)

    asked = iter([False, False, False, False])  # after every step; the signal comes in the middle of the second epoch
    with monkeypatch.context() as patch:
        patch.setattr(command, "stopping", lambda: next(asked, True))
        with pytest.raises(command.Stopped):
            once()
    state, rows = once()
    assert same(state, usual[0])
    assert rows == usual[1]


def test_a_batch_of_one_picture_a_process_is_refused(scenes) -> None:
    with pytest.raises(
        InputError, match=r"^small: a batch of one image, or one on a process, cannot be normalised .*; raise batch_"
    ):
        run(scenes, batch_size=1)  # ASPP pools a picture to one value
    with pytest.raises(
        InputError, match=r"^batch_size 4 has fewer than two images for each of 4 processes, .* set sync_bn to true"
    ):
        run(scenes, group=Group(0, 4, 0), batch_size=4, sync_bn=False)


def test_group_normalisation_takes_a_batch_of_one_picture(scenes) -> None:
    grouped = size(C=16, norm="group", width=16, low_width=8)
    numbers = train_settings(batch_size=1, iterations=1)
    _, log = segment.train(CELL, scenes, grouped, numbers, None, CPU, ALONE, "one", NoCheckpoint(), stream="one", workers=0)
    assert np.isfinite(log.rows[0]["train_loss"])


def test_training_leaves_nothing_of_the_metrics_behind() -> None:
    """Editing a metric must not cost a training."""
    found = closure.closure("stages.seg_train")
    assert "eoinas/train/segment.py" in found
    assert not [name for name in found if "/metrics/" in name]


# The pretrained backbone.


def pooled(tmp_path: Path, **changes: object) -> Path:
    torch.manual_seed(5)
    weights.save(PooledClassifier(CELL, size(**changes), 10), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_the_backbone_is_taken_and_the_rest_is_as_from_scratch(tmp_path) -> None:
    torch.manual_seed(0)
    network = SegmentationNetwork(CELL, size(), 19)
    before = copy.deepcopy(network.state_dict())
    path = pooled(tmp_path)
    pretrained.load_backbone(network, path)
    found = load_file(path)
    for name, value in network.state_dict().items():
        assert torch.equal(value, found[name] if name.startswith("backbone.") else before[name]), name
    assert not torch.equal(before["backbone.cells.0.preprocess1.op.1.weight"], found["backbone.cells.0.preprocess1.op.1.weight"])


def test_training_starts_from_the_backbone(scenes, tmp_path, usual) -> None:
    path = pooled(tmp_path)
    network, _ = run(scenes, backbone=path)
    assert not same(network.state_dict(), usual[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"C": 6}, r"backbone\.stem\.convs\.0\.0\.weight has shape \[3, 3, 3, 3\], this network \[2, 3, 3, 3\]"),
        ({"cells": "NRNNRN"}, r"backbone\.cells\.\S+ has shape"),
        ({"cells": "NRNRNN"}, r"backbone\.cells\.5\.\S+ is not in this network"),
        ({"cells": "NRNR"}, r"has no backbone\.cells\.4\."),
        ({"C": 16, "norm": "group", "width": 8, "low_width": 8}, r"has no backbone\.stem\.convs\.0\.1\.running_mean|has shape"),
    ],
)
def test_weights_of_another_backbone_name_the_layer(tmp_path, changes, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        pretrained.load_backbone(SegmentationNetwork(CELL, size(), 19), pooled(tmp_path, **changes))
    assert "\n" not in str(caught.value)
    assert "pretrain with the same seg_network and cell" in str(caught.value)


def test_files_that_are_no_weights_are_named(tmp_path) -> None:
    network = SegmentationNetwork(CELL, size(), 19)
    with pytest.raises(InputError, match=r"absent\.safetensors: no such file; run the stage seg_pretrain first"):
        pretrained.load_backbone(network, tmp_path / "absent.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bad\.safetensors: not a file of weights"):
        pretrained.load_backbone(network, tmp_path / "bad.safetensors")
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors: has no backbone\.stem"):
        pretrained.load_backbone(network, tmp_path / "other.safetensors")


# Evaluation.


@pytest.fixture(scope="module")
def labelled(scenes, tmp_path_factory) -> tuple[Path, np.ndarray]:
    """Predictions of a network that knows a little, and their confusion matrix."""
    folder = tmp_path_factory.mktemp("out") / "predictions"
    network, _ = run(scenes, iterations=30, learning_rate=0.05)
    return folder, label_scenes.label_scenes(network, scenes, CPU, folder)


def test_every_pixel_of_every_validation_picture_counts_once(scenes, labelled) -> None:
    folder, matrix = labelled
    assert (matrix.shape, matrix.dtype) == ((19, 19), np.int64)
    truth = np.stack([cityscapes.labels(scenes.root, pair) for pair in scenes.split("val")])
    assert matrix.sum() == (truth != IGNORE).sum()
    assert matrix.sum(1).tolist() == [(truth == index).sum() for index in range(19)]
    assert {path.name for path in folder.iterdir()} == {f"sketch_00000{i}_000000_pred_labelIds.png" for i in range(6)}
    for path in folder.iterdir():
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("L", (130, 67))
            assert set(np.unique(np.asarray(image))) <= set(TO_LABEL.tolist())


def test_summary_has_the_classes_by_name(scenes, labelled) -> None:
    summary = label_scenes.summary(labelled[1], scenes, 30)
    assert list(summary) == ["miou", "iou", "images", "iterations", "data"]
    assert list(summary["iou"]) == list(CLASSES)
    assert (summary["images"], summary["iterations"], summary["data"]["source"]) == (6, 30, "drawn")
    assert 0 < summary["miou"] < 1
    json.dumps(summary, allow_nan=False)


def official(scenes: cityscapes.Scenes, folder: Path) -> dict:
    """Scores of cityscapesScripts for the predictions in ``folder``."""
    evaluator = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    settings = copy.copy(evaluator.args)
    settings.evalInstLevelScore, settings.JSONOutput, settings.quiet = False, False, True
    settings.predictionPath, settings.predictionWalk = str(folder), None
    truths = [str(scenes.root / pair.label) for pair in scenes.split("val")]
    predictions = [evaluator.getPrediction(settings, path) for path in truths]
    return evaluator.evaluateImgLists(predictions, truths, settings)


def test_the_official_evaluator_gives_the_same_numbers(scenes, labelled) -> None:
    folder, matrix = labelled
    found, summary = official(scenes, folder), label_scenes.summary(matrix, scenes, 30)
    assert summary["iou"] == pytest.approx({name: found["classScores"][name] for name in CLASSES}, abs=1e-6)
    assert summary["miou"] == pytest.approx(found["averageScoreClasses"], abs=1e-6)
    assert sum(value > 0 for value in summary["iou"].values()) >= 3, "a network that knows nothing proves little"


def test_the_official_evaluator_agrees_on_random_predictions(scenes, tmp_path) -> None:
    source, matrix = np.random.default_rng(0), np.zeros((19, 19), np.int64)
    for pair in scenes.split("val"):
        truth = cityscapes.labels(scenes.root, pair)
        predicted = np.where(source.random(truth.shape) < 0.6, truth % 19, source.integers(19, size=truth.shape)).astype(np.uint8)
        Image.fromarray(TO_LABEL[predicted]).save(tmp_path / f"{pair.name}_pred_labelIds.png")
        matrix += iou.confusion(truth, predicted, 19)
    found = official(scenes, tmp_path)
    assert iou.iou(matrix) == pytest.approx([found["classScores"][name] for name in CLASSES], abs=1e-6)
    assert iou.mean(iou.iou(matrix)) == pytest.approx(found["averageScoreClasses"], abs=1e-6)


@pytest.mark.parametrize("shape", [(65, 97), (64, 96), (67, 130), (33, 31)])
def test_labelling_pads_to_where_pixels_and_features_agree(shape) -> None:
    class Look(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[2] % 16 == x.shape[3] % 16 == 1
            assert 0 <= x.shape[2] - shape[0] < 16
            assert 0 <= x.shape[3] - shape[1] < 16
            return x  # the three channels as logits

    picture = torch.randn(3, *shape)
    assert torch.equal(label_scenes.label(Look(), picture), picture.argmax(0))


# The search.


@pytest.fixture(scope="module")
def searched(scenes) -> tuple[dict, search.Result]:
    network, result = search_seg.run(scenes, search_settings(), CPU, 0, "small", NoCheckpoint())
    return network.state_dict(), result


def test_the_search_prunes_to_one_operation_an_edge(searched, tmp_path) -> None:
    trace = searched[1].trace
    assert trace["prune_epochs"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert (trace["alive_final"].sum(-1) == 1).all()
    assert not trace["alive_final"][..., SPACE.zero].any()
    np.savez(tmp_path / "trace.npz", **trace)
    assert len(candidates.derive_cell(SPACE, tmp_path / "trace.npz", "before_last_prune").normal) == 8


def test_the_indicator_is_i_and_not_beta(searched) -> None:
    """Full method (choice D37): over the live operations I sums to 1 + lambda."""
    assert np.nansum(searched[1].trace["I"], -1) == pytest.approx(1.5, abs=1e-5)


def test_the_search_is_the_same_again_and_depends_on_lambda(scenes, searched) -> None:
    network, result = search_seg.run(scenes, search_settings(), CPU, 1, "small", NoCheckpoint())
    assert same(network.state_dict(), searched[0])
    assert same(result.trace, searched[1].trace)
    other = search_seg.run(scenes, search_settings(**{"lambda": 0.9}), CPU, 0, "small", NoCheckpoint())[1]
    assert not same(other.trace, result.trace)


def test_both_halves_are_used_and_no_picture_is_in_both(scenes, monkeypatch) -> None:
    seen = {}
    real = search_seg.FileBatches

    def spy(dataset: object, batch: int, seed: int, purpose: str, *rest: object, **more: object) -> object:
        seen[purpose] = {pair.name for pair in dataset._pairs}
        return real(dataset, batch, seed, purpose, *rest, **more)

    monkeypatch.setattr(search_seg, "FileBatches", spy)
    search_seg.run(scenes, search_settings(epochs=2, slimming=False), CPU, 0, "small", NoCheckpoint())
    one, other = seen["segmentation train"], seen["segmentation valid"]
    assert (len(one), len(other), len(one & other)) == (4, 3, 0)
    assert one | other == {pair.name for pair in scenes.split("train")}
