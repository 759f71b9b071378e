"""A plan before the money is spent: how long a scale takes on 1 to 256 GPUs. Usage: python -m benchmarks.plan [SCALE [GPUS]]

The graph is DVC's, the order is the driver's (``eoinas.fan``), what each stage takes stands in resources.yaml. How long a stage
takes is what it took when it ran last in this checkout, or else is counted (``benchmarks.work``) at so many TFLOP/s a GPU; a
stage that takes several GPUs is as much faster. GPUS is such as 8,64,256. Written to reports/plan/.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks import work
from eoinas import files, params
from eoinas.errors import InputError
from eoinas.fan import driver, graph, plan, resources

OUT = Path("reports/plan")
GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
HOUR = 3600.0
# Stages of one kind by the kind.
SAME = {"retrain_random": "retrain_seeds", "seg_train_scratch": "seg_train", "seg_train_pretrained": "seg_train"}


def graph_of(scale: str) -> graph.Needs:
    """The stages of a scale, whichever params.yaml has chosen."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy("dvc.yaml", folder)
        (folder / "params.yaml").write_text(yaml.safe_dump({**params.read(), "scale": scale}, sort_keys=False))
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
        done = subprocess.run([*graph.DVC, "dag", "--dot"], cwd=folder, capture_output=True, text=True, check=True)
    return graph.parsed(done.stdout)


def kind(stage: str) -> str:
    """The row of ``benchmarks.work`` that a stage belongs to, if any."""
    name, _, items = stage.partition("@")
    if name == "retrain":
        return f"retrain_{items.split('-')[1]}"
    return SAME.get(name, name)


def counted(needs: graph.Needs, takes: dict[str, resources.Need], scale: str) -> dict[str, float]:
    """Seconds of each stage by its work, shared evenly by the stages of a kind; a minute where none is counted."""
    total = {row.stage: row.total * row.count for row in work.rows(scale)}
    kinds = [kind(stage) for stage in needs]
    found = {}
    for stage in needs:
        share = total.get(kind(stage), 0.0) / kinds.count(kind(stage))
        found[stage] = share / (work.SUSTAINED * 1e12) / max(1.0, takes[stage].gpu) or 60.0
    return found


def hours(seconds: float) -> str:
    """As a table has it."""
    return f"{seconds / HOUR:,.1f}"


def page(scale: str, found: list[plan.Outcome], path: list[str], seconds: dict[str, float], known: int) -> str:
    """reports/plan/SCALE.md."""
    bound, busy = sum(seconds[stage] for stage in path), found[0].busy
    lines = [
        f"# How long scale {scale} takes on so many GPUs",
        "",
        f"Imagined, not run: the driver's own schedule with the durations of {known} stages as they ran last in the checkout and "
        f"of {len(seconds) - known} by their counted work, at a sustained {work.SUSTAINED:g} TFLOP/s a GPU. Searches take "
        f"longer, for launches of small kernels bound them. Made by `make plan`; what a stage takes stands in `resources.yaml`.",
        "",
        f"{len(seconds)} stages, {hours(busy)} GPU-hours that stages hold. The longest path is {hours(bound)} hours: no "
        f"number of GPUs is faster.",
        "",
        f"![Hours and idle share against the number of GPUs]({scale}.png)",
        "",
        "| GPUs | hours | times faster than one | idle share of the GPUs |",
        "| --- | --- | --- | --- |",
        *(
            f"| {each.gpus} | {hours(each.makespan)} | {found[0].makespan / each.makespan:.1f} | {100 * each.idle:.0f} % |"
            for each in found
        ),
        "",
        "The longest path:",
        "",
        "| stage | hours | GPUs |",
        "| --- | --- | --- |",
    ]
    return "\n".join(lines) + "\n"


def draw(scale: str, found: list[plan.Outcome], bound: float) -> None:
    """Hours above, idle share below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(7, 5.5), height_ratios=(2, 1), layout="constrained")
    gpus = [each.gpus for each in found]
    above.loglog(gpus, [each.makespan / HOUR for each in found], "o-", label="the driver's schedule")
    above.loglog(gpus, [each.busy / each.gpus / HOUR for each in found], ":", color="0.5", label="all work shared evenly")
    above.axhline(bound / HOUR, color="C3", linestyle="--", label="the longest path")
    above.set_ylabel("hours")
    above.set_title(f"scale {scale}, imagined", loc="left")
    above.legend(frameon=False)
    below.semilogx(gpus, [100 * each.idle for each in found], "o-")
    below.set(ylabel="idle share, %", xlabel="GPUs", ylim=(0, 100), xticks=gpus, xticklabels=gpus)
    below.minorticks_off()
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    with files.replacing(OUT / f"{scale}.png") as path:
        figure.savefig(path, dpi=150, format="png", metadata={"Software": None})


def main() -> None:
    scale = sys.argv[1] if len(sys.argv) > 1 else params.BASE
    numbers = [int(number) for number in sys.argv[2].split(",")] if len(sys.argv) > 2 else list(GPUS)
    needs = graph_of(scale)
    takes = resources.of(needs, resources.read())
    known = {stage: took for stage, took in driver.known_seconds().items() if stage in needs}
    seconds = {**counted(needs, takes, scale), **known}
    found = []
    for gpus in numbers:
        try:
            found.append(plan.imagined(needs, takes, seconds, gpus))
        except InputError as error:
            print(f"{gpus} GPUs: {error}")
    path = plan.longest_path(needs, seconds)
    rows = [f"| `{stage}` | {hours(seconds[stage])} | {takes[stage].gpu:g} |" for stage in path if seconds[stage] > HOUR / 20]
    text = page(scale, found, path, seconds, len(known)) + "\n".join(rows) + "\n"
    print(text)
    files.write_text(OUT / f"{scale}.md", text)
    draw(scale, found, sum(seconds[stage] for stage in path))


if __name__ == "__main__":
    main()
