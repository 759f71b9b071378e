"""Variants of the method: the controls of the indicator, other keys of a variant, and numbers that cannot work together."""

import copy

import numpy as np
import pytest
import torch

from eoinas import params, settings
from eoinas.errors import InputError
from eoinas.nas import gumbel, tally
from eoinas.train import search
from tests import test_search as small

STEPS, EDGES = 5, small.SPACE.shape[:2]
CONTROLS = ("accuracy", "inverse_epochs", "shuffled")


def architecture(indicator: str, seed: int = 0, **changes: object) -> search.Architecture:
    return search.Architecture(small.SPACE, small.settings(indicator=indicator, **changes), seed)


def epoch(number: int, sums: tally.Tally, alive: torch.Tensor | None = None) -> tally.Tally:
    """A and E after one more epoch of random draws, of 5 steps each."""
    source = torch.Generator().manual_seed(number)
    chance = torch.ones(small.SPACE.shape) if alive is None else alive.float()
    for add in (tally.add_training, lambda sums, index: tally.add_validation(sums, index, torch.rand(STEPS, generator=source))):
        index = torch.multinomial(chance.flatten(0, 1), STEPS, replacement=True, generator=source).T.reshape(STEPS, *EDGES)
        sums = add(sums, index)
    return sums


def measured(found: search.Architecture, epochs: int = 3) -> dict[str, torch.Tensor]:
    """What is measured after a few epochs."""
    found.tally = tally.empty(small.SPACE.shape)
    for number in range(epochs):
        found.tally = epoch(number, found.tally, found.alive)
    return found.measure(STEPS)


def expected(ratio: torch.Tensor) -> torch.Tensor:
    """S of a ratio, the mean of the edge where it is unknown."""
    known = ratio.isfinite()
    mean = ratio.masked_fill(~known, 0).sum(-1, keepdim=True) / known.sum(-1, keepdim=True).clamp_min(1)
    return torch.softmax(torch.where(known, ratio, mean), -1)


def test_controls_leave_one_part_of_eq_8_out() -> None:
    whole, accuracy, epochs = (measured(architecture(name)) for name in ("oii", "accuracy", "inverse_epochs"))
    for name in ("A", "E", "beta"):
        assert torch.equal(whole[name].nan_to_num(-1), accuracy[name].nan_to_num(-1))
        assert torch.equal(whole[name].nan_to_num(-1), epochs[name].nan_to_num(-1))
    assert whole["A"].isnan().any()
    assert (whole["E"] == 0).any()
    torch.testing.assert_close(whole["S"], expected(whole["A"] / whole["E"]))
    torch.testing.assert_close(accuracy["S"], expected(whole["A"]))
    torch.testing.assert_close(epochs["S"], expected(1 / whole["E"]))
    for found in (whole, accuracy, epochs):
        torch.testing.assert_close(found["I"], found["S"] + 0.5 * found["beta"])
    assert not torch.allclose(whole["S"], accuracy["S"], atol=0.01)
    assert not torch.allclose(whole["S"], epochs["S"], atol=0.01)


def distinct(found: search.Architecture, first: int) -> torch.Tensor:
    """S of an epoch after a few in which every operation was drawn, so that no two are equal; dead ones NaN."""
    source = torch.Generator().manual_seed(first)
    extra, accuracy = torch.rand(2, *small.SPACE.shape, generator=source, dtype=torch.float64)
    some = torch.full(small.SPACE.shape, 5.0, dtype=torch.float64)
    found.tally = tally.Tally(some + extra, some, 5 * accuracy, accuracy)
    return found.measure(STEPS)["S"]


def dealt(found: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """From which operation of its edge each live operation has its S."""
    equal = found[..., :, None] == whole[..., None, :]
    assert torch.equal(equal.sum(-1), whole.isfinite().long())  # each live one has exactly one
    assert torch.equal(equal.sum(-2), whole.isfinite().long())  # and gives it to exactly one
    return equal.int().argmax(-1)


def test_shuffled_is_the_same_permutation_of_s_in_every_epoch() -> None:
    plain, shuffled, other = architecture("oii"), architecture("shuffled"), architecture("shuffled", seed=1)
    found = [dealt(distinct(shuffled, first), distinct(plain, first)) for first in (0, 10)]
    assert torch.equal(*found)
    assert (found[0] != torch.arange(8)).double().mean() > 0.7
    assert len({tuple(row) for row in found[0].flatten(0, 1).tolist()}) > 20  # of 28 edges
    assert not torch.equal(dealt(distinct(other, 0), distinct(plain, 0)), found[0])


def test_shuffled_deals_among_the_live_and_leaves_the_dead_without() -> None:
    plain, shuffled = architecture("oii"), architecture("shuffled")
    alive = torch.rand(small.SPACE.shape, generator=torch.Generator().manual_seed(3)).argsort(-1) < 5
    plain.alive = shuffled.alive = alive
    found = [distinct(shuffled, first) for first in (0, 10)]
    assert torch.equal(found[0].isfinite(), alive)
    assert torch.allclose(found[0].nansum(-1), torch.ones(EDGES, dtype=torch.float64))
    orders = [dealt(s, distinct(plain, first))[alive] for s, first in zip(found, (0, 10), strict=True)]
    assert torch.equal(*orders)


@pytest.mark.parametrize("indicator", CONTROLS)
def test_a_search_with_a_control_prunes_by_it(indicator: str) -> None:
    trace, plain = (small.run(indicator=name, epochs=4)[1].trace for name in (indicator, "oii"))
    assert np.array_equal(trace["A"][0], plain["A"][0], equal_nan=True)  # before the first decision nothing differs but S
    assert not np.allclose(trace["S"][0], plain["S"][0], atol=1e-3)
    assert trace["I"] == pytest.approx(trace["S"] + 0.5 * trace["beta"], nan_ok=True, abs=1e-6)
    assert np.array_equal(np.isnan(trace["S"]), ~trace["alive"])
    assert (trace["alive_final"].sum(-1) == 5).all()
    assert not np.array_equal(trace["pruned"][1:], plain["pruned"][1:])


def test_a_shuffled_search_goes_on_with_its_keys() -> None:
    """A resumed search has the same permutation: it follows from the seed and is no part of the state."""
    first, again = architecture("shuffled"), architecture("shuffled")
    again.restore(first.state())
    assert torch.equal(distinct(first, 0), distinct(again, 0))


def test_undrawn_are_the_live_without_an_accuracy_or_an_epoch() -> None:
    found = architecture("oii")
    some = torch.ones(small.SPACE.shape, dtype=torch.float64)
    trained, validated = some.clone(), some.clone()
    trained[0, 0, 0] = validated[0, 0, 0] = trained[1, 2, 3] = validated[0, 5, 1] = validated[1, 7, 7] = 0
    found.alive[1, 7, 7] = False
    found.tally = tally.Tally(trained, validated, some, some)
    assert found.undrawn() == 3


# Other keys of a variant


def values(**keys: object) -> dict:
    """params.yaml with one more variant, `own`."""
    found = copy.deepcopy(params.read())
    found["variants"]["own"] = {"slimming": True, "indicator": "oii", "label": "Own", **keys}
    return found


def resolved(**keys: object) -> dict:
    """The searches' parameters by variant, at the paper's scale."""
    found = settings.resolve(values(**keys), "paper")
    return {name.split("/")[1]: section.search for name, section in found.items() if name.startswith("search/")}


def test_a_variant_may_set_any_key_of_the_search() -> None:
    own = {"lambda": 0.9, "reset_tally_at_prune": True, "accuracy_unit": "percent", "epochs": 180, "C": 8}
    own["operations"] = ["none", "skip_connect"]
    found = resolved(**own)
    assert {**found["own"].dumped(), **own} == found["own"].dumped()
    assert {key: found["own"].dumped()[key] for key in found["own"].dumped() if key not in own} == {
        key: value for key, value in found["eoinas"].dumped().items() if key not in own
    }
    assert found["eoinas"].lambda_ == 0.5
    assert found["sss"].lambda_ is found["baseline"].lambda_ is None


@pytest.mark.parametrize("indicator", ["oii", *CONTROLS])
def test_an_indicator_takes_lambda_from_above(indicator: str) -> None:
    assert resolved(indicator=indicator)["own"].lambda_ == 0.5


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"indicator": "OII"}, r"params.yaml: variants.own.indicator: Input should be 'oii', 'beta', 'accuracy'.*, not 'OII'"),
        ({"lambda": None}, r"params.yaml: .*: indicator oii needs lambda"),
        ({"resett": True}, r"params.yaml: variants.own.resett: is not a known parameter"),
        ({"operations": ["none", "conv_7x7"]}, r"params.yaml: operations: unknown operation 'conv_7x7'; one of skip_connect"),
        ({"operations": ["none"]}, r"params.yaml: variants.own.operations: "),
        ({"operations": ["none", "none"]}, r"params.yaml: .*: no operation may come twice in operations"),
        ({"space": "nets"}, r"params.yaml: unknown search space 'nets'; one of darts"),
    ],
)
def test_a_mistake_in_a_variant_is_named(keys: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolved(**keys)


def test_reset_chain_starts_the_chain_again_at_every_prune() -> None:
    chains = {reset: small.run(epochs=5, reset_chain_at_prune=reset)[1].trace["Q"][..., 0, 0] for reset in (True, False)}
    # prunes after epochs 2 to 5: with the reset every transition is one step from the start
    again = np.round(chains[True][1:].astype(float), 4)
    assert set(again[np.isfinite(again)]) == {0.48, 0.52}
    assert np.nanmax(np.abs(chains[False] - 0.5)) > 0.03


def test_a_reset_forgets_the_chain_but_not_the_importance() -> None:
    found = architecture("oii", reset_chain_at_prune=True, reset_tally_at_prune=True)
    for number in range(2):
        found.tally = epoch(number, found.tally)
        found.step_chain(found.measure(STEPS)["I"])
    assert found.chain.X[0].unique().numel() > 1
    found.prune(found.previous, STEPS)
    assert found.chain.X.unique().tolist() == found.chain.Q.unique().tolist() == [0.5]
    assert not found.tally.trained.any()
    assert torch.equal(found.previous.isfinite(), found.alive)


# Numbers that cannot work together


def paper(**changes: object) -> dict:
    """params.yaml with other numbers in the paper's search."""
    found = params.read()
    found["paper"]["search"] = {**found["paper"]["search"], **changes}
    return found


@pytest.mark.parametrize(
    ("changes", "found", "enough"),
    [
        ({"epochs": 159}, 6, 160),
        ({"epochs": 70}, 2, 160),
        ({"prune_every": 30}, 5, 210),
        ({"warmup": 40}, 6, 180),
        ({"epochs": 10, "warmup": 2, "prune_every": 3}, 3, 21),
        ({"epochs": 9, "warmup": 3, "prune_every": 1}, 6, 10),
    ],
)
def test_too_few_prunes_are_refused_with_numbers_that_work(changes: dict, found: int, enough: int) -> None:
    epochs = changes.get("epochs", 160)
    message = (
        f"params.yaml: paper.search: {found} prunes in {epochs} epochs, but 8 operations need 7 until one is left: "
        f"set epochs to {enough} or more, or a smaller prune_every or warmup"
    )
    with pytest.raises(InputError) as caught:
        settings.resolve(paper(**changes), "paper")
    assert str(caught.value) == message
    own = settings.resolve(paper(**{**changes, "epochs": enough}), "paper")["derive/eoinas"].search
    assert len(own.prune_epochs) == 7
    assert own.prune_epochs[-1] == enough
    with pytest.raises(InputError, match="6 prunes in"):
        settings.resolve(paper(**{**changes, "epochs": enough - 1}), "paper")


def test_a_search_that_does_not_prune_needs_no_prunes() -> None:
    found = paper(epochs=30)
    found["variants"] = {name: {**each, "slimming": False} for name, each in found["variants"].items()}
    with pytest.raises(InputError, match=r"paper.search: 0 prunes in 30 epochs"):
        settings.resolve(paper(epochs=30), "paper")
    assert settings.resolve(found, "paper")["derive/eoinas"].search.epochs == 30


def test_a_temperature_with_which_nothing_can_be_divided_is_refused() -> None:
    message = (
        "params.yaml: paper.search: temperature falls below 1e-30, with which float32 cannot divide, before epoch 160: "
        "raise temperature_decay"
    )
    for changes in ({"temperature_decay": 0.6}, {"temperature": 1e-29}):
        with pytest.raises(InputError) as caught:
            settings.resolve(paper(**changes), "paper")
        assert str(caught.value) == message
    assert settings.resolve(paper(temperature_decay=0.61), "paper")  # 5 * 0.61 ** 140 = 4e-30


def test_the_least_temperature_still_works_and_a_tiny_one_would_not() -> None:
    live = torch.ones(8, dtype=torch.bool)
    tau = gumbel.noise(torch.Size([1000, 8]), torch.Generator().manual_seed(0))
    for temperature, fine in ((search.COLDEST, True), (1e-39, False)):
        alpha = torch.zeros(8, requires_grad=True)
        h = gumbel.relax(alpha, live, tau, temperature)
        gumbel.straight_through(h, h.argmax(-1)).sum().backward()
        assert (h.isfinite().all() and alpha.grad.isfinite().all()) == fine
