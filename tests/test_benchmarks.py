"""The plain references compute what the project computes, and the steps never wait for the device."""

import ast
import importlib
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import bench_step, calls, checkpoint_cost, reference, retrain_step, search_step, timing, work
from benchmarks.search_step import SPACE, Case
from eoinas.data import augment
from eoinas.models import path as paths
from eoinas.models.seg_supernet import SupernetSegmentation
from eoinas.nas import gumbel
from eoinas.train import search

ROOT = Path(__file__).resolve().parents[1]
SMALL = Case(C=4, cells=3, batch=4, size=16)
NCHW, LAST = torch.contiguous_format, torch.channels_last


@pytest.mark.parametrize("live", [8, 2])
@pytest.mark.parametrize(
    # In float32 the kernels of one layout: others round otherwise, and a ReLU near 0 then opens or not.
    ("dtype", "layout", "bound"),
    [(torch.float32, NCHW, 1e-5), (torch.float64, LAST, 1e-12)],
    ids=["float32", "float64"],
)
def test_fast_and_plain_path_agree(live: int, dtype: torch.dtype, layout: torch.memory_format, bound: float) -> None:
    found = search_step.networks(SMALL, dtype)
    for turn in range(live):  # every live operation on every edge
        plain = search_step.gradients(found, live, turn, True, NCHW)
        fast = search_step.gradients(found, live, turn, False, layout)
        assert max(fast.difference(plain)) < bound, turn


def segmentation() -> search_step.Networks:
    """The supernets for street scenes, small."""
    torch.manual_seed(0)
    fast = SupernetSegmentation(SPACE, 4, "NRNRN", [2], 19, pool_bn=True)
    plain = reference.SupernetSegmentation(4, "NRNRN", [2], 19)
    plain.load_state_dict(fast.state_dict())
    images, targets = torch.randn(2, 2, 3, 64, 64, dtype=torch.float64), torch.randint(19, (2, 2, 64, 64))
    batches = tuple(zip(images, targets, strict=True))
    return search_step.Networks(fast.double(), plain.double(), batches, lambda y, t: (F.cross_entropy(y, t), y))


@pytest.mark.parametrize("live", [8, 5])
@pytest.mark.parametrize("forward", ["sampled", "mixture"])
@pytest.mark.parametrize("network", [lambda: search_step.networks(SMALL, torch.float64), segmentation], ids=["CIFAR", "scenes"])
def test_loss_and_gradients_are_those_of_the_plain_supernet(network: Callable, forward: str, live: int) -> None:
    """What the fast one shares, adds up in one call or lets batch normalisation do is the same mathematics."""
    found, living = network(), search_step.alive(live)
    inputs, targets = found.batches[0]
    alpha = torch.randn(SPACE.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    tau = gumbel.noise(SPACE.shape, torch.Generator().manual_seed(1))
    if forward == "sampled":
        h = gumbel.relax(alpha, living, tau, search_step.TEMPERATURE)
        index = h.argmax(-1)
        path = paths.sampled(index, gumbel.straight_through(h, index), SPACE.zero)
    else:
        path = paths.mixture(reference.soft_weights(alpha, living), living, SPACE.zero)
    plain = search_step.run_plain(found.plain, inputs, alpha, living, tau if forward == "sampled" else None)
    results = []
    for logits, module in ((found.fast(inputs, path), found.fast), (plain, found.plain)):
        loss = found.judge(logits, targets)[0]
        gradients = torch.autograd.grad(loss, [alpha, *module.parameters()], materialize_grads=True)
        results.append((loss, gradients[0].flatten(), torch.cat([each.flatten() for each in gradients[1:]])))
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).norm() <= 1e-12 * theirs.norm()


def test_the_plain_supernet_of_the_benchmark_computes_the_same() -> None:
    """Logits, and the gradient of alpha, of one draw."""
    fast, plain = (network.double() for network in bench_step.networks())
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    shape, found = bench_step.SPACE.shape, []
    tau = gumbel.noise(shape, torch.Generator().manual_seed(4))
    living = torch.ones(shape, dtype=torch.bool)
    for network in (fast, plain):
        alpha = torch.zeros(shape, requires_grad=True)
        if network is plain:
            logits = plain(
                images,
                *(
                    each.double() if each.is_floating_point() else each
                    for each in reference.hard_weights(alpha, living, tau, 5.0)
                ),
            )
        else:
            h = gumbel.relax(alpha, living, tau, 5.0)
            index = h.detach().argmax(-1)
            logits = fast(images, paths.sampled(index, gumbel.straight_through(h, index).double(), bench_step.SPACE.zero))
        found.append((logits.detach(), torch.autograd.grad(logits.square().sum(), alpha)[0]))
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_a_search_step_makes_few_calls() -> None:
    found = calls.mean(calls.versions(calls.CASE)["fast, one operation"], 1)
    assert sum(found) <= calls.MOST


@pytest.mark.parametrize(
    "case",
    [retrain_step.Case("cifar", 4, 5, 10, 16, 3), retrain_step.Case("imagenet", 4, 3, 7, 128, 2)],
    ids=lambda case: case.stem,
)
def test_plain_networks_of_the_training_agree(case: retrain_step.Case) -> None:
    assert max(retrain_step.agreement(case, torch.float64).values()) < 1e-10


def test_draws_take_every_live_operation_once_on_every_edge() -> None:
    living = search_step.alive(4)
    counts = torch.zeros(SPACE.shape, dtype=torch.int64)
    for turn in range(4):
        index, _ = reference.hard_weights(torch.zeros(SPACE.shape), living, search_step.draw(living, turn), 5.0)
        counts.scatter_add_(-1, index[..., None], torch.ones_like(counts))
    assert torch.equal(counts, living.long())


def test_pil_transforms_normalise_as_the_batches_do() -> None:
    image = np.random.default_rng(0).integers(256, size=(1, 32, 32, 3), dtype=np.uint8)
    found, _ = reference.PilImages(image, [0], padding=0, cutout=0)[0]
    mean, std = reference.MEAN, reference.STD
    expected = augment.normalise(torch.from_numpy(image).permute(0, 3, 1, 2), mean, std)[0]
    assert any(torch.allclose(found, candidate, atol=1e-6) for candidate in (expected, expected.flip(2)))
    cut, _ = reference.PilImages(image, [0], padding=4, cutout=16)[0]
    assert 64 <= int((cut == 0).all(0).sum()) <= 256  # a quarter of the square at least


class HostReads(TorchDispatchMode):
    """The tensors whose values were asked for, or that decided a shape; on a GPU each would wait for the device."""

    READS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[torch.Tensor] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.__name__.partition(".")[0] in self.READS:
            self.found.append(args[0])
        return function(*args, **(kwargs or {}))


def parts() -> tuple[search.Task, torch.optim.SGD, search.Architecture]:
    found = search_step.networks(SMALL)
    train, valid = (search_step.Fixed(batch) for batch in found.batches)
    task = search.Task(found.fast, found.fast, train, valid, found.judge)
    optimizer = torch.optim.SGD(found.fast.parameters(), 0.025, 0.9, weight_decay=3e-4)
    return task, optimizer, search.Architecture(SPACE, search_step.numbers(), 0)


def test_steps_read_no_value_of_the_network() -> None:
    task, optimizer, architecture = parts()
    index, h = architecture.draw(search_step.draw(architecture.alive, 0), 5.0)
    for _ in range(2):  # the first makes the optimizers' states
        with HostReads() as reads:
            search.weight_step(task, optimizer, architecture.path(index, h, search_step.CPU, False), 1, 0, 5.0)
            search.alpha_step(task, architecture, architecture.path(index, h, search_step.CPU, True), 1, 0, 5.0)
        h = architecture.draw(search_step.draw(architecture.alive, 0), 5.0)[1]
        # Adam counts its steps in a tensor on the CPU, where alpha lives.
        counts = {id(state["step"]) for state in architecture.optimizer.state_dict()["state"].values()}
        assert not [tensor for tensor in reads.found if id(tensor) not in counts]


def test_weight_step_runs_where_no_value_can_be_read() -> None:
    """Reading a tensor of the meta device is an error. Of the alpha step alpha's gradient goes to the host, for the next draw."""
    task, _, architecture = parts()
    network = task.network.to("meta")
    batch = tuple(part.to("meta") for part in task.train.get(1, 0))
    task = task._replace(train=search_step.Fixed(batch))
    optimizer = torch.optim.SGD(network.parameters(), 0.025, 0.9, weight_decay=3e-4)
    index, h = architecture.draw(search_step.draw(architecture.alive, 0), 5.0)
    loss, accuracy = search.weight_step(task, optimizer, architecture.path(index, h, torch.device("meta"), False), 1, 0, 5.0)
    assert loss.is_meta
    assert accuracy.is_meta


def test_cost_of_checkpoints_is_that_of_one_a_step(tmp_path: Path) -> None:
    tiny = search_step.numbers("demo").model_copy(update={"C": 2, "batch_size": 2})
    found = checkpoint_cost.run(tiny, tmp_path / "states")
    assert len(found.saves) == len(found.steps) == checkpoint_cost.STEPS
    assert min(found.saves) > 0
    assert found.size > 0.1


@pytest.mark.slow
def test_work_counts_every_run_of_every_stage() -> None:
    counts = {row.stage: row.count for row in work.rows("demo")}
    assert counts["search"] == 3 * 2  # variants times seeds
    assert counts["retrain_cifar10"] == 6 * 2  # entries times runs
    assert counts["retrain_seeds"] == (3 + 1) * 2 - 4  # the selected seeds' cells are trained as entries
    assert counts["standalone"] == 8
    assert (counts["bench_search"], counts["bench_masked"]) == (3 * 2, 2)  # variants that run, times seeds; one's supernets
    assert all(counts.values())


SCRIPTS = [
    *sorted((ROOT / "benchmarks").glob("*.py")),
    *(ROOT / f"tests/{name}.py" for name in ("faults", "mutants", "fan_faults")),
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_takes_from_modules_is_there(path: Path) -> None:
    """Scripts that run for many minutes, and that no test runs whole: each MODULE.NAME of the project's modules."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found = getattr(module, node.value.id, None)
            if isinstance(found, types.ModuleType) and found.__name__.startswith(("eoinas", "benchmarks")):
                assert hasattr(found, node.attr), f"{path.name}:{node.lineno}: {found.__name__}.{node.attr}"


def test_works_take_turns_and_the_first_is_not_counted() -> None:
    order: list[str] = []
    times = timing.interleave({name: lambda turn, name=name: order.append(f"{name}{turn}") for name in "ab"}, 3, {"b": 1})
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3"]
    assert [len(seconds) for seconds in times.values()] == [3, 1]


def test_peak_memory_is_the_fresh_process_s_own() -> None:
    ballast = bytearray(b"x" * (600 << 20))  # of this process, which the one that is started must not count
    code = "from benchmarks import timing; print(timing.peak())"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert float(found) < len(ballast) / 2**20 < timing.peak()


def test_report_says_what_is_met_and_what_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "OUT", tmp_path)
    report = timing.Report("name", "Title", batch=3)
    report.row(version="fast", seconds=1.23456)
    report.target("fast enough", timing.spread([1.0, 2.0, 3.0]), 2.0)
    report.target("small enough", timing.spread([5.0]), 2.0, False, "MB")
    report.write()
    value = json.loads((tmp_path / "name.json").read_text())
    assert [target["met"] for target in value["targets"]] == [True, False]
    text = timing.markdown(value)
    assert "| fast | 1.23 |" in text
    assert "| fast enough | >= 2 x | 2 (1.5 to 2.5) | 3 | met |" in text
    assert "| small enough | <= 2 MB | 5 | 1 | **missed** |" in text
