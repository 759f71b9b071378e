"""Short searches on NAS-Bench-201 with other numbers than params.yaml's, to find a budget that can tell something.

Usage: python -m benchmarks.bench_pilot RAW SEEDS VARIANTS [KEY=VALUE ...], with seeds such as 100-103, which the study does not
use, variants such as baseline,sss, and keys of ``study.bench_search``. RAW holds cifar-10-batches-py. A line of JSON a search is
added to .scratch/pilot.jsonl: the cell that was found, how the shared weights rank cells (``shared``), and how beta, A, 1 / E, S
and I rank operations (``taus``). A process is one core.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy.stats import kendalltau

from eoinas import params, settings
from eoinas.data import batches, cifar, imageset, nasbench201
from eoinas.data.images import Images, SplitParams, halves, mixed
from eoinas.models.supernet import Supernet
from eoinas.spaces import registry
from eoinas.train import search_cifar

OUT = Path(".scratch/pilot.jsonl")


class NoCheckpoint:
    """Nothing is saved."""

    last = "none"

    def load(self) -> None:
        return None

    def offer(self, state: object) -> None:
        return None


def taus(trace: dict[str, np.ndarray], truth: np.ndarray) -> dict[str, float]:
    """With the mean accuracy of all cells that have an operation, before the first prune or in the end; mean over edges."""
    first = trace["prune_epochs"][0] if len(trace["prune_epochs"]) else trace["epoch"][-1]
    step = int(np.flatnonzero(trace["epoch"] <= first)[-1])
    values = {name: trace[name][step, 0] for name in ("beta", "A", "S", "I")} | {"1/E": 1 / trace["E"][step, 0]}
    return {
        name: round(float(np.mean([kendalltau(*pair).statistic for pair in zip(value, truth, strict=True)])), 3)
        for name, value in values.items()
    }


@torch.no_grad()
def shared(network: Supernet, images: Images, table: nasbench201.Table, cells: int = 200) -> float:
    """Kendall's tau of random cells' accuracies with the shared weights, on 1,000 images of the alpha half, with the table's."""
    network.eval()
    generator, known, found = torch.Generator().manual_seed(0), [], []
    images = mixed(images, generator)
    inputs, targets = next(batches.plain(images.images, images.labels, images.scored, 1000, images.data.mean, images.data.std))
    for _ in range(cells):
        cell = network.space.random(generator)
        known.append(table.accuracy(cell))
        found.append((network(inputs, network.space.path(cell)).argmax(1) == targets).float().mean().item())
    return round(float(kendalltau(known, found).statistic), 3)


def main() -> None:
    raw, seeds, variants, *changes = sys.argv[1:]
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    values, changed = params.read(), {key: yaml.safe_load(value) for key, value in (change.split("=") for change in changes)}
    values["study"]["bench_search"] |= changed
    resolver = settings.Resolver(values, "study", settings.top(values))
    table = nasbench201.load(values["bench"]["table"], values["bench"]["sha256"])
    data, split = cifar.read(raw, "cifar10", True), SplitParams(halves="balanced", seed=0)
    for seed in params.numbers(seeds):
        for variant in variants.split(","):
            search = resolver.bench(variant)
            space = registry.space(search.space, search.operations)
            images = halves(imageset.averaged(data, search.average, "average"), split, torch.device("cpu"))
            began = time.perf_counter()
            network, result = search_cifar.run(images, search, seed, f"{variant}/{seed}", NoCheckpoint())
            took, trace = time.perf_counter() - began, result.trace
            cell = space.derive(*(torch.from_numpy(trace[name]) for name in ("I_final", "alive_final")), search.zero_may_win)
            row = {"variant": variant, "seed": seed, **changed, "seconds": round(took), "cell": nasbench201.number(cell)}
            row |= {
                "test": table.accuracy(cell),
                "rank": table.rank(cell),
                "train": round(result.log.rows[-1]["train_accuracy"], 3),
            }
            row |= {
                "operations": nasbench201.format_cell(nasbench201.number(cell)),
                "tau": taus(trace, table.mean_with()),
                "shared": shared(network, images, table),
            }
            line = json.dumps(row)
            print(line, flush=True)
            OUT.parent.mkdir(exist_ok=True)
            with OUT.open("a") as file:  # several processes may write
                file.write(line + "\n")


if __name__ == "__main__":
    main()
