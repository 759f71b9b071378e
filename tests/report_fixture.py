"""A small results tree in the form the training stages write it, with known numbers and plausible curves."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from eoinas import genotype
from eoinas.data.cityscapes_labels import CLASSES

ENTRIES = {
    "cifar10": {
        "eoinas_cutout": {"genotype": "eoinas", "cutout": 16},
        "eoinas": {"genotype": "eoinas", "cutout": 0},
        "baseline_cutout": {"genotype": "baseline", "cutout": 16},
        "sss_cutout": {"genotype": "sss", "cutout": 16},
        "random_cutout": {"genotype": "random", "cutout": 16},
        "published_cutout": {"genotype": "data/genotypes/eoinas_cifar.json", "cutout": 16},
    },
    "cifar100": {
        "eoinas_cutout": {"genotype": "eoinas", "cutout": 16},
        "eoinas": {"genotype": "eoinas", "cutout": 0},
    },
}
SCORES = {"eoinas": 0.9, "sss": 0.88, "baseline": 0.85, "random": 0.8}
CELL = [["skip_connect", 0], ["sep_conv_3x3", 1]] * 3 + [["dil_conv_5x5", 2], ["sep_conv_3x3", 4]]
GENOTYPE = {"normal": CELL, "normal_concat": [2, 3, 4, 5], "reduce": CELL, "reduce_concat": [2, 3, 4, 5]}


TRANSFER = {"imagenet": {"eoinas": {"genotype": "eoinas"}}, "cityscapes": {"eoinas": {"genotype": "cityscapes"}}}


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def wrong(position: int, run: int, images: int) -> int:
    """Wrong test images of the entry at ``position`` in run ``run``: 5 %, 6 %, ... and one more image a run."""
    return images * (5 + position) // 100 + run


def build(
    root: Path,
    scale: str = "demo",
    entries: dict = ENTRIES,
    seeds: tuple[int, ...] = (0, 1),
    runs: tuple[int, ...] = (0, 1, 2),
    epochs: int = 8,
    warm_up: int = 1,
    prunes: tuple[int, ...] = (2, 3, 4, 5, 6, 7, 8),
    source: str = "digits",
    images: int = 1000,
) -> None:
    """Write params.yaml and results/SCALE under ``root``."""
    every = {"cifar10": {}, "cifar100": {}, **TRANSFER, **entries}
    group = f"{runs[0]}-{runs[-1]}"
    values = {
        "lambda": 0.5,
        "scale": scale,
        "search_seeds": list(seeds),
        "retrain_runs": [group],
        "standalone_operations": ["0-7"],
        "method": {},
        "entries": every,
    }
    (root / "params.yaml").write_text(yaml.safe_dump({**values, "demo": {}, "study": {}, "paper": {}}, sort_keys=False))
    results = root / "results" / scale
    for position, variant in enumerate(SCORES):
        scores = {str(seed): SCORES[variant] - 0.01 * index for index, seed in enumerate(seeds)}
        write_json(results / f"selection/{variant}.json", {"seed": seeds[0], "scores": scores, "by": "supernet"})
        write_json(results / f"genotypes/{variant}.json", GENOTYPE)
        for seed in seeds if variant != "random" else ():
            write_json(results / f"timing/search/{variant}/{seed}/{seed}.json", {"days": 0.0, "device": "Test CPU"})
            folder = results / f"search/{variant}/{seed}/{seed}"
            folder.mkdir(parents=True)
            _history(folder / "history.csv", epochs, warm_up, 1 - 0.2 * position, seed)
            _trace(folder / "trace.npz", epochs, warm_up, () if variant == "baseline" else prunes, seed)
    complexity = {}
    for data, networks in entries.items():
        classes = 10 if data == "cifar10" or source == "digits" else 100
        about = {"source": source, "image_size": 16 if source == "digits" else 32, "classes": classes}
        for position, name in enumerate(networks):
            complexity.setdefault(data, {})[name] = {
                "params": 12_345 + position,
                "params_with_auxiliary": 20_000,
                "multiply_adds": 1_234_567,
            }
            for run in runs:
                count = wrong(position, run, images)
                best = {"best_wrong": count - 1, "best_epoch": 1}
                result = {"epochs": 2, "images": images, "wrong": count, **best, "data": about}
                write_json(results / f"retrain/{data}/{name}/{group}/{run}/result.json", result)
    complexity["imagenet"] = {
        name: {"params": 5_040_000, "params_with_auxiliary": 6_000_000, "multiply_adds": 561_000_000}
        for name in every["imagenet"]
    }
    write_json(results / "complexity.json", complexity)
    about = {"source": source if source == "digits" else "folder", "image_size": 224, "classes": 1000}
    for name in every["imagenet"]:
        counts = {"wrong_top1": 12_800, "wrong_top5": 4_150, "best_wrong_top1": 12_000, "best_epoch": 1}
        write_json(results / f"imagenet/{name}/result.json", {"epochs": 2, "images": 50_000, **counts, "data": about})
    _standalone(results, source)
    _street_scenes(results, list(every["cityscapes"]), epochs, warm_up, prunes)


def _standalone(results: Path, source: str) -> None:
    """Two runs an operation on edge (1, 2); the operation at index i has 10 + i and 12 + i wrong of 100."""
    for index, operation in enumerate(genotype.OPERATIONS):
        runs = [{"run": run, "wrong": 10 + index + 2 * run, "images": 100} for run in (0, 1)]
        about = {"source": source, "image_size": 16, "classes": 10}
        result = {"operation": operation, "edge": [1, 2], "epochs": 2, "runs": runs, "data": about}
        write_json(results / f"standalone/0-7/{operation}/result.json", result)


def _street_scenes(results: Path, entries: list[str], epochs: int, warm_up: int, prunes: tuple[int, ...]) -> None:
    """Half of every class is right; from scratch a quarter, and no train occurs."""
    write_json(results / "seg_genotype.json", GENOTYPE)
    write_json(results / "timing/seg_search.json", {"days": 0.25, "device": "Test CPU"})
    (results / "seg_search").mkdir(parents=True)
    _history(results / "seg_search/history.csv", epochs, warm_up, 0.5, 5)
    _trace(results / "seg_search/trace.npz", epochs, warm_up, prunes, 5)
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


def _trace(path: Path, epochs: int, warm_up: int, prunes: tuple[int, ...], seed: int) -> None:
    """Random walks of the indicator; at every prune the lowest live op of each edge dies and the rest grow to the same sum."""
    rng = np.random.default_rng(seed)
    steps = np.arange(warm_up + 1, epochs + 1)
    cells, edges, ops = len(genotype.CELLS), len(genotype.EDGES), len(genotype.OPERATIONS)
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
    """Works in ``folder`` and returns what builds the tree there; its arguments are those of ``build``."""
    monkeypatch.chdir(folder)

    def build_there(*args, **kwargs) -> Path:
        build(folder, *args, **kwargs)
        return folder

    return build_there


def records(text: str) -> list[dict]:
    """Rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def body(markdown: str) -> list[list[str]]:
    """Cells of the rows of the first table, without its two header lines."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
