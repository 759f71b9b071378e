"""Which operations survive when the truth is known: ``python -m benchmarks.planted [SEEDS]``.

Algorithm 1 with everything but a network: the project's own draws, Adam, tallies, indicator, chain and prunes, with the numbers
of scale paper in params.yaml. Each operation of each edge is given a true quality. A batch's validation accuracy is a base curve
plus the qualities of the drawn operations, counted on 64 images. alpha has the gradient of eq. (5) through the weight of the
drawn operation, whose slope is the operation's quality with noise. Every reading of eq. (8) to (11) gets the same of both.

The qualities, the noise and the base curve are invented. What follows from counts alone, such as the range of S, carries over
to a search with a network; how well a reading finds the best operation does so only as far as the invention does.

Shapes: P readings, R seeds, N steps of an epoch, cells (2), E edges (14), O operations (8).
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from benchmarks import timing
from eoinas import files, formats, params
from eoinas import seeds as generators
from eoinas import settings as resolver
from eoinas.nas import gumbel, tally
from eoinas.spaces import registry
from eoinas.train import search

OUT = "reports/readings"
SEEDS = 12
STEPS = 391  # of an epoch: 25,000 images in batches of 64
BATCH = 64
POINT = 0.01
MARGIN = 1.5  # points by which one operation an edge is better, where the others are equal
SLOPE = 0.1  # sd of the loss's slope in the weight of a drawn operation, as in a supernet on digits in its first steps
CHANCE = 3.5


class World(NamedTuple):
    """What is planted."""

    qualities: str  # normal: N(0, 1 point) an operation | margin: one an edge is better by MARGIN points
    signal: float  # a quality of one point moves the slope by so many standard deviations of its noise, in a step
    title: str


WORLDS = {
    "normal": World("normal", 0.2, "Qualities N(0, 1 point), gradient with signal to noise 0.2 a point"),
    "margin": World(
        "margin", 0.2, f"One operation an edge better by {MARGIN:g} points, gradient with signal to noise 0.2 a point"
    ),
    "blind": World("normal", 0.0, "Qualities N(0, 1 point), gradient of noise alone"),
}


class Reading(NamedTuple):
    """A way to read the method."""

    changes: dict[str, object]  # of ``PLAIN``
    indicator: str = "oii"
    weight: float = 0.5  # lambda


PLAIN = {  # of the block `method` of params.yaml, given here so that another default there changes no number
    "accuracy_unit": "fraction",
    "accuracy_estimate": "running_mean",
    "epoch_unit": "epochs",
    "softmax_over": "live",
    "reset_tally_at_prune": False,
    "recompute_after_prune": True,
    "chain_step": 1,
    "sigma_first": [0.25, 0.25, 0.25, 0.25],
    "sigma_last": [0.4, 0.3, 0.2, 0.1],
}
BETA = "beta alone"
READINGS = {
    "plain": Reading({}),
    "percent": Reading({"accuracy_unit": "percent"}),
    "steps": Reading({"epoch_unit": "steps"}),
    "last batch": Reading({"accuracy_estimate": "last_batch"}),
    "softmax over all": Reading({"softmax_over": "all"}),
    "reset": Reading({"reset_tally_at_prune": True}),
    "percent, reset": Reading({"accuracy_unit": "percent", "reset_tally_at_prune": True}),
    "not recomputed": Reading({"recompute_after_prune": False}),
    "k = 20": Reading({"chain_step": 20}),
    "order 1": Reading({"sigma_first": [1.0], "sigma_last": [1.0]}),
    "lambda 0.1": Reading({}, weight=0.1),
    "lambda 5": Reading({}, weight=5.0),
    BETA: Reading({}, indicator="beta"),
}


class Schedule(NamedTuple):
    """How long; fewer steps an epoch leave alpha's drift and its noise over an epoch about as they are."""

    steps: int = STEPS

    def alpha_rate(self, paper: float) -> float:
        """Adam's rate: a walk of n steps is as wide as rate x sqrt(n)."""
        return paper * (STEPS / self.steps) ** 0.5

    def signal(self, paper: float) -> float:
        """Signal to noise of a step: that of n steps grows as sqrt(n)."""
        return paper * (STEPS / self.steps) ** 0.5


QUICK = Schedule(steps=20)


@cache
def paper_block() -> search.SearchParams:
    """params.yaml's numbers of scale paper."""
    return resolver.resolve(params.read(), "paper")["search/eoinas/0-3"].search


def build(reading: Reading, schedule: Schedule, seed: int) -> tuple[search.SearchParams, search.Architecture]:
    """Numbers of scale paper with the reading's changes, and a search at its start. The only place that makes either."""
    paper = paper_block()
    rate = schedule.alpha_rate(paper.alpha_learning_rate)
    changes = {**PLAIN, **reading.changes, "alpha_learning_rate": rate, "zero_may_win": True}  # no operation is special
    changes |= {"indicator": reading.indicator, "lambda": None if reading.indicator == "beta" else reading.weight}
    given = type(paper).model_validate({**paper.dumped(), **changes})
    return given, search.Architecture(registry.space(given.space, given.operations), given, seed)


def source_of(seed: int, *purpose: str | int) -> torch.Generator:
    """A generator for one purpose."""
    return generators.generator(seed, "planted", *purpose)


def qualities(world: World, shape: torch.Size, seed: int) -> Tensor:
    """The truth [2, E, O], as fractions."""
    source = source_of(seed, world.qualities)
    if world.qualities == "normal":
        return POINT * torch.randn(shape, generator=source)
    best = torch.randint(shape[-1], shape[:-1], generator=source)
    return MARGIN * POINT * one_hot(best, shape[-1]).float()


def base(epoch: int) -> float:
    """Validation accuracy of a network of average operations; with the best on every edge it ends below 1."""
    return 0.55 - 0.35 * 0.97**epoch


class Moment(NamedTuple):
    """What one search knew at a step of its chain, before the prune that may follow; each [2, E, O], NaN for the dead."""

    epoch: int
    prunes: int  # so far
    S: Tensor
    E: Tensor
    moved: Tensor  # I less I of the step before
    beta_moved: Tensor  # as much of it as is beta's
    die: Tensor
    stay: Tensor  # q_LL


class Course(NamedTuple):
    """One search."""

    truth: Tensor  # [2, E, O]
    alive: Tensor  # in the end [2, E, O]
    victims: Tensor  # of the seven prunes [7, 2, E]
    moments: list[Moment]
    prune_epochs: list[int]


class Follower:
    """One search's end of an epoch: what ``search.search`` does there, and notes of it."""

    def __init__(self, settings: search.SearchParams, architecture: search.Architecture, steps: int):
        self.settings, self.architecture, self.steps = settings, architecture, steps
        self.beta: Tensor | None = None  # of the step before, of the operations that were compared then
        self.moments: list[Moment] = []
        self.victims: list[Tensor] = []

    def epoch_ends(self, epoch: int, index: Tensor, accuracy: Tensor | None) -> None:
        """``index`` [N, 2, E] was drawn in an epoch; ``accuracy`` [N] is of its validation batches, None in the warm-up."""
        s, a = self.settings, self.architecture
        a.tally = tally.add_training(a.tally, index)
        if accuracy is None:
            return
        a.tally = tally.add_validation(a.tally, index, accuracy)
        if epoch % s.chain_step == 0:
            values, before = a.measure(self.steps), a.previous
            a.step_chain(values["I"])
            none = torch.full_like(values["I"], torch.nan)
            moved = none if before is None else values["I"] - before
            beta_moved = none if self.beta is None else values["beta"] - self.beta
            die, stay = a.chain.X[0, ..., 1], a.chain.Q[0, ..., 0, 0]
            die, stay = (each.masked_fill(~a.alive, torch.nan) for each in (die, stay))
            self.moments.append(Moment(epoch, a.prunes, values["S"], values["E"], moved, beta_moved, die, stay))
            self.beta = values["beta"]
        if epoch in s.prune_epochs:
            self.victims.append(a.prune(a.previous, self.steps))
            if s.recompute_after_prune:
                self.beta = a.measure(self.steps)["beta"]

    def course(self, truth: Tensor) -> Course:
        """All of it, of a search on ``truth`` [2, E, O]."""
        return Course(truth, self.architecture.alive, torch.stack(self.victims), self.moments, self.settings.prune_epochs)


def simulate(readings: Sequence[Reading], world: World, seeds: Sequence[int], schedule: Schedule) -> list[list[Course]]:
    """One search a reading and seed, [P][R], on the same draws a seed.

    All run at once: alpha [P, R, 2, E, O] is stepped together, for a step's cost is its calls; the rest is each search's own.
    """
    built = [[build(reading, schedule, seed) for seed in seeds] for reading in readings]
    followers = [[Follower(*one, schedule.steps) for one in row] for row in built]
    settings = built[0][0][0]  # readings agree in what is used of it here
    alpha = nn.Parameter(stack(followers, lambda one: one.alpha.detach()))
    for parts, row in zip(alpha.data, followers, strict=True):
        for part, follower in zip(parts, row, strict=True):
            follower.architecture.alpha.data = part  # the same memory
    rate, betas, decay = settings.alpha_learning_rate, tuple(settings.alpha_betas), settings.alpha_weight_decay
    optimizer = torch.optim.Adam([alpha], rate, betas, weight_decay=decay)
    truth = torch.stack([qualities(world, alpha.shape[2:], seed) for seed in seeds])
    for epoch in range(1, settings.epochs + 1):
        temperature = settings.temperature_at(epoch)
        alive = stack(followers, lambda one: one.alive)
        sources = [source_of(seed, "steps", epoch) for seed in seeds]
        tau = torch.stack([gumbel.noise((schedule.steps, *alive.shape[2:]), source) for source in sources], 1)  # [N, R, 2, E, O]
        if epoch <= settings.warmup:
            index = gumbel.relax(alpha.detach()[0], alive[0], tau, temperature).argmax(-1)
            index = index[:, None].expand(-1, len(readings), -1, -1, -1)
            chance = None
        else:
            noise = torch.stack([torch.randn(tau.shape[:1] + tau.shape[2:-1], generator=source) for source in sources], 1)
            signal = schedule.signal(world.signal) * (truth - mean_of_live(truth, alive)) / POINT
            index = alpha_steps(alpha, optimizer, alive, tau, temperature, signal, noise)  # [N, P, R, 2, E]
            drawn = truth.expand(*index.shape, -1).gather(-1, index[..., None])
            chance = base(epoch) + drawn.sum((-3, -2, -1))  # [N, P, R]
        for i, row in enumerate(followers):
            for j, follower in enumerate(row):
                source = source_of(seeds[j], "accuracy", epoch)  # the same for every reading
                accuracy = None if chance is None else batch_accuracy(chance[:, i, j], source)
                follower.epoch_ends(epoch, index[:, i, j], accuracy)
    return [[follower.course(each) for each, follower in zip(truth, row, strict=True)] for row in followers]


def stack(followers: list[list[Follower]], value: Callable[[search.Architecture], Tensor]) -> Tensor:
    """A value of every search, [P, R, 2, E, O]."""
    return torch.stack([torch.stack([value(one.architecture) for one in row]) for row in followers])


def alpha_steps(
    alpha: nn.Parameter,
    optimizer: torch.optim.Adam,
    alive: Tensor,
    tau: Tensor,
    temperature: float,
    signal: Tensor,
    noise: Tensor,
) -> Tensor:
    """The architecture steps of an epoch, which move ``alpha`` [P, R, 2, E, O]; returns what was drawn [N, P, R, 2, E].

    Args:
        tau: [N, R, 2, E, O]. signal: [P, R, 2, E, O]. noise: [N, R, 2, E].

    The loss falls by SLOPE x (signal + noise) as the weight of the drawn operation d grows, and that weight's gradient is the one
    of eq. (5): dh_d / dalpha_o = h_d ((o = d) - h_o) / T. Its norm is far below the one at which gradients are clipped.
    """
    drawn = []
    for each, rough in zip(tau, noise, strict=True):
        h = gumbel.relax(alpha.detach(), alive, each, temperature)
        index = h.argmax(-1, keepdim=True)
        pull = (signal.gather(-1, index) + rough[..., None]) * h.gather(-1, index) * (SLOPE / temperature)
        alpha.grad = (pull * h).scatter_add_(-1, index, -pull)
        optimizer.step()
        drawn.append(index.squeeze(-1))
    return torch.stack(drawn)


def mean_of_live(values: Tensor, alive: Tensor) -> Tensor:
    """[..., O] to [..., 1]: a gradient tells operations apart, it does not know what they have in common."""
    return values.masked_fill(~alive, 0.0).sum(-1, keepdim=True) / alive.sum(-1, keepdim=True)


def batch_accuracy(chance: Tensor, source: torch.Generator) -> Tensor:
    """Fractions [N] of BATCH images that are right, each with its batch's ``chance`` [N]."""
    return torch.binomial(torch.full_like(chance, BATCH), chance.clamp(POINT, 1 - POINT), generator=source) / BATCH


# What is measured of a course, in windows: the steps before the first, the fourth and the last prune, 8, 5 and 2 operations live.

WINDOWS = {"early": 0, "middle": 3, "late": 6}


def rank(course: Course) -> float:
    """Mean rank of the survivors by truth: 0 the best of 8, 3.5 chance; of equals the mean of their ranks."""
    own = course.truth[course.alive][:, None]  # [28, 1]
    others = course.truth.flatten(0, -2)  # [28, O]
    return float(((others > own).sum(-1) + ((others == own).sum(-1) - 1) / 2).mean())


def best_kept(course: Course) -> float:
    """Share of the edges whose best operation survives."""
    return float((course.truth.argmax(-1) == course.alive.int().argmax(-1)).double().mean())


def _window(course: Course, prunes: int) -> list[Moment]:
    return [moment for moment in course.moments if moment.prunes == prunes]


def _spread(values: Tensor) -> Tensor:
    """Range over the live operations [...]."""
    return values.nan_to_num(-torch.inf).amax(-1) - values.nan_to_num(torch.inf).amin(-1)


def range_of_s(course: Course, prunes: int) -> float:
    """max S - min S of an edge, the mean over edges and steps."""
    return float(torch.stack([_spread(moment.S) for moment in _window(course, prunes)]).mean())


def agreement(course: Course, prunes: int | None = None) -> float:
    """Share of the movements of I that have the sign of beta's, of edges with a choice; of all steps, or of a window."""
    moments = (
        [moment for moment in course.moments if moment.prunes < len(course.prune_epochs)]
        if prunes is None
        else _window(course, prunes)
    )
    same = [torch.sign(moment.moved) == torch.sign(moment.beta_moved) for moment in moments]
    known = [torch.isfinite(moment.moved) & torch.isfinite(moment.beta_moved) for moment in moments]
    found, count = torch.stack(same) & torch.stack(known), torch.stack(known).sum()
    return float(found.sum() / count) if count else float("nan")


def correlation(course: Course, prunes: int, name: str) -> float:
    """Of S with the truth or with E (``name``), within edges, at the end of a window."""
    moment = _window(course, prunes)[-1]
    live = torch.isfinite(moment.S)
    parts = []
    for values in (moment.S, course.truth.double() if name == "truth" else moment.E):
        values = values.masked_fill(~live, 0.0)
        parts.append((values - mean_of_live(values, live))[live])
    return float(torch.corrcoef(torch.stack(parts))[0, 1])


def ties(course: Course) -> list[float]:
    """For each prune the share of the edges on which more than one operation has the highest Die probability."""
    worst = [moment.die == moment.die.nan_to_num(-torch.inf).amax(-1, keepdim=True) for moment in _before_prunes(course)]
    return [float((each.sum(-1) > 1).double().mean()) for each in worst]


def saturated(course: Course) -> list[float]:
    """For each prune the share of the live operations whose q_LL is 0 or 1."""
    stay = [moment.stay[torch.isfinite(moment.stay)] for moment in _before_prunes(course)]
    return [float(((each == 0) | (each == 1)).double().mean()) for each in stay]


def _before_prunes(course: Course) -> list[Moment]:
    return [next(moment for moment in reversed(course.moments) if moment.epoch <= epoch) for epoch in course.prune_epochs]


def measure(course: Course, other: Course) -> dict[str, float | list[float]]:
    """All numbers of one search; ``other`` is the one by beta alone on the same qualities."""
    windows = {}
    for window, prunes in WINDOWS.items():
        windows[f"range of S, {window}"] = range_of_s(course, prunes)
        windows[f"agreement, {window}"] = agreement(course, prunes)
        windows[f"S with truth, {window}"] = correlation(course, prunes, "truth")
        windows[f"S with E, {window}"] = correlation(course, prunes, "E")
    return {
        "rank": rank(course),
        "best kept": best_kept(course),
        "survivor as beta's": float((course.alive & other.alive).sum() / course.alive.sum()),
        "first victim as beta's": float((course.victims[0] == other.victims[0]).double().mean()),
        "agreement": agreement(course),
        **windows,
        "ties": ties(course),
        "saturated": saturated(course),
    }


def compare(courses: dict[str, list[Course]]) -> dict[str, list[dict]]:
    """The numbers of every reading and seed."""
    return {name: [measure(*pair) for pair in zip(row, courses[BETA], strict=True)] for name, row in courses.items()}


# The report.


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half of its 95 % interval (Student's t)."""
    from scipy.stats import t

    values = np.asarray(values)
    return float(values.mean()), float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def _mean(found: list[dict], name: str, form: str) -> str:
    values = [one[name] for one in found]
    return format(float(np.mean(values)), form).replace("-", "\N{MINUS SIGN}") if np.isfinite(values).all() else "–"


def _with_interval(values: Sequence[float], form: str = ".2f") -> str:
    mean, half = interval(values)
    return f"{mean:{form}} ± {half:{form}}".replace("-", "\N{MINUS SIGN}")


def survivors(found: dict[str, list[dict]]) -> list[str]:
    """A table: what survives, a reading a line; differences are taken seed by seed."""
    columns = ("mean rank of the survivor", "less that by beta alone", "best survives", "same survivor as by beta alone")
    lines = []
    for name, runs in found.items():
        less = [run["rank"] - beta["rank"] for run, beta in zip(runs, found[BETA], strict=True)]
        cells = [_with_interval([run["rank"] for run in runs]), _with_interval(less), _mean(runs, "best kept", ".0%")]
        lines.append([name, *cells, _mean(runs, "survivor as beta's", ".0%")])
    return timing.table(("reading", *columns), lines)


def chains(found: dict[str, list[dict]]) -> list[str]:
    """A table: what the decisions rest on, a reading a line, the seven prunes."""
    lines = []
    for name, runs in found.items():
        cells = [
            " / ".join(f"{100 * share:.0f}" for share in np.mean([run[kind] for run in runs], 0))
            for kind in ("ties", "saturated")
        ]
        lines.append([name, *cells, _mean(runs, "first victim as beta's", ".0%")])
    return timing.table(("reading", "ties, %", "q_LL at 0 or 1, %", "same first victim as by beta alone"), lines)


def indicators(found: dict[str, list[dict]]) -> list[str]:
    """A table: what S does, a reading a line, early / middle / late."""
    columns = ("reading", "range of S on an edge", "sign(dI) = sign(d beta)", "corr(S, truth)", "corr(S, E)")
    lines = []
    for name, runs in found.items():
        kinds = {"range of S": ".2g", "agreement": ".1%", "S with truth": ".2f", "S with E": ".2f"}
        cells = [" / ".join(_mean(runs, f"{kind}, {window}", form) for window in WINDOWS) for kind, form in kinds.items()]
        lines.append([name, *cells])
    return timing.table(columns, lines)


HEAD = """# How the readings of eq. (8) to (11) do on planted qualities

Written by `python -m benchmarks.planted`, whose head says what is simulated: Algorithm 1 with the project's code and the numbers
of scale `paper`, and no network. {n} seeds a reading, the same qualities and the same noise for all. The qualities, the
gradient's signal and the accuracies are invented; the counts, and what follows from them, are not.

* Rank: the survivor's by true quality among the eight of its edge, 0 the best, {chance:g} chance. ± is half of a 95 % interval of
  the mean over seeds.
* Early, middle, late: the steps before the first, the fourth and the last prune, with eight, five and two live operations.
* {beta}: importance is beta of eq. (2), as in Table III's row without OII; its S is computed and not used.
* sign(dI) = sign(d beta): how many movements of I from one step of the chain to the next have the sign of beta's.
* Correlations of S are those within an edge, at the end of a window: with the truth, and with E, which counts the draws.
* Ties: edges on which several operations have the highest Die probability at a prune, so that of these the lower I dies.
* q_LL at 0 or 1: how many of the live operations have a matrix that can go no further at a prune.

The zero operation is one like the others here and may win. The readings:

{readings}

{machine}
"""


def markdown(value: dict) -> str:
    """The report."""
    lines = [[name, "; ".join(f"`{key}: {each}`" for key, each in made.items())] for name, made in value["readings"].items()]
    machine = ", ".join(f"{name} {setting}" for name, setting in value["machine"].items())
    readings = "\n".join(timing.table(("reading", "`method`, what differs from the first line"), lines))
    parts = [HEAD.format(n=value["n"], chance=CHANCE, beta=BETA, readings=readings, machine=f"Measured on: {machine}.")]
    for world, found in value["found"].items():
        parts += [f"## {WORLDS[world].title}", *("\n".join(table(found)) for table in (survivors, indicators, chains))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def changes(reading: Reading) -> dict[str, object]:
    """What a reading changes, or what the plain one has, in the words of params.yaml."""
    found = {key: str(value).lower() if isinstance(value, bool) else value for key, value in reading.changes.items()}
    if reading == READINGS["plain"]:
        found = changes(Reading(PLAIN)) | {"lambda": reading.weight}
    found |= {"indicator": reading.indicator} if reading.indicator != "oii" else {}
    return found | ({"lambda": reading.weight} if reading.weight != 0.5 else {})


def numbers(runs: list[dict]) -> dict[str, object]:
    """One reading's for JSON: seed by seed what is compared between readings, of all else the mean; None where there is none."""
    found = {}
    for name, first in runs[0].items():
        values = np.asarray([run[name] for run in runs])
        mean = [float(f"{each:.4g}") if np.isfinite(each) else None for each in np.atleast_1d(values.mean(0))]
        found[name] = mean if isinstance(first, list) else mean[0]
        if name in ("rank", "best kept"):
            found[f"{name}, each seed"] = [round(each, 4) for each in values.tolist()]
    return found


def main() -> None:
    torch.set_num_threads(1)
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
    start, found = time.perf_counter(), {}
    for world in WORLDS:
        courses = simulate(list(READINGS.values()), WORLDS[world], seeds, Schedule())
        found[world] = compare(dict(zip(READINGS, courses, strict=True)))
        print(f"{world}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    value = {
        "n": len(seeds),
        "machine": timing.machine(),
        "seconds": round(time.perf_counter() - start),
        "worlds": {name: world._asdict() for name, world in WORLDS.items()},
        "readings": {name: changes(reading) for name, reading in READINGS.items()},
        "found": found,
    }
    text = markdown(value)
    short = {world: {name: numbers(runs) for name, runs in each.items()} for world, each in found.items()}
    formats.write_json(f"{OUT}/planted.json", {**value, "found": short})
    files.write_text(f"{OUT}/README.md", text)
    print(text)


if __name__ == "__main__":
    main()
