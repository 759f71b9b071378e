"""Algorithm 1 on planted qualities: what docs/readings.md says of each reading, with fewer steps an epoch than the paper's."""

import pytest
import torch
from torch import nn

from benchmarks import planted
from benchmarks.planted import BETA, QUICK, READINGS, WORLDS, Course, Moment, Schedule, World
from eoinas.code import ROOT
from eoinas.nas import gumbel, tally

SEEDS = range(2)
NAMES = ("plain", "percent", "steps", "reset", "k = 20", BETA)
Runs = dict[str, list[Course]]


@pytest.fixture(autouse=True, scope="module")
def project():
    """params.yaml is read from the folder in which the process is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield


@pytest.fixture(scope="module")
def runs(project: None) -> Runs:
    """Qualities N(0, 1 point), a gradient that knows them."""
    return dict(zip(NAMES, planted.simulate([READINGS[name] for name in NAMES], WORLDS["normal"], SEEDS, QUICK), strict=True))


def mean(courses: list[Course], measure: object, *arguments: object) -> float:
    """Over the seeds."""
    return sum(measure(course, *arguments) for course in courses) / len(courses)


def window(courses: list[Course], measure: object, *arguments: object) -> list[float]:
    """Early, middle, late."""
    return [mean(courses, measure, prunes, *arguments) for prunes in planted.WINDOWS.values()]


def test_every_search_ends_with_one_operation_an_edge(runs: Runs) -> None:
    for name, courses in runs.items():
        for course in courses:
            assert (course.alive.sum(-1) == 1).all()
            assert course.victims.shape == (7, 2, 14)
            assert course.prune_epochs == [40, 60, 80, 100, 120, 140, 160]
            epochs = [moment.epoch for moment in course.moments]
            assert epochs == (course.prune_epochs if name == "k = 20" else list(range(21, 161)))


def test_a_clearly_better_operation_survives_where_the_gradient_knows_it() -> None:
    for signal, low, high in ((WORLDS["margin"].signal, 0.95, 1), (0.0, 0, 0.5)):
        world = World("margin", signal, "")
        for courses in planted.simulate([READINGS["plain"], READINGS[BETA]], world, SEEDS[:1], Schedule(steps=8)):
            assert low <= mean(courses, planted.best_kept) <= high


def test_plain_indicator_hardly_differs_and_moves_as_beta(runs: Runs) -> None:
    assert all(0.0005 < value < 0.01 for value in window(runs["plain"], planted.range_of_s))
    early, middle, late = window(runs["plain"], planted.agreement)
    assert early > 0.75
    assert 0.95 < middle < 1
    assert 0.93 < late < 1
    assert mean(runs["plain"], planted.rank) < 0.6


def test_beta_alone_moves_as_beta(runs: Runs) -> None:
    assert window(runs[BETA], planted.agreement) == [1.0, 1.0, 1.0]
    assert mean(runs[BETA], planted.rank) < 0.6


def test_steps_leave_nothing_of_the_indicator(runs: Runs) -> None:
    assert all(value < 0.0005 for value in window(runs["steps"], planted.range_of_s))
    assert mean(runs["steps"], planted.agreement) > 0.99


def test_percent_gives_the_indicator_the_decision_and_loses_the_best(runs: Runs) -> None:
    assert all(0.15 < value < 0.9 for value in window(runs["percent"], planted.range_of_s))
    assert mean(runs["percent"], planted.agreement) < 0.8
    assert mean(runs["percent"], planted.rank) > 2
    assert mean(runs["percent"], planted.best_kept) < 0.5


def test_a_reset_gives_the_indicator_weight_from_the_first_prune_on(runs: Runs) -> None:
    early, middle, late = window(runs["reset"], planted.range_of_s)
    assert early == window(runs["plain"], planted.range_of_s)[0]
    assert min(middle, late) > 0.05
    early, middle, late = window(runs["reset"], planted.agreement)
    assert early == window(runs["plain"], planted.agreement)[0]
    assert max(middle, late) < 0.85
    assert mean(runs["reset"], planted.rank) < 0.6


@pytest.mark.parametrize("name", ["plain", "percent", "reset"])
def test_accuracy_weight_ranks_what_was_drawn_least(runs: Runs, name: str) -> None:
    _, middle, late = window(runs[name], planted.correlation, "E")
    assert max(middle, late) < -0.6
    _, middle, late = window(runs[name], planted.correlation, "truth")
    assert max(middle, late) < -0.6  # beta has learned by then, so that the better is drawn more often


def test_accuracy_weight_moves_against_its_own_rank() -> None:
    # All are drawn as often and alpha stays: C = A / E shrinks as E grows, S goes to a constant, and what is above it falls.
    _, one = planted.build(READINGS["plain"], QUICK, 0)
    accuracy = torch.linspace(0.5, 0.6, 8, dtype=torch.float64).expand(one.alpha.shape)
    for epoch in range(21, 41):
        trained, validated = (torch.full_like(accuracy, count / 8) for count in (epoch, epoch - 20))
        one.tally = tally.Tally(trained, validated, validated * accuracy, accuracy)
        values = one.measure(1)
        one.step_chain(values["I"])
    assert (values["S"].diff() > 0).all()  # the better, the higher
    assert (one.chain.X[0, ..., 4:, 1] > 0.5).all()  # and the better half is on its way to die
    assert (one.chain.X[0, ..., :4, 1] < 0.5).all()
    assert (one.prune(values["I"], 1) >= 4).all()


def test_a_step_of_twenty_epochs_ties_at_the_first_two_prunes(runs: Runs) -> None:
    assert all(planted.ties(course)[:2] == [1.0, 1.0] for course in runs["k = 20"])
    assert all(max(planted.ties(course)) < 0.15 for course in runs["plain"])


def test_transitions_saturate(runs: Runs) -> None:
    found = [planted.saturated(course) for course in runs["plain"]]
    assert all(shares[0] == 0 for shares in found)  # 19 steps of 0.02 and less do not reach 1 from 0.5
    assert all(shares[3] > 0.2 for shares in found)


def test_a_reading_does_not_depend_on_what_runs_beside_it(runs: Runs) -> None:
    (alone,) = planted.simulate([READINGS["reset"]], WORLDS["normal"], SEEDS[-1:], QUICK)
    assert torch.equal(alone[0].victims, runs["reset"][-1].victims)


def test_gradient_is_that_of_the_drawn_weight() -> None:
    source = torch.Generator().manual_seed(0)
    alpha = nn.Parameter(torch.randn((1, 1, 2, 14, 8), generator=source))
    alive = torch.rand(alpha.shape, generator=source) > 0.3
    alive[..., 0] = True
    tau, signal = gumbel.noise((1, *alpha.shape[1:]), source), torch.randn(alpha.shape, generator=source)
    noise, before = torch.randn((1, 1, 2, 14), generator=source), alpha.detach().clone().requires_grad_()
    index = planted.alpha_steps(alpha, torch.optim.Adam([alpha], 0.01), alive, tau, 2.0, signal, noise)[0]
    h = gumbel.relax(before, alive, tau[0], 2.0)
    assert torch.equal(index, h.argmax(-1))
    value = signal.gather(-1, index[..., None])[..., 0] + noise[0]
    loss = -(planted.SLOPE * value * gumbel.straight_through(h, index)).sum()  # the better the drawn one, the lower
    (expected,) = torch.autograd.grad(loss, before)
    assert expected.abs().max() > 1e-3
    assert torch.allclose(alpha.grad, expected, atol=1e-8)


def course(truth: list[float], alive: list[bool], moments: list[Moment] | None = None) -> Course:
    """Of a single edge."""
    return Course(torch.tensor([[truth]]), torch.tensor([[alive]]), torch.zeros(1, 1, 1), moments or [], [2])


def test_rank_counts_the_better_ones_and_halves_equals() -> None:
    assert planted.rank(course([3.0, 1.0, 2.0, 0.0], [False, False, True, False])) == 1
    assert planted.rank(course([3.0, 0.0, 0.0, 0.0], [False, False, True, False])) == 2
    assert planted.best_kept(course([3.0, 0.0, 0.0, 0.0], [True, False, False, False])) == 1


def test_measures_by_hand() -> None:
    nan = float("nan")
    values = {
        "S": [0.1, 0.4, 0.3, nan],
        "E": [3.0, 1.0, 2.0, nan],
        "moved": [1.0, -1.0, 1.0, nan],
        "beta_moved": [2.0, -3.0, -1.0, nan],
        "die": [0.5, 0.6, 0.6, nan],
        "stay": [1.0, 0.5, 0.0, nan],
    }
    moment = Moment(2, 0, **{name: torch.tensor([[each]], dtype=torch.float64) for name, each in values.items()})
    one = course([3.0, 1.0, 2.0, 9.0], [True, False, False, False], [moment])
    assert planted.range_of_s(one, 0) == pytest.approx(0.3)
    assert planted.agreement(one, 0) == pytest.approx(2 / 3)
    assert planted.agreement(one) == pytest.approx(2 / 3)
    assert planted.ties(one) == [1.0]
    assert planted.saturated(one) == pytest.approx([2 / 3])
    assert planted.correlation(one, 0, "E") == pytest.approx(
        planted.correlation(one, 0, "truth")
    )  # of the live, E and truth agree
    assert planted.correlation(one, 0, "E") == pytest.approx(-0.98198, abs=1e-4)


def test_report_has_a_line_a_reading(runs: Runs) -> None:
    names = ("percent", "k = 20", BETA)
    found = planted.compare({name: runs[name] for name in names})
    text = planted.markdown(
        {
            "n": len(SEEDS),
            "machine": {},
            "readings": {name: planted.changes(READINGS[name]) for name in names},
            "found": {"normal": found},
        }
    )
    assert text.count("\n| percent |") == 4
    assert "nan" not in text
    assert planted.numbers(found["k = 20"])["agreement, early"] is None  # one step, nothing to compare with
    assert len(planted.numbers(found["percent"])["rank, each seed"]) == len(SEEDS)
