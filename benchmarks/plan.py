"""A plan before the money is spent: how long a scale takes on 1 to 256 GPUs. Usage: python -m benchmarks.plan [SCALE [GPUS]]

The graph is DVC's, the order is the driver's (``eoinas.fan``), what each stage takes stands in resources.yaml. How long a stage
takes is what it took when it ran last in this checkout, or else comes from the steps that ``make gpu`` timed at this scale, or
else is counted (``benchmarks.work``) at so many TFLOP/s a GPU: on several GPUs a stage is as much faster, on a share of one as
much slower. GPUS is such as 8,64,256. Written to reports/plan/.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks import gpu, work
from eoinas import files, formats, params, settings
from eoinas.errors import InputError
from eoinas.fan import driver, graph, plan, resources

OUT = Path("reports/plan")
GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
HOUR = 3600.0
ITEMS = ("search_seeds", "retrain_runs", "bench_seeds")  # keys whose items are stages
WIDE = [
    *((f"{stage}@*", resources.Need(gpu=8.0, cpu=64)) for stage in ("imagenet", "seg_pretrain")),
    ("seg_train*@*", resources.Need(gpu=4.0, cpu=32)),
]
# Stages of one kind by the kind.
SAME = {"retrain_random": "retrain_seeds", "seg_train_scratch": "seg_train", "seg_train_pretrained": "seg_train"}


class Case(NamedTuple):
    """A way to divide the work."""

    title: str
    needs: graph.Needs
    takes: dict[str, resources.Need]
    seconds: dict[str, float]
    outcomes: list[plan.Outcome]


def values_of(scale: str, split: bool) -> dict:
    """params.yaml with another scale chosen; ``split``: every seed and every run is a stage."""
    values = {**params.read(), "scale": scale}
    if split:
        values |= {key: [str(number) for item in values[key] for number in params.numbers(item)] for key in ITEMS}
    return values


def graph_of(values: dict) -> graph.Needs:
    """The stages as DVC sees them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy("dvc.yaml", folder)
        (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
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


def idle(needs: graph.Needs, values: dict) -> set[str]:
    """The searches that the scale leaves out."""
    resolved = settings.resolve(values, values["scale"])
    names = {stage: stage.partition("@")[2].split("-", 2)[1:] for stage in needs if kind(stage) == "bench_search"}
    return {stage for stage, (variant, item) in names.items() if not resolved[f"bench/{variant}/{item}"].seeds}


class Timed(NamedTuple):
    """What ``make gpu`` has found out."""

    device: str
    seconds: dict[str, float]  # of one run of a kind of stage


def timed(scale: str, folder: Path) -> Timed | None:
    """Of the report in ``folder``, if it is there and of this scale."""
    path = folder / "gpu.json"
    if scale != gpu.GPU.scale or not path.exists():
        return None
    value = formats.read_json(path)
    rows = value["parts"].get("hours", {}).get("rows", [])
    if not rows or "device" not in value["machine"]:
        return None
    return Timed(value["machine"]["device"], {row["stage"]: HOUR * row["hours"] / row["runs"] for row in rows if "hours" in row})


def counted(needs: graph.Needs, takes: dict[str, resources.Need], values: dict, steps: Timed | None) -> dict[str, float]:
    """Seconds of each stage by its steps or its work, shared evenly by the stages of a kind; a minute where none is counted."""
    known = steps.seconds if steps else {}
    speed = work.SUSTAINED * 1e12
    total = {row.stage: row.count * known.get(row.stage, row.total / speed) for row in work.rows(values["scale"])}
    none = idle(needs, values)
    kinds = [kind(stage) for stage in needs if stage not in none]
    found = dict.fromkeys(none, 1.0)
    for stage in (stage for stage in needs if stage not in none):
        share = total.get(kind(stage), 0.0) / kinds.count(kind(stage))
        found[stage] = share / (takes[stage].gpu or 1.0) or 60.0
    return found


def hours(seconds: float) -> str:
    """As a table has it."""
    return f"{seconds / HOUR:,.1f}"


def case(title: str, scale: str, wide: bool, numbers: list[int], steps: Timed | None) -> Case:
    """The graph imagined on each of ``numbers`` GPUs that has room for its largest stage."""
    values = values_of(scale, split=wide)
    needs = graph_of(values)
    takes = resources.of(needs, (WIDE if wide else []) + resources.read())
    seconds = counted(needs, takes, values, steps)
    if not wide:
        seconds |= {stage: took for stage, took in driver.known_seconds().items() if stage in needs}
    largest = max(need.gpu for need in takes.values())
    if max(numbers) < largest:
        raise InputError(f"numbers of GPUs: one of at least {largest:g}, which a stage takes in the case '{title}'")
    return Case(title, needs, takes, seconds, [plan.imagined(needs, takes, seconds, n) for n in numbers if n >= largest])


def page(scale: str, cases: list[Case], known: int, steps: Timed | None) -> str:
    """reports/plan/SCALE.md."""
    counted = f"by their counted work, at a sustained {work.SUSTAINED:g} TFLOP/s a GPU"
    if steps:
        counted = f"by their steps as [timed](../gpu/README.md) on one {steps.device}"
    bound = "what several searches on a GPU gain is left out" if steps else "small kernels make searches longer than that"
    lines = [
        f"# How long scale {scale} takes on so many GPUs",
        "",
        f"Imagined, not run: the driver's own schedule, with the durations of {known} stages as they ran last in the checkout "
        f"and of the others {counted}. On several GPUs a stage is "
        f"taken to be as many times faster, on a share of one as much slower; {bound}. Made by `make plan`.",
        "",
        f"![Hours and idle share against the number of GPUs]({scale}.png)",
    ]
    for each in cases:
        path = plan.longest_path(each.needs, each.seconds)
        bound = sum(each.seconds[stage] for stage in path)
        lines += [
            "",
            f"## {each.title}",
            "",
            f"{len(each.needs)} stages, {hours(each.outcomes[0].busy)} GPU-hours that they hold. The longest path is "
            f"{hours(bound)} hours: no number of GPUs is faster.",
            "",
            "| GPUs | hours | idle share of the GPUs |",
            "| --- | --- | --- |",
            *(f"| {one.gpus} | {hours(one.makespan)} | {100 * one.idle:.0f} % |" for one in each.outcomes),
            "",
            "| longest path | hours | GPUs |",
            "| --- | --- | --- |",
        ]
        long = [stage for stage in path if each.seconds[stage] > HOUR / 20]
        lines += [f"| `{stage}` | {hours(each.seconds[stage])} | {each.takes[stage].gpu:g} |" for stage in long]
    return "\n".join(lines) + "\n"


def draw(scale: str, cases: list[Case]) -> None:
    """Hours above, idle share below."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(7, 6), height_ratios=(2, 1), layout="constrained")
    for number, (each, marker) in enumerate(zip(cases, "os", strict=True)):
        gpus, colour = [one.gpus for one in each.outcomes], f"C{number}"
        above.loglog(gpus, [one.makespan / HOUR for one in each.outcomes], f"{marker}-", color=colour, label=each.title)
        path = sum(each.seconds[stage] for stage in plan.longest_path(each.needs, each.seconds))
        above.axhline(path / HOUR, color=colour, linestyle="--", linewidth=1, label="its longest path")
        below.semilogx(gpus, [100 * one.idle for one in each.outcomes], f"{marker}-", color=colour)
    every = cases[0].outcomes
    shared = [one.busy / one.gpus / HOUR for one in every]
    above.loglog([one.gpus for one in every], shared, ":", color="0.5", label="all work shared evenly")
    above.set_ylabel("hours")
    above.set_title(f"scale {scale}, imagined", loc="left")
    above.legend(frameon=False, fontsize="small")
    ticks = [one.gpus for one in every]
    below.set(ylabel="idle share, %", xlabel="GPUs", ylim=(0, 100), xticks=ticks, xticklabels=ticks)
    below.minorticks_off()
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    with files.replacing(OUT / f"{scale}.png") as path:
        figure.savefig(path, dpi=150, format="png", metadata={"Software": None})


def main() -> None:
    scale = params.choice(sys.argv[1] if len(sys.argv) > 1 else params.BASE, settings.scales(params.read()), "scale")
    given = sys.argv[2].split(",") if len(sys.argv) > 2 else []
    if not all(number.isdecimal() and int(number) for number in given):
        raise InputError(f"numbers of GPUs, such as 1,4,16, not '{sys.argv[2]}'")
    numbers = [int(number) for number in given] or list(GPUS)
    steps = timed(scale, gpu.OUT)
    cases = [
        case("As params.yaml and resources.yaml have it", scale, False, numbers, steps),
        case("Every seed and run a stage, ImageNet and Cityscapes on several GPUs", scale, True, numbers, steps),
    ]
    known = len(driver.known_seconds().keys() & cases[0].needs.keys())
    text = page(scale, cases, known, steps)
    print(text)
    files.write_text(OUT / f"{scale}.md", text)
    draw(scale, cases)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
