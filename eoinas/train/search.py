"""Algorithm 1 of the paper, for any task and search space: what differs (network, data, loss, score) comes in as a ``Task``.

Shapes: cells (2: normal, reduction), E edges (14), O operations (8), N steps of an epoch. Architecture parameters and all that
the method derives from them live on the CPU, where the draw decides which operation runs; they are a few hundred numbers.
"""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, Protocol

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from eoinas import params, schedules, seeds
from eoinas.checkpoint import Checkpoint, check_finite
from eoinas.devices import DeviceParams
from eoinas.models import path as paths
from eoinas.models.path import Path
from eoinas.nas import gumbel, importance, markov, pruning, tally
from eoinas.runlog import RunLog
from eoinas.spaces.space import Space

Sigma = Annotated[list[params.Fraction], Field(min_length=1)]
Indicator = Literal["oii", "beta", "accuracy", "inverse_epochs", "shuffled", "quotient"]
COLDEST = 1e-30  # the least temperature with which float32 can divide


class SearchParams(DeviceParams):
    """Algorithm 1's numbers, with the search space and the variant; what each means stands beside it in params.yaml."""

    space: str
    operations: Annotated[list[str], Field(min_length=2)]
    slimming: bool  # SSS: the chain prunes
    indicator: Indicator  # OII: importance is I of eq. (10); beta: beta alone; the others are controls
    lambda_: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(alias="lambda")  # None: beta alone needs none
    pool_bn: bool
    epochs: params.Positive
    warmup: Annotated[int, Field(ge=0)]
    prune_every: params.Positive
    learning_rate: params.PositiveFloat
    learning_rate_min: params.NonNegative
    momentum: params.Fraction
    nesterov: bool
    weight_decay: params.NonNegative
    grad_clip: params.PositiveFloat
    alpha_init_sd: params.NonNegative
    alpha_learning_rate: params.PositiveFloat
    alpha_betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    alpha_weight_decay: params.NonNegative
    temperature: params.PositiveFloat
    temperature_decay: Annotated[float, Field(gt=0, le=1)]
    temperature_last: params.NonNegative
    forward: Literal["sampled", "mixture"]
    alpha_gradient: Literal["drawn", "all"]
    redraw: bool
    skip_dropout: Annotated[float, Field(ge=0, lt=1)]
    accuracy_unit: Literal["fraction", "percent"]
    accuracy_estimate: Literal["running_mean", "last_batch"]
    epoch_unit: Literal["epochs", "steps"]
    undrawn: Literal["mean", "zero"]
    reset_tally_at_prune: bool
    reset_chain_at_prune: bool
    softmax_over: Literal["live", "all"]
    chain_step: params.Positive
    epsilon_1: params.Fraction
    epsilon_2: params.Fraction
    sigma_first: Sigma
    sigma_last: Sigma
    clamp_transition: bool
    recompute_after_prune: bool
    zero_may_win: bool
    rebuild_adam_at_prune: bool

    @model_validator(mode="after")
    def _consistent(self) -> "SearchParams":
        for name in ("sigma_first", "sigma_last"):
            if abs(sum(getattr(self, name)) - 1) > 1e-9:
                raise ValueError(f"{name} must sum to 1, eq. (12)")
        if len(self.sigma_first) != len(self.sigma_last):
            raise ValueError("sigma_first and sigma_last must be of one length, the order of the chain")
        if len(set(self.operations)) < len(self.operations):
            raise ValueError("no operation may come twice in operations")
        if self.warmup >= self.epochs:
            raise ValueError("warmup must be shorter than epochs")
        if self.prune_every % self.chain_step:
            raise ValueError("prune_every must be a multiple of chain_step, so that every prune follows a step of the chain")
        if self.epochs // self.chain_step == self.warmup // self.chain_step:
            raise ValueError("chain_step is so long that the chain never moves")
        if self.temperature_at(self.epochs) < COLDEST:
            raise ValueError(
                f"temperature falls below {COLDEST:g}, with which float32 cannot divide, before epoch {self.epochs}: "
                "raise temperature_decay"
            )
        if self.indicator != "beta" and self.lambda_ is None:
            raise ValueError(f"indicator {self.indicator} needs lambda")
        return self._all_but_one_die()

    def _all_but_one_die(self) -> "SearchParams":
        needed, found = len(self.operations) - 1, len(self.prune_epochs)
        if self.slimming and found < needed:
            first = (self.warmup // self.prune_every + 1) * self.prune_every
            raise ValueError(
                f"{found} prunes in {self.epochs} epochs, but {len(self.operations)} operations need {needed} until one is left: "
                f"set epochs to {first + (needed - 1) * self.prune_every} or more, or a smaller prune_every or warmup"
            )
        return self

    def temperature_at(self, epoch: int) -> float:
        """T of eq. (5) in an epoch, from 1."""
        first, decay, last = self.temperature, self.temperature_decay, self.temperature_last
        return schedules.temperature(epoch, self.epochs, self.warmup, first, decay, last)

    @property
    def prune_epochs(self) -> list[int]:
        """Algorithm 1 line 8: epoch > warmup and epoch % prune_every == 0, until one operation is left (choice D10)."""
        return [epoch for epoch in range(self.warmup + 1, self.epochs + 1) if epoch % self.prune_every == 0][
            : len(self.operations) - 1
        ]


class Batches(Protocol):
    """What the loop needs of a data set; see ``data.batches.TrainBatches``."""

    steps: int

    def get(self, epoch: int, step: int) -> tuple[Tensor, Tensor]: ...


class Task(NamedTuple):
    """What differs between image classification and semantic segmentation."""

    forward: Callable[[Tensor, Path], Tensor]  # (inputs, path) -> outputs
    network: nn.Module  # whose weights forward uses
    train: Batches  # D_T
    valid: Batches  # D_V
    judge: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # (outputs, targets) -> loss, accuracy of the batch (a fraction)


class Architecture:
    """alpha and all that Algorithm 1 keeps about every operation of every edge."""

    def __init__(self, space: Space, settings: SearchParams, seed: int):
        self.space, self.settings = space, settings
        generator = seeds.generator(seed, "alpha")
        self.alpha = nn.Parameter(settings.alpha_init_sd * torch.randn(space.shape, generator=generator))  # choice D14
        self.optimizer = self._adam()
        self.alive = torch.ones(space.shape, dtype=torch.bool)
        self.tally = tally.empty(space.shape)
        self.chain = markov.start(space.shape, len(settings.sigma_first))
        self.previous: Tensor | None = None  # I of the step before, of the operations that live now
        self.prunes = 0
        self._keys = torch.rand(space.shape, generator=seeds.generator(seed, "shuffled"), dtype=torch.float64)  # of the control

    def _adam(self) -> torch.optim.Adam:
        s = self.settings
        rate, betas, decay = s.alpha_learning_rate, tuple(s.alpha_betas), s.alpha_weight_decay
        return torch.optim.Adam([self.alpha], rate, betas, weight_decay=decay)  # choices D15, D39

    def draw(self, tau: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """The drawn operations [cells, E] and h of eq. (5) [cells, E, O]."""
        h = gumbel.relax(self.alpha, self.alive, tau, temperature)
        return h.detach().argmax(-1), h

    def path(self, index: Tensor, h: Tensor, device: torch.device, gradient: bool) -> Path:
        """What the network is to run, with weights that carry alpha's gradient if asked for (choice D1)."""
        if self.settings.forward == "mixture":
            return paths.mixture(h if gradient else h.detach(), self.alive, self.space.zero, device)
        if not gradient:
            return paths.sampled(index, None, self.space.zero, device)
        weight = gumbel.straight_through(h, index)
        bare = gumbel.of_others(h, index) if self.settings.alpha_gradient == "all" else None
        return paths.sampled(index, weight, self.space.zero, device, bare)

    def measure(self, steps_per_epoch: int) -> dict[str, Tensor]:
        """Algorithm 1 line 6: beta, A, E, C, S and I of the live operations, each [cells, E, O] float64; the dead have NaN."""
        s = self.settings
        values = {"beta": gumbel.architecture_weights(self.alpha.detach().double(), self.alive)}
        values["A"] = tally.validation_accuracy(self.tally, s.accuracy_unit, s.accuracy_estimate)
        values["E"] = tally.training_epochs(self.tally, s.epoch_unit, steps_per_epoch)
        A = torch.ones_like(values["A"]) if s.indicator == "inverse_epochs" else values["A"]
        E = torch.ones_like(values["E"]) if s.indicator == "accuracy" else values["E"]
        values["C"] = importance.accuracy_parameter(A, E, self.alive, s.undrawn)
        values["S"] = importance.accuracy_weights(values["C"], self.alive, s.softmax_over)
        if s.indicator == "shuffled":
            values["S"] = importance.permuted(values["S"], self.alive, self._keys)
        if s.indicator == "quotient":
            values["S"] = values["C"]
        values["I"] = values["beta"]
        if s.indicator != "beta":
            values["I"] = importance.indicator(values["S"], values["beta"], s.lambda_)
        return {name: value.masked_fill(~self.alive, torch.nan) for name, value in values.items()}

    def undrawn(self) -> int:
        """How many live operations have no A or no E yet (choice D8)."""
        return int((self.alive & ((self.tally.trained == 0) | (self.tally.validated == 0))).sum())

    def step_chain(self, current: Tensor) -> None:
        """Algorithm 1 line 7: the chain moves by how the importance [cells, E, O] changed since the step before."""
        s = self.settings
        change = torch.zeros_like(current) if self.previous is None else (current - self.previous).nan_to_num(0.0)
        sigma = schedules.sigma(self.prunes, len(s.prune_epochs), s.sigma_first, s.sigma_last)
        self.chain = markov.advance(self.chain, change, sigma, s.epsilon_1, s.epsilon_2, s.clamp_transition)
        self.previous = current

    def prune(self, current: Tensor, steps_per_epoch: int) -> Tensor:
        """Algorithm 1 line 9: on every edge the operation with the highest Die probability dies; its index [cells, E]."""
        s = self.settings
        self.alive, victim = pruning.prune(self.chain.X[0, ..., 1], current, self.alive, self.space.zero, s.zero_may_win)
        self.prunes += 1
        if s.reset_tally_at_prune:  # choice D7
            self.tally = tally.empty(self.space.shape)
        if s.reset_chain_at_prune:  # choice A15
            self.chain = markov.start(self.space.shape, len(s.sigma_first))
        if s.rebuild_adam_at_prune:  # choice D20
            self.optimizer = self._adam()
        if s.recompute_after_prune:  # choice A6
            self.previous = self.measure(steps_per_epoch)["I"]
        return victim

    def state(self) -> dict:
        """All of it, for a checkpoint."""
        return {
            "alpha": self.alpha.detach(),
            "optimizer": self.optimizer.state_dict(),
            "alive": self.alive,
            "tally": list(self.tally),
            "chain": list(self.chain),
            "previous": self.previous,
            "prunes": self.prunes,
        }

    def restore(self, state: dict) -> None:
        """Take up what ``state`` gave."""
        self.alpha.data.copy_(state["alpha"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.alive, self.previous, self.prunes = state["alive"], state["previous"], state["prunes"]
        self.tally, self.chain = tally.Tally(*state["tally"]), markov.Chain(*state["chain"])


class Result(NamedTuple):
    """What a search leaves."""

    log: RunLog
    trace: dict[str, np.ndarray]  # K steps of the chain: alpha ... alive [K, 2, E, O], X [..., 2], Q [..., 2, 2]


def search(task: Task, space: Space, settings: SearchParams, seed: int, title: str, checkpoint: Checkpoint) -> Result:
    """Run Algorithm 1 and leave the trained weights in ``task.network``.

    Args:
        seed: of every random draw.
        title: the stage and its matrix items, for the progress bar.

    Raises:
        InputError: a loss is not a number.
        Stopped: a signal asked the process to end; its state is in ``checkpoint``.
    """
    run = _Run(task, space, settings, seed, title, checkpoint)
    architecture, steps = run.architecture, task.train.steps
    for epoch in range(run.epoch_log.epoch, settings.epochs + 1):  # Alg. 1 line 1
        joint = epoch > settings.warmup  # in the first epochs only the weights are trained
        run.steps(epoch, joint)  # lines 2 to 4
        architecture.tally = run.epoch_log.add_to(architecture.tally)  # line 5
        run.end_epoch(epoch, joint)
        if joint and epoch % settings.chain_step == 0:  # choice A3
            values = architecture.measure(steps)  # line 6
            architecture.step_chain(values["I"])  # line 7
            run.trace.add(epoch, values, architecture)
        if settings.slimming and epoch in settings.prune_epochs:  # line 8
            run.trace.add_prune(epoch, architecture.prune(architecture.previous, steps))  # line 9
    run.log.close()
    return Result(run.log, run.trace.arrays(architecture, architecture.measure(steps)["I"]))


class _Run:
    """A search under way: what its steps need, and its state."""

    def __init__(self, task: Task, space: Space, settings: SearchParams, seed: int, title: str, checkpoint: Checkpoint):
        self.task, self.settings, self.seed, self.title, self.checkpoint = task, settings, seed, title, checkpoint
        s = settings
        self.optimizer = torch.optim.SGD(
            task.network.parameters(), s.learning_rate, s.momentum, weight_decay=s.weight_decay, nesterov=s.nesterov
        )
        self.architecture = Architecture(space, settings, seed)
        self.epoch_log, self.trace, self.log = EpochLog(1), Trace(), RunLog(title, settings.epochs, task.train.steps)
        if saved := checkpoint.load():
            task.network.load_state_dict(saved["network"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.architecture.restore(saved["architecture"])
            self.epoch_log, self.trace = EpochLog(saved["epoch"], saved["epoch_log"]), Trace(saved["trace"])
            self.log.restore(saved["rows"], saved["seconds"], self.epoch_log.steps)

    def state(self) -> dict:
        """All of it, for a checkpoint."""
        self.epoch_log.check_finite(self.title, self.checkpoint)
        return {
            "network": self.task.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "architecture": self.architecture.state(),
            "epoch": self.epoch_log.epoch,
            "step": self.epoch_log.steps,
            "epoch_log": self.epoch_log.state(),
            "trace": self.trace.state(),
            "rows": self.log.rows,
            "seconds": self.log.seconds,
        }

    def steps(self, epoch: int, joint: bool) -> None:
        """Algorithm 1 lines 2 to 4 for every batch of an epoch; alpha moves only if ``joint``."""
        s, task, architecture = self.settings, self.task, self.architecture
        device = next(task.network.parameters()).device
        temperature = s.temperature_at(epoch)
        self.optimizer.param_groups[0]["lr"] = self.rate(epoch)
        for step in range(self.epoch_log.steps, task.train.steps):
            index, h = self._draw("gumbel", epoch, step, temperature)  # line 2
            _seed_dropout(task.network, s.skip_dropout, self.seed, epoch, step)
            path = architecture.path(index, h, device, gradient=False)
            done = weight_step(task, self.optimizer, path, epoch, step, s.grad_clip)  # line 3; w first, choice D38
            self.epoch_log.train(index, *done)
            if joint:
                if s.redraw:  # choice D6
                    index, h = self._draw("gumbel redraw", epoch, step, temperature)
                path = architecture.path(index, h, device, gradient=True)
                done = alpha_step(task, architecture, path, epoch, step, s.grad_clip)  # line 4
                self.epoch_log.valid(index, *done)
            self.log.step(self.epoch_log.last())
            self.checkpoint.offer(self.state)
        self.epoch_log.check_finite(self.title, self.checkpoint)

    def _draw(self, purpose: str, epoch: int, step: int, temperature: float) -> tuple[Tensor, Tensor]:
        tau = gumbel.noise(self.architecture.space.shape, seeds.generator(self.seed, purpose, epoch, step))
        return self.architecture.draw(tau, temperature)

    def rate(self, epoch: int) -> float:
        """Learning rate of w (choice D16)."""
        return schedules.cosine(epoch, self.settings.epochs, self.settings.learning_rate, self.settings.learning_rate_min)

    def end_epoch(self, epoch: int, joint: bool) -> None:
        """A row of the history; the next epoch begins."""
        temperature = self.settings.temperature_at(epoch)
        live = self.architecture.alive.sum(-1).double().mean().item()
        undrawn = self.architecture.undrawn() if joint else None  # choice D8
        row = {**self.epoch_log.row(), "live": live, "undrawn": undrawn}
        self.log.epoch(epoch=epoch, learning_rate=self.rate(epoch), temperature=temperature, **row)
        self.epoch_log = EpochLog(epoch + 1)


def weight_step(
    task: Task, optimizer: torch.optim.Optimizer, path: Path, epoch: int, step: int, clip: float
) -> tuple[Tensor, Tensor]:
    """Algorithm 1 line 3: descend the training loss in w; returns loss and accuracy of the batch, on the device."""
    inputs, targets = task.train.get(epoch, step)
    loss, accuracy = task.judge(task.forward(inputs, path), targets)
    optimizer.zero_grad()  # sets them to None: weights of operations that were not drawn stay as they are
    loss.backward()
    nn.utils.clip_grad_norm_(task.network.parameters(), clip)  # choice D21
    optimizer.step()
    return loss.detach(), accuracy


def alpha_step(task: Task, architecture: Architecture, path: Path, epoch: int, step: int, clip: float) -> tuple[Tensor, Tensor]:
    """Algorithm 1 line 4: descend the validation loss in alpha, no gradient for w; returns loss and accuracy of the batch."""
    inputs, targets = task.valid.get(epoch, step % task.valid.steps)  # the halves may differ by an image
    loss, accuracy = task.judge(task.forward(inputs, path), targets)
    (architecture.alpha.grad,) = torch.autograd.grad(loss, architecture.alpha, materialize_grads=True)
    nn.utils.clip_grad_norm_(architecture.alpha, clip)  # choice D21
    architecture.optimizer.step()
    return loss.detach(), accuracy


def _seed_dropout(network: nn.Module, probability: float, seed: int, epoch: int, step: int) -> None:
    """Dropout on skip connections (choice D19) is the one draw from torch's global generator; it is seeded anew each step."""
    if probability:
        torch.manual_seed(seeds.seed_of(seed, "dropout", epoch, step))
        for module in network.modules():
            if hasattr(module, "skip_dropout"):
                module.skip_dropout = probability


class EpochLog:
    """What the steps of the present epoch gave; losses and accuracies stay on the device until the epoch ends."""

    _FIELDS = ("train_index", "train_loss", "train_accuracy", "valid_index", "valid_loss", "valid_accuracy")

    def __init__(self, epoch: int, saved: dict[str, list[Tensor]] | None = None):
        self.epoch = epoch
        self._lists = saved or {name: [] for name in self._FIELDS}

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self._lists["train_index"])

    def train(self, index: Tensor, loss: Tensor, accuracy: Tensor) -> None:
        """A weight step is done."""
        self._add("train", index, loss, accuracy)

    def valid(self, index: Tensor, loss: Tensor, accuracy: Tensor) -> None:
        """An architecture step is done."""
        self._add("valid", index, loss, accuracy)

    def _add(self, kind: str, *values: Tensor) -> None:
        for name, value in zip(("index", "loss", "accuracy"), values, strict=True):
            self._lists[f"{kind}_{name}"].append(value)

    def last(self) -> dict[str, Tensor]:
        """For the progress bar: loss and accuracy of the last weight step."""
        return {"loss": self._lists["train_loss"][-1], "accuracy": self._lists["train_accuracy"][-1]}

    def _values(self, name: str) -> Tensor:
        """float64 [N] on the CPU."""
        values = self._lists[name]
        return torch.stack([value.cpu() for value in values]).double() if values else torch.empty(0, dtype=torch.float64)

    def check_finite(self, title: str, states: Checkpoint) -> None:
        """Raise InputError where a loss of this epoch is NaN or infinite."""
        for kind in ("train", "valid"):
            check_finite(self._lists[f"{kind}_loss"], f"{title}: the {kind}", self.epoch, states)

    def add_to(self, sums: tally.Tally) -> tally.Tally:
        """Algorithm 1 line 5: A and E take up this epoch."""
        sums = tally.add_training(sums, torch.stack(self._lists["train_index"]))
        if self._lists["valid_index"]:
            sums = tally.add_validation(sums, torch.stack(self._lists["valid_index"]), self._values("valid_accuracy"))
        return sums

    def row(self) -> dict[str, float | None]:
        """Means over the epoch's batches, for the history."""
        names = [name for name in self._FIELDS if not name.endswith("index")]
        return {name: self._values(name).mean().item() if self._lists[name] else None for name in names}

    def state(self) -> dict[str, list[Tensor]]:
        """For a checkpoint."""
        return {name: [value.cpu() for value in values] for name, values in self._lists.items()}


class Trace:
    """Everything that led to each decision, a record a step of the chain."""

    def __init__(self, saved: dict[str, list[Tensor]] | None = None):
        self._lists: dict[str, list[Tensor]] = saved or {"epoch": [], "prune_epochs": [], "pruned": []}

    def add(self, epoch: int, values: dict[str, Tensor], architecture: Architecture) -> None:
        """A step of the chain: what was measured, the state it led to, and who lived (before a prune)."""
        dead = ~architecture.alive
        record = {name: value.float() for name, value in values.items()}
        record["alpha"] = architecture.alpha.detach().masked_fill(dead, torch.nan)
        record["X"] = architecture.chain.X[0].float().masked_fill(dead[..., None], torch.nan)
        record["Q"] = architecture.chain.Q[0].float().masked_fill(dead[..., None, None], torch.nan)
        record["alive"] = architecture.alive
        self._lists["epoch"].append(torch.tensor(epoch))
        for name, value in record.items():
            self._lists.setdefault(name, []).append(value.clone())

    def add_prune(self, epoch: int, victim: Tensor) -> None:
        """A prune: the operation that died on each edge [cells, E]."""
        self._lists["prune_epochs"].append(torch.tensor(epoch))
        self._lists["pruned"].append(victim)

    def state(self) -> dict[str, list[Tensor]]:
        """For a checkpoint."""
        return self._lists

    def arrays(self, architecture: Architecture, final: Tensor) -> dict[str, np.ndarray]:
        """All records stacked, and who lives in the end with which importance [cells, E, O]."""
        arrays = {name: torch.stack(values).numpy() for name, values in self._lists.items() if values}
        arrays.setdefault("prune_epochs", np.zeros(0, np.int64))
        arrays.setdefault("pruned", np.zeros((0, *architecture.space.shape[:2]), np.int64))
        return arrays | {"alive_final": architecture.alive.numpy(), "I_final": final.float().numpy()}
