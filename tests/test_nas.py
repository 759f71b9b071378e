import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eoinas import schedules
from eoinas.genotype import Genotype, parse, plain
from eoinas.models.ops import PAPER as OPERATIONS
from eoinas.nas import derive, gumbel, importance, markov, pruning, tally
from eoinas.spaces import registry
from eoinas.spaces.darts import EDGES

SPACE = registry.space("darts", OPERATIONS)
ZERO = SPACE.zero
ALL = torch.ones(8, dtype=torch.bool)
NAN = math.nan
LAMBDA = 0.5


def live(*operations: int) -> torch.Tensor:
    mask = torch.zeros(8, dtype=torch.bool)
    mask[list(operations)] = True
    return mask


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Eq. (2) and (5)


def test_beta_is_eq_2_over_the_live_operations() -> None:
    alpha = torch.tensor([0.1, 2.0, -1.0, 0.0, 0.5, 0.5, 3.0, -2.0], dtype=torch.float64)
    powers = [math.exp(value) for value in alpha.tolist()]
    assert gumbel.architecture_weights(alpha, ALL).tolist() == pytest.approx([power / sum(powers) for power in powers])
    total = powers[0] + powers[4]
    expected = [powers[0] / total, 0, 0, 0, powers[4] / total, 0, 0, 0]
    assert gumbel.architecture_weights(alpha, live(0, 4)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [5.0, 1.0, 0.03])
def test_h_is_eq_5(temperature: float) -> None:
    alpha, tau = torch.randn(2, 8, generator=generator(), dtype=torch.float64)
    powers = [math.exp((a + t) / temperature) for a, t in zip(alpha.tolist(), tau.tolist(), strict=True)]
    assert gumbel.relax(alpha, ALL, tau, temperature).tolist() == pytest.approx([power / sum(powers) for power in powers])
    found = gumbel.relax(alpha, live(2, 5), tau, temperature).tolist()
    assert found[2] == pytest.approx(powers[2] / (powers[2] + powers[5]))
    assert [found[o] for o in (0, 1, 3, 4, 6, 7)] == [0] * 6


def test_noise_is_gumbel() -> None:
    tau = gumbel.noise(torch.Size([200_000]), generator()).double()
    assert tau.isfinite().all()
    assert tau.mean().item() == pytest.approx(0.57722, abs=0.01)  # Euler's constant; the standard error is 0.003
    assert tau.var().item() == pytest.approx(math.pi**2 / 6, abs=0.03)
    assert (tau < 0).double().mean().item() == pytest.approx(math.exp(-1), abs=0.005)  # exp(-exp(0))


@pytest.mark.parametrize("temperature", [5.0, 0.05])
def test_draws_follow_beta_at_any_temperature(temperature: float) -> None:
    draws = 20_000
    alpha = torch.tensor([0.0, 1.0, -1.0, 0.5, 0.2, -0.7, 2.0, 0.0])
    alive = live(0, 1, 2, 3, 5, 7)
    tau = gumbel.noise(torch.Size([draws, 8]), generator(3))
    drawn = gumbel.relax(alpha.expand(draws, 8), alive, tau, temperature).argmax(-1)
    counts = torch.bincount(drawn, minlength=8)
    expected = draws * gumbel.architecture_weights(alpha.double(), alive)
    assert counts[[4, 6]].tolist() == [0, 0]
    chi_square = ((counts - expected)[alive] ** 2 / expected[alive]).sum().item()
    assert chi_square < 20.5  # the 99.9 % quantile at 5 degrees of freedom


def test_straight_through_is_one_with_the_gradient_of_eq_5() -> None:
    tau = torch.randn(3, 8, generator=generator(1), dtype=torch.float64)
    alpha = torch.randn(3, 8, generator=generator(2), dtype=torch.float64, requires_grad=True)
    h = gumbel.relax(alpha, ALL, tau, 2.0)
    index = h.argmax(-1)
    weight = gumbel.straight_through(h, index)
    assert weight.tolist() == pytest.approx([1.0, 1.0, 1.0], abs=1e-12)
    (found,) = torch.autograd.grad(weight.sum(), alpha, retain_graph=True)
    # dh_k / dalpha_o = h_k (1[k = o] - h_o) / T
    drawn = h.gather(-1, index[:, None]).detach()
    by_hand = drawn * (torch.nn.functional.one_hot(index, 8) - h.detach()) / 2.0
    assert torch.allclose(found, by_hand, atol=1e-12)
    (of_h,) = torch.autograd.grad(h.gather(-1, index[:, None]).sum(), alpha)
    assert torch.allclose(found, of_h, atol=1e-12)
    assert found.abs().max() > 0.01


# A and E of eq. (8)


def filled() -> tally.Tally:
    """One edge; weight steps draw 2, 2, 3, 2; architecture steps draw 2, 3, 2 at accuracies 0.5, 0.25, 0.75."""
    sums = tally.add_training(tally.empty((1, 8)), torch.tensor([[2], [2], [3]]))
    sums = tally.add_training(sums, torch.tensor([[2]]))
    sums = tally.add_validation(sums, torch.tensor([[2], [3]]), torch.tensor([0.5, 0.25]))
    return tally.add_validation(sums, torch.tensor([[2]]), torch.tensor([0.75]))


def test_tally_counts_and_sums_by_operation() -> None:
    sums = filled()
    assert sums.trained[0].tolist() == [0, 0, 3, 1, 0, 0, 0, 0]
    assert sums.validated[0].tolist() == [0, 0, 2, 1, 0, 0, 0, 0]
    assert sums.accuracy_sum[0].tolist() == [0, 0, 1.25, 0.25, 0, 0, 0, 0]
    assert sums.accuracy_last[0].tolist() == [0, 0, 0.75, 0.25, 0, 0, 0, 0]


def test_tally_keeps_edges_apart() -> None:
    sums = tally.add_validation(tally.empty((2, 3, 8)), torch.tensor([[[0, 1, 2], [3, 4, 5]]]), torch.tensor([0.5]))
    expected = torch.zeros(2, 3, 8, dtype=torch.float64)
    for row, column, operation in ((0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 1, 4), (1, 2, 5)):
        expected[row, column, operation] = 0.5
    assert torch.equal(sums.accuracy_sum, expected)
    assert torch.equal(sums.accuracy_last, expected)


@pytest.mark.parametrize(
    ("unit", "estimate", "two", "three"),
    [
        ("fraction", "running_mean", 0.625, 0.25),
        ("fraction", "last_batch", 0.75, 0.25),
        ("percent", "running_mean", 62.5, 25),
        ("percent", "last_batch", 75, 25),
    ],
)
def test_accuracy_units_and_estimates(unit, estimate, two, three) -> None:
    found = tally.validation_accuracy(filled(), unit, estimate)[0].tolist()
    assert found[2:4] == [two, three]
    assert all(math.isnan(found[o]) for o in (0, 1, 4, 5, 6, 7))


def test_epoch_units() -> None:
    assert tally.training_epochs(filled(), "epochs", 4)[0].tolist() == [0, 0, 0.75, 0.25, 0, 0, 0, 0]
    assert tally.training_epochs(filled(), "steps", 4)[0].tolist() == [0, 0, 3, 1, 0, 0, 0, 0]


# Eq. (8), (9), (10)


def test_accuracy_parameter_is_eq_8_and_the_edge_mean_where_never_drawn() -> None:
    accuracy = torch.tensor([0.5, NAN, 0.3, 0.9, 0.4, NAN, 0.2, 0.1], dtype=torch.float64)
    epochs = torch.tensor([2.0, 0.0, 0.5, 1.0, 0.0, 3.0, 1.0, 1.0], dtype=torch.float64)
    alive = live(0, 1, 2, 4, 5)
    # drawn and alive: 0.25 and 0.6, the mean is 0.425; operation 4 has no E, operation 5 no A, 1 neither
    found = importance.accuracy_parameter(accuracy, epochs, alive, "mean").tolist()
    assert [found[o] for o in (0, 1, 2, 4, 5)] == pytest.approx([0.25, 0.425, 0.6, 0.425, 0.425])
    found = importance.accuracy_parameter(accuracy, epochs, alive, "zero").tolist()
    assert [found[o] for o in (0, 1, 2, 4, 5)] == pytest.approx([0.25, 0, 0.6, 0, 0])


def test_accuracy_parameter_of_an_edge_without_any_draw_is_zero() -> None:
    nothing = torch.zeros(8, dtype=torch.float64)
    assert importance.accuracy_parameter(nothing / nothing, nothing, ALL, "mean").tolist() == [0] * 8


def test_accuracy_weights_are_eq_9_over_live_or_all() -> None:
    parameter = torch.tensor([0.25, 0.5, 1.0, 0.0, 0.0, 2.0, 0.1, 0.3], dtype=torch.float64)
    powers = [math.exp(value) for value in parameter.tolist()]
    over_all = importance.accuracy_weights(parameter, live(0, 5), "all").tolist()
    assert over_all == pytest.approx([power / sum(powers) for power in powers])
    over_live = importance.accuracy_weights(parameter, live(0, 5), "live").tolist()
    assert over_live[0] == pytest.approx(powers[0] / (powers[0] + powers[5]))
    assert [over_live[o] for o in (1, 2, 3, 4, 6, 7)] == [0] * 6


def test_indicator_is_eq_10() -> None:
    found = importance.indicator(torch.tensor([0.25, 0.75]), torch.tensor([0.5, 0.5]), 0.4)
    assert found.tolist() == pytest.approx([0.45, 0.95])


def test_either_part_of_eq_8_may_be_left_out() -> None:
    accuracy = torch.tensor([0.5, NAN, 0.3, 0.9, 0, 0, 0, 0], dtype=torch.float64)
    epochs = torch.tensor([2.0, 4.0, 0.5, 0.0, 1, 1, 1, 1], dtype=torch.float64)
    alive, one = live(0, 1, 2, 3), torch.ones(8, dtype=torch.float64)
    found = importance.accuracy_parameter(accuracy, one, alive, "mean").tolist()
    assert found[:4] == pytest.approx([0.5, 1.7 / 3, 0.3, 0.9])  # A; operation 1 has none and takes the mean
    found = importance.accuracy_parameter(one, epochs, alive, "mean").tolist()
    assert found[:4] == pytest.approx([0.5, 0.25, 2.0, 2.75 / 3])  # 1 / E; operation 3 has none


def test_permuted_by_hand() -> None:
    weights = torch.tensor([0.4, 0.3, 0.1, 0.2, 0.0], dtype=torch.float64)
    keys = torch.tensor([0.5, 0.1, 0.7, 0.3, 0.2], dtype=torch.float64)
    # By key 1 4 3 0 2. All live: operation 1 gets what operation 0 had, 4 what 1 had, and so on.
    assert importance.permuted(weights, torch.ones(5, dtype=torch.bool), keys).tolist() == [0.2, 0.4, 0.0, 0.1, 0.3]
    # Operations 0, 2 and 3 live: by key 3 0 2, so that 3 gets what 0 had, 0 what 2 had, 2 what 3 had.
    alive = torch.tensor([True, False, True, True, False])
    assert importance.permuted(weights, alive, keys)[alive].tolist() == [0.1, 0.2, 0.4]


@given(alive=st.lists(st.booleans(), min_size=8, max_size=8).filter(any), seed=st.integers(0, 99))
def test_permuted_deals_the_live_values_among_the_live_of_each_edge(alive, seed) -> None:
    alive = torch.stack([torch.tensor(alive), ALL])  # two edges
    weights, keys = torch.rand(2, 2, 8, generator=generator(seed), dtype=torch.float64)
    found = importance.permuted(weights, alive, keys)
    for edge in range(2):
        assert found[edge][alive[edge]].sort().values.tolist() == weights[edge][alive[edge]].sort().values.tolist()
    assert torch.equal(found[1], importance.permuted(weights[1], ALL, keys[1]))  # an edge does not know of the other


@given(
    alpha=st.lists(st.floats(-5, 5), min_size=8, max_size=8),
    parameter=st.lists(st.floats(0, 30), min_size=8, max_size=8),
    alive=st.lists(st.booleans(), min_size=8, max_size=8).filter(any),
    weight=st.floats(0, 10),
)
def test_indicator_of_an_edge_sums_to_one_plus_lambda(alpha, parameter, alive, weight) -> None:
    alive = torch.tensor(alive)
    beta = gumbel.architecture_weights(torch.tensor(alpha, dtype=torch.float64), alive)
    weights = importance.accuracy_weights(torch.tensor(parameter, dtype=torch.float64), alive, "live")
    found = importance.indicator(weights, beta, weight)
    assert found.sum().item() == pytest.approx(1 + weight)
    assert found[~alive].sum() == 0


# Eq. (11) and (12)

QUARTERS = [0.25] * 4


def chain_of(changes: list[float], sigma: list[float] = QUARTERS, e1: float = 0.02, e2: float = 0.01) -> markov.Chain:
    chain = markov.start((), 4)
    for change in changes:
        chain = markov.advance(chain, torch.tensor(change, dtype=torch.float64), sigma, e1, e2, True)
    return chain


def test_transition_rises_falls_and_stays() -> None:
    half = torch.full((3, 2, 2), 0.5, dtype=torch.float64)
    found = markov.update_transition(half, torch.tensor([0.3, -1e-9, 0.0]), 0.02, 0.01, True)
    assert found[0].flatten().tolist() == pytest.approx([0.52, 0.48, 0.51, 0.49])
    assert found[1].flatten().tolist() == pytest.approx([0.48, 0.52, 0.49, 0.51])
    assert torch.equal(found[2], half[2])


def test_first_step_has_nothing_to_compare_with() -> None:
    chain = chain_of([0.0])
    assert chain.X[0].tolist() == [0.5, 0.5]
    assert chain.Q[0].flatten().tolist() == [0.5] * 4


def test_chain_by_hand_with_stand_ins_for_the_missing_history() -> None:
    # up: Q = (.52 .48 / .51 .49), (.5, .5) Q = (.515, .485); the three other terms are the stand-ins' (.5, .5)
    chain = chain_of([0.0, 1.0])
    assert chain.X[0].tolist() == pytest.approx([0.25 * (0.515 + 3 * 0.5), 0.25 * (0.485 + 3 * 0.5)])  # .50375
    # up again: Q = (.54 .46 / .52 .48), l = .50375 * .54 + .49625 * .52 = .530075
    chain = chain_of([0.0, 1.0, 1.0])
    assert chain.Q[0].flatten().tolist() == pytest.approx([0.54, 0.46, 0.52, 0.48])
    assert chain.X[0, 0].item() == pytest.approx(0.25 * (0.530075 + 0.515 + 0.5 + 0.5))  # .51126875
    # down: Q = (.52 .48 / .51 .49), l = .51126875 * .52 + .48873125 * .51 = .5151126875
    chain = chain_of([0.0, 1.0, 1.0, -1.0])
    assert chain.X[0, 0].item() == pytest.approx(0.25 * (0.5151126875 + 0.530075 + 0.515 + 0.5))


def test_sigma_weighs_the_nearest_state_first() -> None:
    chain = chain_of([0.0, 1.0], [0.4, 0.3, 0.2, 0.1])
    assert chain.X[0, 0].item() == pytest.approx(0.4 * 0.515 + 0.6 * 0.5)
    chain = chain_of([1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0])  # X_4 = X_1 Q_1, and X_1 = X_0 Q_0 is the last stand-in
    assert chain.X[0, 0].item() == pytest.approx(0.5 * 0.52 + 0.5 * 0.51)


def test_row_vector_times_matrix() -> None:
    X = torch.tensor([[0.75, 0.25]], dtype=torch.float64)
    Q = torch.tensor([[[0.9, 0.1], [0.4, 0.6]]], dtype=torch.float64)
    assert markov.next_state(markov.Chain(X, Q), [1.0]).tolist() == pytest.approx([0.775, 0.225])


def test_rows_stop_at_zero_and_one_unless_the_clamp_is_off() -> None:
    chain = chain_of([1.0] * 3, e1=0.2, e2=0.1)
    assert chain.Q[0].flatten().tolist() == pytest.approx([1.0, 0.0, 0.8, 0.2])
    Q = torch.tensor([[0.99, 0.01], [0.5, 0.5]], dtype=torch.float64)
    free = markov.update_transition(Q, torch.tensor(1.0), 0.02, 0.01, False)
    assert free.flatten().tolist() == pytest.approx([1.01, -0.01, 0.51, 0.49])


@given(
    changes=st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=40),
    share=st.floats(0, 1),
    e1=st.floats(0, 1),
    e2=st.floats(0, 1),
)
def test_states_and_rows_always_are_probabilities(changes, share, e1, e2) -> None:
    sigma = [(1 - share) * a + share * b for a, b in zip(QUARTERS, [0.4, 0.3, 0.2, 0.1], strict=True)]
    chain = chain_of(changes, sigma, e1, e2)
    for values in chain:
        assert values.sum(-1).flatten().tolist() == pytest.approx([1.0] * values.sum(-1).numel())
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-12


def test_always_rising_lives_and_always_falling_dies() -> None:
    assert chain_of([0.0] + [1.0] * 20).X[0, 0] > 0.7 > 0.3 > chain_of([0.0] + [-1.0] * 20).X[0, 0]


@pytest.mark.parametrize(
    ("prune", "expected"),
    [
        (0, [0.25, 0.25, 0.25, 0.25]),
        (2, [0.3, 4 / 15, 7 / 30, 0.2]),
        (3, [0.325, 0.275, 0.225, 0.175]),
        (6, [0.4, 0.3, 0.2, 0.1]),
        (7, [0.4, 0.3, 0.2, 0.1]),  # epochs after the last prune
    ],
)
def test_sigma_grows_linearly_over_seven_prunes(prune, expected) -> None:
    assert schedules.sigma(prune, 7, QUARTERS, [0.4, 0.3, 0.2, 0.1]) == pytest.approx(expected)


# Pruning


def test_the_highest_die_probability_dies() -> None:
    die = torch.tensor([0.1, 0.2, 0.9, 0.3, 0.8, 0.1, 0.1, 0.1])
    assert pruning.most_inferior(die, torch.ones(8), ALL) == 2
    assert pruning.most_inferior(die, torch.ones(8), live(0, 1, 4, 5)) == 4  # the dead do not die again


def test_of_equal_die_the_lower_importance_dies_then_the_lower_index() -> None:
    die = torch.tensor([0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1])
    assert pruning.most_inferior(die, torch.tensor([0.0, 0.4, 0.3, 0.2, 0.2, 0, 0, 0]), ALL) == 3
    assert pruning.most_inferior(die, torch.tensor([0.0, NAN, 0.3, 0.3, 0.5, 0, 0, 0]), live(0, 2, 3, 4)) == 2


def test_every_edge_of_both_cells_loses_one() -> None:
    die = torch.rand(2, 14, 8, generator=generator())
    alive, victim = pruning.prune(die, torch.zeros(2, 14, 8), torch.ones(2, 14, 8, dtype=torch.bool), ZERO, False)
    assert torch.equal(victim, die.argmax(-1))
    assert alive.sum(-1).eq(7).all()
    assert not alive.gather(-1, victim[..., None]).any()


def test_zero_loses_the_last_prune_of_an_edge_but_no_other() -> None:
    die = torch.full((8,), 0.5)
    die[ZERO] = 0.1
    importance_ = torch.zeros(8)
    alive, victim = pruning.prune(die, importance_, live(ZERO, 3), ZERO, False)
    assert (victim.item(), alive.tolist()) == (ZERO, live(3).tolist())
    alive, victim = pruning.prune(die, importance_, live(ZERO, 3), ZERO, True)
    assert (victim.item(), alive.tolist()) == (3, live(ZERO).tolist())
    alive, victim = pruning.prune(die, importance_, live(ZERO, 3, 4), ZERO, False)
    assert (victim.item(), alive.tolist()) == (3, live(ZERO, 4).tolist())
    die[ZERO] = 0.9  # an ordinary candidate before
    assert pruning.prune(die, importance_, live(ZERO, 3, 4), ZERO, False)[1] == ZERO


@pytest.mark.parametrize("zero", [None, ZERO])
def test_without_the_zero_operation_the_last_prune_is_as_any_other(zero: int | None) -> None:
    die = torch.full((8,), 0.5)
    die[ZERO] = 0.1
    victim = pruning.prune(die, torch.zeros(8), live(ZERO, 3), zero, False)[1]
    assert victim == (3 if zero is None else ZERO)


# Derivation


def finished(operation: int, strengths: dict[tuple[int, int], float]) -> tuple[torch.Tensor, torch.Tensor]:
    """I and alive of a search in which ``operation`` survived on every edge; ``strengths`` by (input, node), else 0.1."""
    importances, alive = torch.full((2, 14, 8), NAN), torch.zeros(2, 14, 8, dtype=torch.bool)
    alive[..., operation] = True
    for edge, pair in enumerate(EDGES):
        importances[:, edge, operation] = strengths.get(pair, 0.1)
    return importances, alive


def test_two_strongest_edges_a_node_by_hand() -> None:
    strengths = {(0, 3): 0.3, (2, 3): 0.9, (1, 4): 0.4, (3, 4): 0.2, (4, 5): 0.8, (1, 5): 0.7}
    found = SPACE.derive(*finished(2, strengths))
    assert [source for _, source in found.normal] == [0, 1, 0, 2, 1, 3, 1, 4]
    assert found.normal == found.reduce
    assert {name for name, _ in found.normal} == {"sep_conv_3x3"}
    assert found.normal_concat == found.reduce_concat == (2, 3, 4, 5)


def test_each_edge_has_its_own_survivor_and_each_cell_its_own_edges() -> None:
    importances, alive = torch.full((2, 14, 8), NAN), torch.zeros(2, 14, 8, dtype=torch.bool)
    for cell, edge in itertools.product(range(2), range(14)):
        operation = (0, 2, 3, 4, 5, 6, 7)[edge % 7]
        alive[cell, edge, operation] = True
        importances[cell, edge, operation] = edge if cell == 0 else -edge
    found = SPACE.derive(importances, alive)
    names = [SPACE.operations[(0, 2, 3, 4, 5, 6, 7)[edge % 7]] for edge in range(14)]
    # the normal cell takes the last two edges of each node: 0 1 | 3 4 | 7 8 | 12 13; the reduction cell the first two
    assert list(found.normal) == [(names[edge], EDGES[edge][0]) for edge in (0, 1, 3, 4, 7, 8, 12, 13)]
    assert list(found.reduce) == [(names[edge], EDGES[edge][0]) for edge in (0, 1, 2, 3, 5, 6, 9, 10)]


def test_of_equal_edges_the_first_two() -> None:
    assert [source for _, source in SPACE.derive(*finished(3, {})).normal] == [0, 1] * 4


def test_zero_never_appears_even_as_the_strongest() -> None:
    importances = torch.rand(2, 14, 8, generator=generator())
    importances[..., ZERO] = 9.0
    found = SPACE.derive(importances, torch.ones(2, 14, 8, dtype=torch.bool))
    assert all(name != "none" for name, _ in found.normal + found.reduce)
    importances[..., ZERO] = 0.0  # and where nothing was pruned its importance decides neither operation nor edge
    assert SPACE.derive(importances, torch.ones(2, 14, 8, dtype=torch.bool)) == found


def test_unpruned_edges_have_their_best_operation() -> None:
    importances = torch.zeros(2, 14, 8)
    importances[..., 4] = 0.3
    importances[0, EDGES.index((1, 3)), 6] = 0.5
    found = SPACE.derive(importances, torch.ones(2, 14, 8, dtype=torch.bool))
    assert found.normal[2:4] == (("sep_conv_5x5", 0), ("avg_pool_3x3", 1))


@pytest.mark.parametrize("top", [0.9, 25.0])
def test_an_edge_with_zero_alone_comes_last_with_its_best_dead_operation(top: float) -> None:
    importances, alive = finished(2, {})
    for pair in ((0, 2), (0, 3)):
        edge = EDGES.index(pair)
        alive[:, edge] = live(ZERO)
        importances[:, edge] = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, top])
    found = SPACE.derive(importances, alive)
    assert found.normal[:2] == (("max_pool_3x3", 0), ("sep_conv_3x3", 1))  # node 2 has no other edge
    assert found.normal[2:4] == (("sep_conv_3x3", 1), ("sep_conv_3x3", 2))


def test_random_cells_are_valid_distinct_and_roughly_uniform() -> None:
    source = generator(5)
    cells = [SPACE.random(source) for _ in range(400)]
    assert len(set(cells)) == 400
    counts: dict[str, int] = {}
    inputs: dict[int, int] = {}
    for cell in cells:
        assert parse(plain(cell), "here") == cell
        for part in (cell.normal, cell.reduce):
            for position, (name, source_node) in enumerate(part):
                counts[name] = counts.get(name, 0) + 1
                if position >= 6:
                    inputs[source_node] = inputs.get(source_node, 0) + 1
            assert all(part[i][1] < part[i + 1][1] for i in range(0, 8, 2))
    assert set(counts) == set(OPERATIONS) - {"none"}
    expected = 400 * 16 / 7
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 22.5  # 99.9 %, 6 degrees of freedom
    assert inputs == {node: pytest.approx(400 * 4 / 5, rel=0.2) for node in range(5)}


def test_random_cells_follow_their_generator() -> None:
    assert SPACE.random(generator(1)) == SPACE.random(generator(1)) != SPACE.random(generator(2))


def test_random_cells_take_the_operations_of_their_space() -> None:
    few = registry.space("darts", ("max_pool_3x3", "none", "skip_connect"))
    cells = [few.random(generator(seed)) for seed in range(20)]
    assert {name for cell in cells for name, _ in cell.normal + cell.reduce} == {"max_pool_3x3", "skip_connect"}


def test_best_operation_without_a_zero_leaves_none_out() -> None:
    importances, alive = torch.zeros(3, 8), torch.stack([ALL, live(ZERO), live(2, 5)])
    importances[:, ZERO] = 1.0
    importances[2, 5] = 0.5
    found = derive.best_operations(importances, alive, None)
    assert found.operation.tolist() == [ZERO, ZERO, 5]
    assert not found.empty.any()
    found = derive.best_operations(importances, alive, ZERO)
    assert found.operation.tolist() == [0, 0, 5]
    assert found.empty.tolist() == [False, True, False]


def test_best_edges_takes_as_many_an_edge_as_asked_for_and_the_empty_last() -> None:
    edges = [(0, 1), (0, 2), (1, 2)]
    best = derive.Best(torch.zeros(3), torch.tensor([0.1, 0.2, 0.9]), torch.tensor([False, False, True]))
    assert derive.best_edges(best, edges, 1) == [0, 1]
    assert derive.best_edges(best, edges, 2) == [0, 1, 2]


def test_a_cell_goes_to_its_path_and_back() -> None:
    """What survives on the edges of a cell, and is strongest there, is derived as that cell."""
    cell = SPACE.random(generator(3))
    importances, alive = finished(0, {})
    for kind, pairs in enumerate((cell.normal, cell.reduce)):
        for position, (name, source) in enumerate(pairs):
            edge = EDGES.index((source, 2 + position // 2))
            alive[kind, edge] = live(SPACE.operations.index(name))
            importances[kind, edge] = 0.5
    assert SPACE.derive(importances, alive) == cell
    assert isinstance(cell, Genotype)
    chosen = [[edge for edge, run in enumerate(route.operations) if run] for route in SPACE.path(cell)]
    best = [derive.best_operations(*part, ZERO) for part in zip(importances, alive, strict=True)]
    assert chosen == [derive.best_edges(part, EDGES, 2) for part in best]
