"""A small results tree in the form the stages write it, with known numbers and plausible curves."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from eoinas import bench
from eoinas import plan as plans
from eoinas.data.cityscapes_labels import CLASSES

OPERATIONS = {
    "skip_connect": {"label": "skip connect", "colour": "#2ca25f", "weights": False},
    "none": {"label": "none", "colour": "#636363", "weights": False},
    "sep_conv_3x3": {"label": "sep conv 3×3", "colour": "#74a9cf", "weights": True},
    "dil_conv_3x3": {"label": "dil conv 3×3", "colour": "#fdae6b", "weights": True},
    "sep_conv_5x5": {"label": "sep conv 5×5", "colour": "#045a8d", "weights": True},
    "dil_conv_5x5": {"label": "dil conv 5×5", "colour": "#d94801", "weights": True},
    "avg_pool_3x3": {"label": "avg pool 3×3", "colour": "#c994c7", "weights": False},
    "max_pool_3x3": {"label": "max pool 3×3", "colour": "#980043", "weights": False},
}
EDGES = [[i, j] for j in range(2, 6) for i in range(j)]
SPACE = {"cells": ["normal", "reduce"], "edges": EDGES, "operations": OPERATIONS}
# Another search space: one cell, one input, every edge kept.
SMALL_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
SMALL_SPACE = {
    "cells": ["cell"],
    "edges": [[i, j] for j in range(1, 4) for i in range(j)],
    "operations": {
        name: {"label": name.replace("_", " "), "colour": f"#{40 * index:02x}60{200 - 40 * index:02x}", "weights": "conv" in name}
        for index, name in enumerate(SMALL_OPERATIONS)
    },
}
VARIANTS = {
    "baseline": {"label": "EoiNAS without SSS and OII", "slimming": False, "indicator": "beta", "accuracy_unit": "percent"},
    "sss": {"label": "EoiNAS without OII", "slimming": True, "indicator": "beta", "accuracy_unit": "percent"},
    "eoinas": {"label": "EoiNAS", "slimming": True, "indicator": "oii", "accuracy_unit": "percent"},
}
RESET = {"reset": {"label": "EoiNAS, tally reset", "slimming": True, "indicator": "oii", "accuracy_unit": "percent"}}
DATASETS = {"cifar10": {"title": "CIFAR-10"}, "cifar100": {"title": "CIFAR-100"}}
GIVEN = "data/genotypes/eoinas_cifar.json"
ENTRIES = {
    "cifar10": {
        "eoinas_cutout": {"genotype": "eoinas", "cutout": 16},
        "eoinas": {"genotype": "eoinas", "cutout": 0},
        "baseline_cutout": {"genotype": "baseline", "cutout": 16},
        "sss_cutout": {"genotype": "sss", "cutout": 16},
        "random_cutout": {"genotype": "random", "cutout": 16},
        "published_cutout": {"genotype": GIVEN, "cutout": 16},
    },
    "cifar100": {
        "eoinas_cutout": {"genotype": "eoinas", "cutout": 16},
        "eoinas": {"genotype": "eoinas", "cutout": 0},
    },
}
TRANSFER = {
    "imagenet": {"eoinas": {"genotype": "eoinas", "cutout": 0}},
    "cityscapes": {"eoinas": {"genotype": "cityscapes", "cutout": 0}},
}
SCORES = (0.9, 0.88, 0.85, 0.8)  # of the first seed of the candidates in turn; 0.01 less a seed
PAIRS = [["skip_connect", 0], ["sep_conv_3x3", 1]] * 3 + [["dil_conv_5x5", 2], ["sep_conv_3x3", 4]]


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def change(path: Path, **fields: object) -> None:
    """Set fields of a JSON file."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | fields)


def wrong(position: int, run: int, images: int) -> int:
    """Wrong test images of the entry at ``position`` in run ``run``: 5 %, 6 %, ... and one more image a run."""
    return images * (5 + position) // 100 + run


def wrong_of_search(position: int, index: int, run: int, images: int) -> int:
    """Of the candidate at ``position``, its seed at ``index``: 10 %, 12 %, ..., half a percent a seed, one image a run."""
    return images * (10 + 2 * position) // 100 + images * index // 200 + run


def genotype(position: int, index: int, space: dict = SPACE) -> dict:
    """A cell that no other candidate or seed has; its first cell has sep_conv_3x3 on edge (1, 2)."""
    if space is not SPACE:
        names = list(space["operations"])
        return {"cell": [[names[(position + index * k) % len(names)], source] for k, (source, _) in enumerate(space["edges"])]}
    names = [name for name in OPERATIONS if name != "none"]
    last = [*PAIRS[:-1], [names[position % len(names)], index % 5]]
    return {"normal": PAIRS, "normal_concat": [2, 3, 4, 5], "reduce": last, "reduce_concat": [2, 3, 4, 5]}


def plan(
    entries: dict = ENTRIES,
    variants: dict = VARIANTS,
    datasets: dict = DATASETS,
    seeds: tuple[int, ...] = (0, 1),
    runs: tuple[int, ...] = (0, 1, 2),
    each: int = 2,
    space: dict = SPACE,
) -> dict:
    """The plan as JSON has it; the selected seed's cell of a variant is served by its entry with cutout, where there is one."""
    every = {**TRANSFER, **{data: {} for data in datasets}, **entries}
    names = {entry["genotype"]: name for name, entry in every["cifar10"].items() if entry["cutout"] == 16}
    served_by = {candidate: names.get(candidate) for candidate in [*variants, "random"]}
    value = {
        "lambda": 0.5,
        "space": space,
        "searched_on": "cifar10",
        "titles": {"imagenet": "", "cityscapes": ""},
        "selected_by": "supernet",
        "datasets": datasets,
        "variants": variants,
        "main": "eoinas",
        "plain": "baseline",
        "seg_variant": "eoinas",
        "searches": [[str(seed), seed] for seed in seeds],
        "runs": [[f"{runs[0]}-{runs[-1]}", run] for run in runs],
        "per_seed": {"runs": min(each, len(runs)), "cutout": 16, "served_by": served_by},
        "epoch_images": {"search": 500, "retrain": 40_000, "standalone": 0, "imagenet": 0},
        "tf32": [],
        "nondeterministic": [],
        "entries": {data: every[data] for data in datasets},
        "imagenet": every["imagenet"],
        "cityscapes": every["cityscapes"],
    }
    plans.Plan.model_validate_json(json.dumps(value))
    return value


def build(
    root: Path,
    scale: str = "demo",
    epochs: int = 8,
    warm_up: int = 1,
    prunes: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8),
    source: str = "digits",
    images: int = 1000,
    **planned: object,
) -> dict:
    """Write results/SCALE under ``root``, plan and all; ``planned`` are arguments of ``plan``, which is returned."""
    value = plan(**planned)
    results, space = root / "results" / scale, value["space"]
    prunes = prunes[: len(space["operations"]) - 1]
    write_json(results / "settings/report.json", value)
    for position, candidate in enumerate([*value["variants"], "random"]):
        _candidate(results, value, candidate, position)
        if candidate == "random":
            continue
        for item, seed in value["searches"]:
            write_json(results / f"timing/search/{candidate}/{item}/{seed}.json", {"days": 0.0, "device": "Test CPU"})
            folder = results / f"search/{candidate}/{item}/{seed}"
            folder.mkdir(parents=True)
            _history(folder / "history.csv", epochs, warm_up, 0.4 + 0.2 * position, seed)
            slims = value["variants"][candidate]["slimming"]
            _trace(folder / "trace.npz", space, epochs, warm_up, prunes if slims else (), seed)
    complexity = {}
    for data, networks in value["entries"].items():
        classes = 10 if data != "cifar100" or source == "digits" else 100
        about = {"source": source, "image_size": 16 if source == "digits" else 32, "classes": classes}
        for position, (name, entry) in enumerate(networks.items()):
            sizes = {"params": 12_345 + position, "params_with_auxiliary": 20_000, "multiply_adds": 1_234_567}
            complexity.setdefault(data, {})[name] = sizes
            write_json(results / f"entries/{data}-{name}.json", {**entry, "cell": genotype(6, position, space)})
            for item, run in value["runs"]:
                _result(results / f"retrain/{data}-{name}/{item}/{run}/result.json", images, wrong(position, run, images), about)
    about = {"source": source, "image_size": 16 if source == "digits" else 32, "classes": 10}
    for position, candidate in enumerate([*value["variants"], "random"]):
        for index, (item, seed) in enumerate(value["searches"]):
            if index == 0 and value["per_seed"]["served_by"][candidate]:
                continue  # the selected one
            for run in range(value["per_seed"]["runs"]):
                count = wrong_of_search(position, index, run, images)
                _result(results / f"retrain_seeds/{candidate}/{item}/{seed}/{run}/result.json", images, count, about)
    write_json(results / "complexity/images.json", complexity)
    of_imagenet = {
        name: {"params": 5_040_000, "params_with_auxiliary": 6_000_000, "multiply_adds": 561_000_000}
        for name in value["imagenet"]
    }
    write_json(results / "complexity/imagenet.json", {"imagenet": of_imagenet})
    about = {"source": source if source == "digits" else "folder", "image_size": 224, "classes": 1000}
    for position, (name, entry) in enumerate(value["imagenet"].items()):
        counts = {"wrong_top1": 12_800, "wrong_top5": 4_150, "best_wrong_top1": 12_000, "best_epoch": 1}
        write_json(results / f"imagenet/{name}/result.json", {"epochs": 2, "images": 50_000, **counts, "data": about})
        write_json(results / f"entries/imagenet-{name}.json", {**entry, "cell": genotype(6, position, space)})
    _standalone(results, source, list(space["operations"]))
    _street_scenes(results, space, list(value["cityscapes"]), epochs, warm_up, prunes)
    return value


def _candidate(results: Path, value: dict, candidate: str, position: int) -> None:
    """Scores and cells of a variant's searches, or of the random ones; the first seed is selected."""
    scores = {}
    for index, (_, seed) in enumerate(value["searches"]):
        scores[str(seed)] = SCORES[position % len(SCORES)] - 0.01 * index
        cell = genotype(position, index, value["space"])
        write_json(results / f"derive/{candidate}/{seed}/genotype.json", cell)
        if index == 0:
            write_json(results / f"genotypes/{candidate}.json", cell)
    selected = value["searches"][0][1]
    write_json(results / f"selection/{candidate}.json", {"seed": selected, "scores": scores, "by": "supernet"})


def _result(path: Path, images: int, count: int, about: dict) -> None:
    best = {"best_wrong": count - 1, "best_epoch": 1}
    write_json(path, {"epochs": 2, "images": images, "wrong": count, **best, "data": about})


def _standalone(results: Path, source: str, operations: list[str]) -> None:
    """Two runs an operation on edge (1, 2); the operation at index i has 10 + i and 12 + i wrong of 100."""
    for index, operation in enumerate(operations):
        runs = [{"run": run, "wrong": 10 + index + 2 * run, "images": 100} for run in (0, 1)]
        about = {"source": source, "image_size": 16, "classes": 10}
        result = {"operation": operation, "edge": [1, 2], "epochs": 2, "runs": runs, "data": about}
        write_json(results / f"standalone/{operation}/result.json", result)


def _street_scenes(results: Path, space: dict, entries: list[str], epochs: int, warm_up: int, prunes: tuple[int, ...]) -> None:
    """Half of every class is right; from scratch a quarter, and no train occurs."""
    write_json(results / "seg_genotype.json", genotype(5, 0, space))
    write_json(results / "timing/seg_search.json", {"days": 0.25, "device": "Test CPU"})
    (results / "seg_search").mkdir(parents=True)
    _history(results / "seg_search/history.csv", epochs, warm_up, 0.5, 5)
    _trace(results / "seg_search/trace.npz", space, epochs, warm_up, prunes, 5)
    about = {"source": "drawn", "counts": {"train": 8, "val": 6}, "listing_sha256": "0"}
    for entry in entries:
        for init, value in (("scratch", 0.25), ("pretrained", 0.5)):
            iou = {name: None if name == "train" and init == "scratch" else value for name in CLASSES}
            result = {"miou": value, "iou": iou, "images": 6, "iterations": 120, "data": about}
            write_json(results / f"seg_evaluate/{entry}/{init}/result.json", result)


def _history(path: Path, epochs: int, warm_up: int, speed: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = ["epoch,learning_rate,temperature,train_loss,train_accuracy,valid_loss,valid_accuracy,live"]
    for epoch in range(1, epochs + 1):
        done = 1 - np.exp(-4 * speed * epoch / epochs)
        accuracy = 0.1 + 0.85 * done + rng.normal(0, 0.008)
        loss = 2.3 - 2.1 * done + rng.normal(0, 0.02)
        valid = f"{loss + 0.1:.4f},{accuracy - 0.05:.4f}" if epoch > warm_up else ","
        lines.append(f"{epoch},0.025,5.0,{loss:.4f},{accuracy:.4f},{valid},8.0")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _trace(path: Path, space: dict, epochs: int, warm_up: int, prunes: tuple[int, ...], seed: int) -> None:
    """Random walks of the indicator; at every prune the lowest live op of each edge dies and the rest grow to the same sum."""
    rng = np.random.default_rng(seed)
    steps = np.arange(warm_up + 1, epochs + 1)
    cells, edges, ops = (len(space[axis]) for axis in ("cells", "edges", "operations"))
    drift = rng.normal(0, 2 / epochs, (cells, edges, ops))
    logits = np.zeros((cells, edges, ops))
    alive = np.ones((cells, edges, ops), bool)
    indicator, states, history, pruned = [], [], [], []
    die = np.full((cells, edges, ops), 0.5)
    for epoch in steps:
        logits += drift + rng.normal(0, 0.05, logits.shape)
        weights = np.where(alive, np.exp(logits), 0)
        values = 1.5 * weights / weights.sum(-1, keepdims=True)
        die = np.clip(die - 0.02 * np.sign(drift) + rng.normal(0, 0.01, die.shape), 0, 1)
        history.append(alive.copy())
        indicator.append(np.where(alive, values, np.nan))
        states.append(np.where(alive[..., None], np.stack([1 - die, die], -1), np.nan))
        if epoch in prunes:
            lowest = np.where(alive, values, np.inf).argmin(-1)
            np.put_along_axis(alive, lowest[..., None], False, -1)
            pruned.append(lowest)
    many = np.asarray(indicator, np.float32)
    np.savez(
        path,
        epoch=steps,
        **dict.fromkeys(("alpha", "beta", "A", "E", "C", "S", "I"), many),
        X=np.asarray(states, np.float32),
        Q=np.repeat(np.asarray(states, np.float32)[..., None, :], 2, -2),
        alive=np.asarray(history),
        alive_final=alive,
        prune_epochs=np.asarray(prunes, np.int64),
        pruned=np.asarray(pruned, np.int64).reshape(-1, cells, edges),
    )


def builder(folder: Path, monkeypatch) -> Callable[..., Path]:
    """Works in ``folder`` and returns what builds the tree there; its arguments are those of ``build`` and ``plan``."""
    monkeypatch.chdir(folder)

    def build_there(*args, **kwargs) -> Path:
        build(folder, *args, **kwargs)
        return folder

    return build_there


def records(text: str) -> list[dict]:
    """Rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def body(markdown: str, number: int = 0) -> list[list[str]]:
    """Cells of the rows of one table, counted from 0, without its two header lines."""
    tables: list[list[str]] = [[]]
    for line in markdown.splitlines():
        if line.startswith("| "):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in tables[number][2:]]


def build_bench(root: Path, scale: str = "demo", seeds: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """Searches on NAS-Bench-201 as `bench_truth` looks them up: I ranks better than beta by 0.5 in every search."""
    results, variants = root / "results" / scale, ("baseline", "sss", "eoinas", "lambda_5", "epsilon_08")
    settings = {"lambda": 0.5, "epsilon_1": 0.02, "epsilon_2": 0.01, "slimming": True, "indicator": "oii"}
    turned = {
        "baseline": {"slimming": False, "indicator": "beta"},
        "sss": {"indicator": "beta"},
        "lambda_5": {"lambda": 5.0},
        "epsilon_08": {"epsilon_1": 0.08, "epsilon_2": 0.04},
    }
    plan = {
        "table": "data/nasbench201.csv.xz",
        "sha256": "",
        "images": "test images",
        "masked": "baseline",
        "operations": {},
        "variants": {
            name: {
                "label": f"the {name}",
                "searches": [["0-15", seed] for seed in seeds],
                "search": settings | turned.get(name, {}),
            }
            for name in variants
        },
    }
    write_json(results / "settings/bench_report.json", plan)
    cells = ["variant,seed,epoch,operations,cifar10_test,rank"]
    strengths = ["variant,seed,epoch,edge,quantity,truth,tau,regret"]
    for position, name in enumerate(variants):
        for seed in seeds:
            write_json(root / bench.timing(scale, name, "0-15", seed), {"days": 0.25, "device": "Test CPU"})
            cells += [f"{name},{seed},{epoch},000000,{90 + position + seed / 4:.2f},100" for epoch in (4, 0)]
            for quantity in ("beta", "A", "inverse_E", "S", "I", "S_percent", "I_percent", "l"):
                tau = (0.5 if quantity == "I" else 0.0) + seed / 100 + position / 10
                rows = [f"{name},{seed},4,{edge},{quantity}" for edge in (0, 1)]
                strengths += [f"{row},{truth},{tau:.4f},1.0" for truth in bench.TRUTHS for row in rows]
    folder = results / "bench_truth"
    folder.mkdir(parents=True)
    (folder / "cells.csv").write_text("\n".join(cells) + "\n", encoding="utf-8")
    (folder / "strengths.csv").write_text("\n".join(strengths) + "\n", encoding="utf-8")
