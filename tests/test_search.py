from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from eoinas import checkpoint
from eoinas.data import images as image_data
from eoinas.data import imageset
from eoinas.errors import InputError
from eoinas.nas import gumbel
from eoinas.spaces import registry
from eoinas.train import candidates, search, search_cifar

PARAMS = yaml.safe_load((Path(__file__).parent.parent / "params.yaml").read_text())
METHOD, PAPER = PARAMS["method"], PARAMS["paper"]
PAPER |= {name: {**PAPER["device"], **PAPER[name]} for name in ("search", "retrain", "imagenet", "seg_search", "seg_train")}
SPACE = registry.space("darts", PARAMS["operations"])
ZERO = SPACE.zero
SPLIT = image_data.SplitParams(halves="balanced", seed=0)
VARIANT = {"operations": list(SPACE.operations), "slimming": True, "indicator": "oii", "lambda": 0.5}
SMALL = {
    "C": 2,
    "layers": 3,
    "batch_size": 4,
    "epochs": 8,
    "warmup": 1,
    "prune_every": 1,
    "learning_rate": 0.1,
    "alpha_learning_rate": 0.05,
    "channels_last": False,
}


def settings(**changes: object) -> search_cifar.SearchCifarParams:
    """The paper's parameters at a size that takes a second, with seven prunes after epochs 2 to 8.

    The changes are not checked: a test may end before all prunes.
    """
    return search_cifar.SearchCifarParams(**{**METHOD, **PAPER["search"], **VARIANT, **SMALL}).model_copy(update=changes)


def data(size: int = 8, train: int = 16, test: int = 6) -> imageset.ImageSet:
    """Random images in three classes."""
    source = np.random.default_rng(0)
    splits = [(source.integers(256, size=(n, 3, size, size), dtype=np.uint8), np.arange(n) % 3) for n in (train, test)]
    return imageset.build(*splits, ("ant", "bee", "cat"), "here")


def halves(**sizes: int) -> image_data.Images:
    return image_data.halves(data(**sizes), SPLIT, torch.device("cpu"))


class NoCheckpoint:
    """A stand-in that never saves."""

    last = "none yet, the run starts over"

    def load(self) -> None:
        return None

    def offer(self, state: object) -> None:
        return None


def run(
    seed: int = 0, states: checkpoint.Checkpoint | None = None, **changes: object
) -> tuple[dict[str, torch.Tensor], search.Result]:
    """Weights and result of a small search."""
    network, result = search_cifar.run(halves(), settings(**changes), seed, "small", states or NoCheckpoint())
    return network.state_dict(), result


def same(one: dict, other: dict) -> bool:
    """Whether two dicts of tensors or arrays are equal to the bit, NaN included."""
    return one.keys() == other.keys() and all(np.asarray(one[k]).tobytes() == np.asarray(other[k]).tobytes() for k in one)


@pytest.fixture(scope="module")
def usual() -> tuple[dict[str, torch.Tensor], search.Result]:
    return run()


def test_seven_prunes_leave_one_operation_an_edge(usual) -> None:
    trace = usual[1].trace
    assert trace["prune_epochs"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert (trace["alive_final"].sum(-1) == 1).all()
    assert not trace["alive_final"][..., ZERO].any()
    assert trace["alive"].sum(-1).tolist() == [[[8 - k] * 14] * 2 for k in range(7)]
    for pruned, before, after in zip(trace["pruned"], trace["alive"], [*trace["alive"][1:], trace["alive_final"]], strict=True):
        assert np.array_equal(before.nonzero(), (after | (np.arange(8) == pruned[..., None])).nonzero())
        assert np.take_along_axis(before, pruned[..., None], -1).all()
    assert [row["live"] for row in usual[1].log.rows] == [8, 8, 7, 6, 5, 4, 3, 2]


def test_the_highest_die_probability_of_the_trace_was_pruned(usual) -> None:
    trace = usual[1].trace
    for step, pruned in enumerate(trace["pruned"][:-1]):  # at the last prune zero dies in any case
        die = np.nan_to_num(trace["X"][step, ..., 1], nan=-1.0)
        assert (np.take_along_axis(die, pruned[..., None], -1)[..., 0] >= die.max(-1) - 1e-7).all()


def test_trace_has_the_documented_shapes_and_nan_for_the_dead(usual) -> None:
    trace = usual[1].trace
    for name in ("alpha", "beta", "A", "E", "C", "S", "I", "alive"):
        assert trace[name].shape == (7, 2, 14, 8), name
    assert trace["X"].shape == (7, 2, 14, 8, 2)
    assert trace["Q"].shape == (7, 2, 14, 8, 2, 2)
    assert trace["pruned"].shape == (7, 2, 14)
    assert trace["alive_final"].shape == trace["I_final"].shape == (2, 14, 8)
    assert trace["epoch"].tolist() == [2, 3, 4, 5, 6, 7, 8]
    for name in ("alpha", "beta", "C", "S", "I", "X", "Q"):
        values = trace[name].reshape(*trace["alive"].shape, -1)
        assert np.isnan(values[~trace["alive"]]).all(), name
        assert np.isfinite(values[trace["alive"]]).all(), name
    assert set(trace) == {
        *("alpha", "beta", "A", "E", "C", "S", "I", "X", "Q", "alive"),
        *("epoch", "prune_epochs", "pruned", "alive_final", "I_final"),
    }


def test_trace_obeys_the_equations(usual) -> None:
    trace = usual[1].trace
    for name, expected in (("beta", 1.0), ("S", 1.0), ("I", 1.5)):
        assert np.nansum(trace[name], -1) == pytest.approx(expected, abs=1e-5), name
    assert trace["I"] == pytest.approx(trace["S"] + 0.5 * trace["beta"], nan_ok=True, abs=1e-6)
    drawn = np.isfinite(trace["A"]) & (trace["E"] > 0)
    assert trace["C"][drawn] == pytest.approx(trace["A"][drawn] / trace["E"][drawn], rel=1e-5)
    assert trace["I_final"][trace["alive_final"]] == pytest.approx(1.5)
    # one operation an edge a step: until the first prune all epochs are accounted for, warm-up included
    assert trace["E"][0].sum(-1) == pytest.approx(2.0)
    assert trace["X"][0][trace["alive"][0]] == pytest.approx(0.5)  # the first step has nothing to compare with


def test_chain_of_the_trace_follows_the_indicator() -> None:
    """Q moves between two steps as I did, where I is taken anew on the survivors of a prune (choice A6)."""
    rises = []
    for recompute in (True, False):
        trace = run(epochs=3, recompute_after_prune=recompute)[1].trace
        moved = (trace["Q"][1] - trace["Q"][0])[..., 0, 0][trace["alive"][1]]
        assert set(np.round(moved.astype(float), 4)) <= {-0.02, 0.0, 0.02}
        rises.append((moved > 0).mean())
    assert 0 < rises[0] < rises[1]  # without the new indicator survivors rise mechanically


def test_chain_of_the_trace_is_eq_11_of_how_the_indicator_moved() -> None:
    """Computed again from I alone, with no prune between."""
    trace = run(slimming=False, epochs=6)[1].trace
    Q, X = np.full((8, 2, 14, 8, 2, 2), 0.5), np.full((8, 2, 14, 8, 2), 0.5)  # four stand-ins, then four of five steps
    up = np.array([[0.02, -0.02], [0.01, -0.01]])
    assert len(trace["I"]) == 5
    for step in range(1, 5):  # the first step has nothing to compare with
        change = trace["I"][step] - trace["I"][step - 1]
        assert (np.abs(change) > 1e-7).mean() > 0.9
        Q[3 + step] = Q[2 + step] + np.sign(change)[..., None, None] * up
        moved = [np.einsum("...s,...st->...t", X[3 + step - m], Q[4 + step - m]) for m in range(1, 5)]
        X[3 + step] = np.mean(moved, 0)  # sigma is a quarter until the second prune
        sure = np.abs(np.diff(trace["I"][: step + 1], axis=0)).min(0) > 1e-6  # float32 tells the sign
        assert trace["Q"][step][sure] == pytest.approx(Q[3 + step][sure], abs=1e-6)
        assert trace["X"][step][sure] == pytest.approx(X[3 + step][sure], abs=1e-6)


def test_history_has_a_row_an_epoch(usual) -> None:
    rows = usual[1].log.rows
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    assert rows[0]["valid_loss"] is rows[0]["undrawn"] is None
    assert all(row["valid_loss"] > 0 and row["undrawn"] >= 0 for row in rows[1:])
    assert rows[0]["learning_rate"] == 0.1
    assert [row["temperature"] for row in rows[:3]] == pytest.approx([5.0, 4.825, 4.656125])


def test_baseline_never_prunes() -> None:
    trace = run(slimming=False, indicator="beta", epochs=4)[1].trace
    assert trace["alive_final"].all()
    assert trace["alive"].all()
    assert trace["pruned"].shape == (0, 2, 14)
    assert trace["prune_epochs"].shape == (0,)
    assert same({"I": trace["I"]}, {"I": trace["beta"]})


def test_sss_prunes_by_beta_and_does_not_know_lambda() -> None:
    weights, result = run(indicator="beta", lambda_=0.5, epochs=4)
    assert same({"I": result.trace["I"]}, {"I": result.trace["beta"]})
    assert (result.trace["alive_final"].sum(-1) == 5).all()
    for weight in (9.0, None):
        others, other = run(indicator="beta", lambda_=weight, epochs=4)
        assert same(weights, others)
        assert same(result.trace, other.trace)


def test_lambda_weighs_beta_in_the_indicator() -> None:
    trace = run(lambda_=2.0, epochs=3)[1].trace
    assert trace["I"] == pytest.approx(trace["S"] + 2 * trace["beta"], nan_ok=True, abs=1e-6)


def test_another_lambda_ends_in_another_indicator_and_another_cell(usual) -> None:
    half, five = usual[1].trace, run(lambda_=5.0)[1].trace
    # I sums to 1 + lambda over an edge's living.
    shares = [trace["I"][-1] / (1 + weight) for trace, weight in ((half, 0.5), (five, 5.0))]
    both = half["alive"][-1] & five["alive"][-1]
    assert both.any()
    assert np.abs(shares[0] - shares[1])[both].max() > 0.05
    assert (half["alive_final"] != five["alive_final"]).any(-1).mean() > 0.25


def test_same_seed_same_bytes_another_seed_another_search(usual) -> None:
    weights, result = run()
    assert same(weights, usual[0])
    assert same(result.trace, usual[1].trace)
    assert result.log.rows == usual[1].log.rows
    other, another = run(seed=1)
    assert not same(other, usual[0])
    assert not same(another.trace, usual[1].trace)


def test_in_the_warm_up_only_the_weights_are_trained(monkeypatch) -> None:
    calls = []
    alpha_step = search.alpha_step
    monkeypatch.setattr(search, "alpha_step", lambda *args: calls.append(args[3]) or alpha_step(*args))
    result = run(warmup=2, epochs=3, alpha_weight_decay=0.0)[1]
    assert calls == [3, 3]
    assert result.trace["epoch"].tolist() == [3]
    assert [row["valid_loss"] is None for row in result.log.rows] == [True, True, False]
    # two Adam steps from zero move each alpha by about twice the rate at most
    assert 0 < np.abs(result.trace["alpha"][0]).max() <= 2.2 * 0.05


def task_and_architecture(**changes: object) -> tuple[search.Task, search.Architecture]:
    images, values = halves(), settings(**changes)
    captured = {}

    def catch(task: search.Task, *_: object) -> None:
        captured["task"] = task

    original, search.search = search.search, catch
    try:
        search_cifar.run(images, values, 0, "small", NoCheckpoint())
    finally:
        search.search = original
    return captured["task"], search.Architecture(SPACE, values, 0)


@pytest.mark.parametrize("forward", ["sampled", "mixture"])
def test_alpha_step_leaves_the_weights_and_weight_step_leaves_alpha(forward: str) -> None:
    task, architecture = task_and_architecture(forward=forward)
    optimizer = torch.optim.SGD(task.network.parameters(), 0.1)
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    index, h = architecture.draw(gumbel.noise(torch.Size(SPACE.shape), torch.Generator().manual_seed(1)), 5.0)
    path = architecture.path(index, h, torch.device("cpu"), gradient=True)
    search.alpha_step(task, architecture, path, 1, 0, 5.0)
    assert same(task.network.state_dict(), before)
    assert all(p.grad is None for p in task.network.parameters())
    assert (architecture.alpha != 0).any()
    alpha = architecture.alpha.detach().clone()
    path = architecture.path(*architecture.draw(torch.zeros(SPACE.shape), 5.0), torch.device("cpu"), gradient=False)
    search.weight_step(task, optimizer, path, 1, 0, 5.0)
    assert torch.equal(architecture.alpha, alpha)
    assert not same(task.network.state_dict(), before)


def test_a_draw_of_nothing_but_zero_leaves_alpha() -> None:
    task, architecture = task_and_architecture()
    index = torch.full(SPACE.shape[:2], ZERO)
    _, h = architecture.draw(torch.zeros(SPACE.shape), 5.0)
    search.alpha_step(task, architecture, architecture.path(index, h, torch.device("cpu"), gradient=True), 1, 0, 5.0)
    assert torch.equal(architecture.alpha.grad, torch.zeros(SPACE.shape))
    assert torch.equal(architecture.alpha, torch.zeros(SPACE.shape))


def test_gradients_are_clipped() -> None:
    task, architecture = task_and_architecture()
    index, h = architecture.draw(gumbel.noise(torch.Size(SPACE.shape), torch.Generator().manual_seed(1)), 0.1)
    search.alpha_step(task, architecture, architecture.path(index, h, torch.device("cpu"), True), 1, 0, 1e-4)
    assert architecture.alpha.grad.norm().item() == pytest.approx(1e-4, rel=1e-3)
    optimizer = torch.optim.SGD(task.network.parameters(), 0.1)
    search.weight_step(task, optimizer, architecture.path(index, h, torch.device("cpu"), False), 1, 0, 1e-4)
    total = sum(p.grad.square().sum() for p in task.network.parameters() if p.grad is not None).sqrt().item()
    assert total == pytest.approx(1e-4, rel=1e-3)


# Options


def test_mixture_trains_every_live_operation() -> None:
    weights, sampled = run(epochs=2, forward="mixture")[0], run(epochs=2)[0]
    assert not same(weights, sampled)
    torch.manual_seed(0)
    task, architecture = task_and_architecture(forward="mixture")
    path = architecture.path(*architecture.draw(torch.zeros(SPACE.shape), 5.0), torch.device("cpu"), gradient=False)
    assert [len(edge) for edge in path[0].operations] == [7] * 14  # all but zero
    search.weight_step(task, torch.optim.SGD(task.network.parameters(), 0.1), path, 1, 0, 5.0)
    assert all(p.grad is not None for p in task.network.parameters())


def trace_of(**changes: object) -> dict[str, np.ndarray]:
    return run(epochs=3, **changes)[1].trace


@pytest.fixture(scope="module")
def short() -> dict[str, np.ndarray]:
    return trace_of()


def test_redraw_gives_the_alpha_step_a_draw_of_its_own(short, monkeypatch) -> None:
    def draws(redraw: bool) -> list[bool]:
        seen: dict[str, list[torch.Tensor]] = {"train": [], "valid": []}
        for kind, rows in seen.items():
            original = getattr(search.EpochLog, kind)
            monkeypatch.setattr(
                search.EpochLog,
                kind,
                lambda self, index, *rest, original=original, rows=rows: rows.append(index) or original(self, index, *rest),
            )
        found = trace_of(redraw=redraw)
        monkeypatch.undo()
        assert same(found, short) is not redraw
        steps = len(seen["valid"])
        return [torch.equal(*pair) for pair in zip(seen["train"][-steps:], seen["valid"], strict=True)]

    assert draws(False) == [True] * 4
    assert draws(True) == [False] * 4


def test_percent_and_steps_are_units_of_eq_8(short) -> None:
    fraction, steps = trace_of(accuracy_unit="fraction"), trace_of(epoch_unit="steps")
    assert short["A"][0] == pytest.approx(100 * fraction["A"][0], nan_ok=True)
    assert short["C"][0] == pytest.approx(100 * fraction["C"][0], nan_ok=True, rel=1e-5)
    assert steps["E"][0] == pytest.approx(2 * short["E"][0])  # an epoch has two steps
    assert steps["C"][0] == pytest.approx(short["C"][0] / 2, rel=1e-5)


def test_last_batch_is_one_of_the_batches(short) -> None:
    last = trace_of(accuracy_estimate="last_batch")["A"][0]
    assert np.isin(np.round(last[np.isfinite(last)], 4), np.arange(5) * 25).all()
    assert not same({"A": last}, {"A": short["A"][0]})


def test_undrawn_zero_gives_them_no_accuracy_weight() -> None:
    trace, mean = trace_of(undrawn="zero"), trace_of()
    unknown = ~np.isfinite(trace["A"][0])
    assert unknown.any()
    assert (trace["C"][0][unknown] == 0).all()
    assert (mean["C"][0][unknown] > 0).any()


def test_reset_forgets_what_was_before_a_prune(short) -> None:
    trace = trace_of(reset_tally_at_prune=True)
    assert same({"E": trace["E"][0]}, {"E": short["E"][0]})
    assert np.nansum(trace["E"][1], -1) == pytest.approx(1.0)
    assert np.nansum(short["E"][1], -1).min() >= 1.5


def test_softmax_over_all_counts_the_dead(short) -> None:
    trace = trace_of(softmax_over="all", accuracy_unit="fraction")  # in percent one operation may have all of S
    assert np.nansum(trace["S"][0], -1) == pytest.approx(1.0)
    assert np.nansum(trace["S"][1], -1).max() < 1.0
    # The dead keep the A and E that they had, if they had any.
    dead = np.isnan(trace["S"][1])
    whole = torch.softmax(torch.from_numpy(np.where(dead, trace["C"][0], trace["C"][1])), -1).numpy()
    known = (dead & np.isfinite(trace["A"][0] / trace["E"][0])).any(-1, keepdims=True)
    assert known.any()
    assert trace["S"][1][known & ~dead] == pytest.approx(whole[known & ~dead], rel=1e-6)


def test_rebuilt_adam_forgets_its_moments(short) -> None:
    trace = trace_of(rebuild_adam_at_prune=True)
    assert same({"alpha": trace["alpha"][0]}, {"alpha": short["alpha"][0]})
    assert not same({"alpha": trace["alpha"][1]}, {"alpha": short["alpha"][1]})


def test_skip_dropout_changes_the_search_and_is_reproducible(short) -> None:
    trace = trace_of(skip_dropout=0.5)
    assert not same(trace, short)
    torch.rand(7)  # whatever state the global generator is in
    assert same(trace_of(skip_dropout=0.5), trace)


def test_alpha_starts_at_random_if_asked_for() -> None:
    trace = trace_of(alpha_init_sd=1.0, alpha_learning_rate=1e-9)
    assert trace["alpha"][0].std() == pytest.approx(1.0, abs=0.15)  # 224 numbers


def test_chain_step_of_two_moves_the_chain_every_other_epoch() -> None:
    trace = run(chain_step=2, prune_every=2, epochs=5)[1].trace
    assert trace["epoch"].tolist() == [2, 4]
    assert trace["prune_epochs"].tolist() == [2, 4]


def test_zero_may_win_if_allowed() -> None:
    alive = run(zero_may_win=True)[1].trace["alive_final"]
    assert (alive.sum(-1) == 1).all()
    assert alive[..., ZERO].any()


def test_without_the_clamp_transitions_leave_the_unit_interval() -> None:
    changes = {"epsilon_1": 0.4, "epsilon_2": 0.3}
    free, clamped = trace_of(clamp_transition=False, **changes), trace_of(**changes)
    assert np.nanmax(clamped["Q"]) <= 1.0
    assert np.nanmax(run(epochs=6, clamp_transition=False, **changes)[1].trace["Q"]) > 1.0
    assert np.nansum(free["Q"], -1)[free["alive"]] == pytest.approx(1.0)


def test_channels_last_is_a_layout_only(short) -> None:
    trace = trace_of(channels_last=True)
    assert trace["alpha"] == pytest.approx(short["alpha"], nan_ok=True, abs=1e-2)


def test_a_larger_valid_half_and_an_odd_image_out_are_fine() -> None:
    images = image_data.halves(data(train=9), image_data.SplitParams(halves="file_order", seed=0), torch.device("cpu"))
    assert (len(images.train), len(images.scored)) == (5, 4)
    values = settings(batch_size=4, epochs=2)  # two weight steps, one batch of the other half
    result = search_cifar.run(images, values, 0, "small", NoCheckpoint())[1]
    assert len(result.log.rows) == 2


def test_a_loss_that_is_no_number_names_epoch_and_step() -> None:
    with pytest.raises(InputError, match=r"small: the train loss is not finite in epoch 1, step 2; last good state: none yet"):
        run(learning_rate=1e30, grad_clip=1e30)


def test_a_valid_loss_that_is_no_number_is_named_too(monkeypatch) -> None:
    alpha_step = search.alpha_step

    def spoiled(*args: object) -> tuple[torch.Tensor, torch.Tensor]:
        loss, accuracy = alpha_step(*args)
        return (loss * float("nan") if args[3:5] == (2, 1) else loss), accuracy

    monkeypatch.setattr(search, "alpha_step", spoiled)
    with pytest.raises(InputError, match=r"small: the valid loss is not finite in epoch 2, step 2"):
        run(epochs=3)


# The cell of a finished search


def saved(trace: dict[str, np.ndarray], folder: Path) -> Path:
    np.savez(folder / "trace.npz", **trace)
    return folder / "trace.npz"


@pytest.mark.parametrize("rank", ["before_last_prune", "after"])
def test_the_cell_has_the_survivors(usual, tmp_path, rank: str) -> None:
    trace = usual[1].trace
    cell = candidates.derive_cell(SPACE, saved(trace, tmp_path), rank)
    position = 0
    for node in range(2, 6):
        for operation, source in cell.normal[2 * node - 4 : 2 * node - 2]:
            edge = position + source
            assert trace["alive_final"][0, edge].nonzero()[0].tolist() == [SPACE.operations.index(operation)]
        position += node


def test_after_the_last_prune_all_edges_are_equal(usual, tmp_path) -> None:
    trace = usual[1].trace
    trace = {**trace, "I_final": np.where(trace["alive_final"], 1.5, np.nan).astype(np.float32)}
    cell = candidates.derive_cell(SPACE, saved(trace, tmp_path), "after")
    assert [source for _, source in cell.normal] == [0, 1] * 4


def test_edges_are_ranked_before_the_last_prune_also_if_epochs_follow_it(usual, tmp_path) -> None:
    longer = run(epochs=9)[1].trace
    assert longer["epoch"][-1] == 9 > longer["prune_epochs"][-1] == 8
    found = candidates.derive_cell(SPACE, saved(longer, tmp_path), "before_last_prune")
    longer = {**longer, "I": longer["I"][:-1], "epoch": longer["epoch"][:-1]}
    assert found == candidates.derive_cell(SPACE, saved(longer, tmp_path), "before_last_prune")


def test_of_all_prunes_the_last_ranks_the_edges(usual, tmp_path) -> None:
    trace = usual[1].trace
    every = trace["I"].copy()
    later_edges = np.arange(len(SPACE.edges), dtype=np.float32)[None, :, None]  # would take the edges of the highest sources
    every[-1] = np.where(trace["alive"][-1], 1 + later_edges, np.nan)
    every[:-1] = np.where(trace["alive"][:-1], 100 - later_edges, np.nan)
    cell = candidates.derive_cell(SPACE, saved({**trace, "I": every}, tmp_path), "before_last_prune")
    assert [source for _, source in cell.normal] == [0, 1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_missing_or_damaged_trace_is_named(tmp_path, content) -> None:
    if content is not None:
        (tmp_path / "trace.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"trace.npz: no"):
        candidates.derive_cell(SPACE, tmp_path / "trace.npz", "after")
