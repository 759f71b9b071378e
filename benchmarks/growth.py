"""How the search step's time and memory grow with its size: ``python -m benchmarks.growth``.

From a small step one number at a time is raised, each case in a fresh process, so that its memory is its own. An exponent is the
slope of a straight line through the points in logarithms: 1 doubles with the number.
"""

import json
import subprocess
import sys

import numpy as np

from benchmarks import search_step, timing
from benchmarks.search_step import Case
from eoinas.models.ops import PAPER as OPERATIONS

BASE = Case(C=16, cells=5, batch=16, size=32)
AXES = {
    "C": (8, 16, 32, 64),
    "cells": (3, 5, 8, 14),
    "batch": (8, 16, 32, 64),
    "size": (16, 32, 48, 64),
    "live": (1, 2, 4, len(OPERATIONS)),
}
LABELS = {
    "C": "channels of the first cell",
    "cells": "cells",
    "batch": "batch",
    "size": "side of the images, pixels",
    "live": "live operations an edge",
}
FAST, SOFT = "fast, one operation", "plain, soft sum"
TURNS = {FAST: 4, SOFT: 2}


def measure(version: str, case: Case) -> None:
    """In a process of its own: the median time of an iteration in seconds and the memory in MB, printed as JSON."""
    timing.threads()
    before = timing.resident()
    work = search_step.works(search_step.networks(case), case.live)[version]
    seconds = timing.interleave({version: work}, TURNS[version])[version]
    print(json.dumps({"seconds": timing.spread(seconds).median, "MB": timing.peak() - before}))


def point(version: str, axis: str, value: int) -> dict:
    """A case in a fresh process."""
    case = BASE._replace(**{axis: value})
    command = [sys.executable, "-m", "benchmarks.growth", version, *map(str, case)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"version": version, "axis": axis, "value": value, **found}


def exponent(points: list[dict], quantity: str) -> float:
    """Slope in logarithms."""
    values, found = np.log([point["value"] for point in points]), np.log([point[quantity] for point in points])
    return float(np.polyfit(values, found, 1)[0])


def plot(points: list[dict]) -> None:
    """reports/performance/growth.png: time above, memory below, a column an axis."""
    import matplotlib

    matplotlib.use("Agg")
    import pandas as pd
    import seaborn as sns
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    sns.set_theme(style="whitegrid")
    frame = pd.DataFrame(points)
    figure, axes = plt.subplots(2, len(AXES), figsize=(3.2 * len(AXES), 6), layout="constrained")
    for column, axis in enumerate(AXES):
        for row, (quantity, label) in enumerate({"seconds": "seconds an iteration", "MB": "memory, MB"}.items()):
            chosen, place = frame[frame["axis"] == axis], axes[row, column]
            legend = "auto" if axis == "live" and not row else False
            sns.lineplot(chosen, x="value", y=quantity, hue="version", marker="o", ax=place, legend=legend)
            place.set(xscale="log", yscale="log", xlabel=LABELS[axis], ylabel=label)
            place.set_xticks(AXES[axis], labels=map(str, AXES[axis]))
            place.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 3, 5)))
            place.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
            place.minorticks_off()
    axes[0, -1].get_legend().remove()
    figure.legend(*axes[0, -1].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(timing.OUT / "growth.png", dpi=100, metadata={"Software": None})


def main() -> None:
    if len(sys.argv) > 1:
        return measure(sys.argv[1], Case(*map(int, sys.argv[2:])))
    base = ", ".join(f"{name} {value}" for name, value in BASE._asdict().items())
    report = timing.Report("growth", f"Growth of the search step from {base}", dtype="float32", threads=timing.threads())
    points = []
    for axis, values in AXES.items():
        for version in (FAST, SOFT) if axis == "live" else (FAST,):
            found = [point(version, axis, value) for value in values]
            points += found
            cells = {"number": LABELS[axis], "version": version, "from": values[0], "to": values[-1]}
            for quantity in ("seconds", "MB"):
                cells[f"{quantity}, exponent"] = exponent(found, quantity)
                cells[quantity] = ", ".join(f"{each[quantity]:.3g}" for each in found)
            report.row(**cells)
    report.data = points
    report.write()
    plot(points)


if __name__ == "__main__":
    main()
