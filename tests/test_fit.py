import itertools
from collections.abc import Callable
from functools import partial

import pytest
import torch
import yaml
from torch import nn
from torch.nn import functional as F

from eoinas import command, params, settings
from eoinas.checkpoint import Checkpoint
from eoinas.code import ROOT
from eoinas.data.file_batches import FileBatches
from eoinas.errors import InputError
from eoinas.ranks import Group
from eoinas.train import classify, fit, imagenet
from eoinas.train.probe import probe
from tests.ranks_worker import SETTINGS, Noise, build, loss
from tests.test_resume import interrupted
from tests.test_search import NoCheckpoint, same

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")
ITERATIONS = 8  # three steps an epoch, the last epoch is cut short


@pytest.fixture
def in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def rate(epoch: int, iteration: int) -> float:
    return 0.02 * 0.5**epoch / (1 + iteration)


def train(states, iterations: int = ITERATIONS, criterion=loss, evaluate=None, **changes):
    network, settings = build(), SETTINGS.model_copy(update=changes)
    scored = evaluate and partial(evaluate, network)
    batches = FileBatches(Noise(11), settings.batch_size, 0, "test", 0, torch.device("cpu"))
    return network, fit.fit(
        fit.Task(network, 64, batches, criterion, rate, iterations, evaluate=scored), settings, "small", states
    )


def evaluation(network: nn.Module, epoch: int, poll: Callable[[], None]) -> dict[str, float]:
    network.eval()
    poll()
    return {"norm": sum(value.square().sum().item() for value in network.parameters()), "twice": 2 * epoch}


@pytest.fixture(scope="module")
def undisturbed():
    return train(NoCheckpoint(), evaluate=evaluation)


# 1 and 2 in the first epoch, 3 at its end, before the evaluation, 4 after it, 8 at the very end.
@pytest.mark.parametrize("stops", [(1,), (3,), (4,), (8,), (2, 1, 3)])
def test_a_resumed_training_is_the_undisturbed_one_to_the_bit(undisturbed, stops) -> None:
    network, log = interrupted(lambda states: train(states, evaluate=evaluation), stops)
    assert same(network.state_dict(), undisturbed[0].state_dict())
    assert log.rows == undisturbed[1].rows


def test_a_signal_in_an_evaluation_need_not_wait_for_its_end(undisturbed, monkeypatch) -> None:
    def signalled(network: nn.Module, epoch: int, poll: Callable[[], None]) -> dict[str, float]:
        monkeypatch.setattr(command, "_signals", [15] * (epoch == 2))
        return evaluation(network, epoch, poll)

    with pytest.raises(command.Stopped, match="state saved"), Checkpoint("small", "a" * 64, 60.0) as states:
        train(states, evaluate=signalled)
    monkeypatch.setattr(command, "_signals", [])
    with Checkpoint("small", "a" * 64, 60.0) as states:
        network, log = train(states, evaluate=evaluation)
        assert states.last.startswith("epoch 2, step 3 ")
    assert same(network.state_dict(), undisturbed[0].state_dict())
    assert log.rows == undisturbed[1].rows


@pytest.mark.parametrize("changes", [{"precision": "bf16"}, {"channels_last": True}])
def test_a_resumed_training_in_other_formats(changes) -> None:
    network, log = interrupted(lambda states: train(states, **changes), (4,))
    plain, plain_log = train(NoCheckpoint(), **changes)
    assert same(network.state_dict(), plain.state_dict())
    assert log.rows == plain_log.rows


def test_rows_of_the_history(undisturbed) -> None:
    rows = undisturbed[1].rows
    assert [list(row) for row in rows] == [["epoch", "learning_rate", "train_loss", "train_accuracy", "norm", "twice"]] * 3
    assert [row["learning_rate"] for row in rows] == [rate(1, 2), rate(2, 5), rate(3, 7)]
    assert [row["twice"] for row in rows] == [2, 4, 6]


def test_the_bar_shows_loss_and_accuracy_of_the_step(monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(
        fit.RunLog, "step", lambda _log, values: shown.append({name: value.item() for name, value in values.items()})
    )
    _, log = train(NoCheckpoint(), iterations=3, criterion=lambda outputs, targets: (loss(outputs, targets)[0], 4, 3))
    assert [values["accuracy"] for values in shown] == [0.75] * 3
    assert sum(values["loss"] for values in shown) / 3 == pytest.approx(log.rows[0]["train_loss"], rel=1e-5)


def test_the_gradient_is_that_of_the_mean_over_items() -> None:
    def of(items: int) -> nn.Module:  # so many items, with as much loss each
        return train(NoCheckpoint(), 1, lambda outputs, targets: (items * loss(outputs, targets)[0], items, 0), grad_clip=0.0)[0]

    one, two = of(1).state_dict(), of(2).state_dict()
    assert all(torch.allclose(value, two[name], rtol=1e-5, atol=1e-7) for name, value in one.items())


def test_steps_are_those_of_plain_pytorch() -> None:
    def halved(outputs, targets):  # every other image counts
        total, _, right = loss((outputs[0][::2], None), targets[::2])
        return total, len(targets[::2]), right

    found, log = train(NoCheckpoint(), criterion=halved, grad_clip=0.5)
    network, dataset = build(), Noise(11)
    optimizer = torch.optim.SGD(network.parameters(), 0.02, 0.9, weight_decay=3e-5)
    batches = FileBatches(dataset, 4, 0, "test", 0, torch.device("cpu"))
    losses = []
    for iteration in range(ITERATIONS):
        inputs, targets = batches.get(iteration // 3 + 1, iteration % 3)
        optimizer.param_groups[0]["lr"] = rate(iteration // 3 + 1, iteration)
        mean = F.cross_entropy(network(inputs)[0][::2], targets[::2])
        losses += [mean.item()] * len(targets[::2])
        optimizer.zero_grad()
        mean.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
    for (name, value), other in zip(network.state_dict().items(), found.state_dict().values(), strict=True):
        assert torch.allclose(value, other, atol=1e-6), name
    assert log.rows[0]["train_loss"] == pytest.approx(sum(losses[:6]) / 6, rel=1e-5)


def test_no_clipping_at_zero() -> None:
    free, _ = train(NoCheckpoint(), grad_clip=0.0)
    wide, _ = train(NoCheckpoint(), grad_clip=1e9)
    tight, _ = train(NoCheckpoint(), grad_clip=1e-3)
    assert same(free.state_dict(), wide.state_dict())
    assert not same(free.state_dict(), tight.state_dict())


def test_a_loss_that_is_not_a_number() -> None:
    steps = []

    def breaking(outputs, targets):
        steps.append(1)
        total, items, right = loss(outputs, targets)
        return total * (float("nan") if len(steps) == 5 else 1), items, right

    with pytest.raises(InputError, match=r"^small: the train loss is not finite in epoch 2, step 2; last good"):
        train(NoCheckpoint(), criterion=breaking)


def test_a_batch_without_items_changes_nothing_but_by_momentum() -> None:
    def unlabelled(outputs, targets):
        return outputs[0].sum() * 0, 0, 0

    network, log = train(NoCheckpoint(), criterion=unlabelled, weight_decay=0.0)
    before = dict(build().named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())
    assert (log.rows[0]["train_loss"], log.rows[0]["train_accuracy"]) == (0, 0)


def test_lower_precision_is_used() -> None:
    exact, _ = train(NoCheckpoint())
    rough, log = train(NoCheckpoint(), precision="bf16")
    assert not same(exact.state_dict(), rough.state_dict())
    assert all(value.dtype in (torch.float32, torch.int64) for value in rough.state_dict().values())
    assert log.rows[-1]["train_loss"] > 0


class Labels:
    """Batches of random images in double precision, the first without a label for two pixels in three."""

    steps, fewest = 2, 5

    def get(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(2 * epoch + step)
        targets = torch.randint(3, (5, 4, 4), generator=generator)
        return torch.randn(5, 3, 4, 4, generator=generator, dtype=torch.float64), targets.masked_fill(targets > step, -1)


def over_pixels(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    losses = F.cross_entropy(logits, targets, ignore_index=-1, reduction="sum")
    return losses, (targets >= 0).sum(), (logits.argmax(1) == targets).sum()


def in_parts(accumulate: int, norm: Callable[[], nn.Module]) -> tuple[dict, list[dict], list[fit.Part]]:
    """State and history of a training of two epochs, and the parts of which it was made."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm(), nn.ReLU(), nn.Conv2d(8, 3, 1)).double()
    seen: list[fit.Part] = []

    def forward(trained: Callable, inputs: torch.Tensor, part: fit.Part) -> torch.Tensor:
        assert len(inputs) == part.rows.stop - part.rows.start
        seen.append(part)
        return trained(inputs)

    task = fit.Task(network, 4, Labels(), over_pixels, lambda *_: 0.1, 4, forward)
    log = fit.fit(task, SETTINGS.model_copy(update={"accumulate": accumulate}), "small", NoCheckpoint())
    return network.state_dict(), log.rows, seen


def test_parts_of_a_batch_make_the_step_of_the_batch_where_nothing_looks_across_images() -> None:
    def group_norm() -> nn.Module:
        return nn.GroupNorm(2, 8)

    whole, rows, seen = in_parts(1, group_norm)
    assert seen == [fit.Part(epoch, step, slice(0, 5), 5) for epoch in (1, 2) for step in (0, 1)]
    for accumulate, bounds in ((2, (0, 2, 5)), (3, (0, 1, 3, 5)), (9, range(6))):
        parts, found, seen = in_parts(accumulate, group_norm)
        assert [part.rows for part in seen] == [slice(*pair) for pair in itertools.pairwise(bounds)] * 4
        assert all(torch.allclose(value, whole[name], rtol=1e-12, atol=1e-14) for name, value in parts.items())
        for one, other in zip(found, rows, strict=True):
            assert one == pytest.approx(other, rel=1e-12)


def test_batch_normalisation_looks_at_a_part_alone() -> None:
    def batch_norm() -> nn.Module:
        return nn.BatchNorm2d(8)

    whole, parts = in_parts(1, batch_norm)[0], in_parts(2, batch_norm)[0]
    assert not torch.allclose(whole["0.weight"], parts["0.weight"], rtol=1e-6)
    assert (whole["1.num_batches_tracked"], parts["1.num_batches_tracked"]) == (4, 8)


def test_a_part_has_two_images_where_a_layer_has_one_value_of_each() -> None:
    class Batch(Few):
        steps, fewest = 1, 5

        def get(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.randn(5, 3, 100, 100), torch.zeros(5, dtype=torch.int64)

    sizes: list[int] = []

    def forward(trained: Callable, inputs: torch.Tensor, part: fit.Part) -> object:
        sizes.append(len(inputs))
        return trained(inputs)

    fit.fit(
        fit.Task(build("auxiliary"), 100, Batch(), loss, rate, 1, forward),
        SETTINGS.model_copy(update={"accumulate": 4}),
        "small",
        NoCheckpoint(),
    )
    assert sizes == [2, 3]


def test_several_processes_share_the_batch_and_do_not_cut_it() -> None:
    with pytest.raises(InputError, match=r"^small: accumulate is for one process; use one GPU, or set it to 1"):
        fit.fit(
            fit.Task(build(), 64, Few(), loss, rate, 1),
            SETTINGS.model_copy(update={"accumulate": 2}),
            "small",
            NoCheckpoint(),
            Group(0, 2, 0),
        )


class Few:
    """An epoch of one image."""

    steps = fewest = 1

    def get(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randn(1, 3, 100, 100), torch.tensor([0])


def test_one_image_is_refused_where_a_layer_has_one_value_of_it_and_before_anything_runs() -> None:
    def once(kind: str, side: int, states: object) -> None:
        task = fit.Task(build(kind), side, Few(), loss, rate, 1)
        fit.fit(task, SETTINGS, "small", states)

    class Untouched(NoCheckpoint):
        def load(self) -> None:
            raise AssertionError

    message = (
        r"^small: a batch of one image, .*; raise batch_size \(or epoch_images\) of this stage's block in params.yaml, or take .*"
    )
    with pytest.raises(InputError, match=message):
        once("auxiliary", 100, Untouched())
    with pytest.raises(InputError, match=message):
        once("plain", 32, Untouched())  # a pixel after five halvings
    once("plain", 100, NoCheckpoint())


@pytest.mark.parametrize("change", [{"batch_size": 1}, {"epoch_images": 1}])
@pytest.mark.parametrize(("section", "name"), [(classify.RetrainParams, "retrain"), (imagenet.ImagenetParams, "imagenet")])
def test_an_auxiliary_head_needs_two_images(section: type, name: str, change: dict[str, int]) -> None:
    resolved = settings.resolve(yaml.safe_load((ROOT / "params.yaml").read_text()), "demo")
    found = resolved["retrain/0-9"].retrain if name == "retrain" else resolved[name]
    values = found.dumped() | change
    with pytest.raises(
        InputError, match=rf"demo.{name}: .*two images: raise batch_size or epoch_images, or set auxiliary_weight"
    ):
        params.build(section, [params.Layer(f"demo.{name}", values)])
    params.build(section, [params.Layer(f"demo.{name}", values | {"auxiliary_weight": 0.0})])


def test_what_a_step_would_meet() -> None:
    found = {kind: probe(build(kind), 100) for kind in ("plain", "auxiliary", "dead")}
    assert {kind: each.single_values for kind, each in found.items()} == {"plain": False, "auxiliary": True, "dead": False}
    assert {kind: bool(each.unused) for kind, each in found.items()} == {"plain": False, "auxiliary": False, "dead": True}
    network = build("dead")
    network(torch.randn(2, 3, 100, 100))[0].sum().backward()
    assert found["dead"].unused == {name for name, value in network.named_parameters() if value.grad is None}
