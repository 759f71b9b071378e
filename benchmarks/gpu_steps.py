"""Steps of every training at the size of a scale, for ``benchmarks.gpu``, in a process of its own that prints a line a finding.

``python -m benchmarks.gpu_steps measure SCALE STEPS ROUNDS STAGE...`` times them; of STAGE:VARIANT that variant alone.
``python -m benchmarks.gpu_steps serve SCALE`` runs searches on command.

What is timed is what the stages run: their own loops, on batches that are ready on the device (the search and the training on
CIFAR draw, crop and flip theirs there). A ``Meter`` takes the place of the saved states. The loop calls it after every step; it
waits for the device before the first step that counts and after the last, and then ends the training.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import search_step, timing, work
from eoinas import devices, genotype, params, ranks, schedules, settings
from eoinas.data import imageset
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.data.imagenet import Listing, Split
from eoinas.data.images import Images
from eoinas.metrics import label_scenes
from eoinas.models.segmentation import PooledClassifier, SegmentationNetwork
from eoinas.train import classify, imagenet, search_cifar, search_seg, segment
from eoinas.train.imagenet import RecipeParams

MARK = "finding "  # begins a line that is a finding; what else the trainings print is not read
AS_IN_A_STAGE = devices.DeviceParams(cpu_threads=0, allow_tf32=False, deterministic=True)
SKIP, PATIENCE = 4, 3.0  # steps before the first that counts; seconds after which no further step is asked for
SIDE, CUTOUT, PHOTOS = 32, 16, 1000  # of CIFAR's images; classes of ImageNet
PLAIN = "search, against plain loops"


def say(**finding: object) -> None:
    """Print a finding for the process that reads them."""
    print(MARK + json.dumps(finding), flush=True)


class Done(Exception):
    """All steps that were wanted are done."""


def wait(device: torch.device) -> None:
    """Until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Meter:
    """In the place of a training's saved states: times its steps, then ends it."""

    last = "none"

    def __init__(self, device: torch.device, steps: int, skip: int, profiler: torch.profiler.profile | None = None):
        self.device, self.wanted, self.skip, self.profiler = device, steps, skip, profiler
        self.steps = -skip
        self.seconds = 0.0  # of a step
        self.state: Callable[[], dict] = dict  # that would have been saved

    def load(self) -> None:
        """There is nothing to go on from."""

    def offer(self, state: Callable[[], dict]) -> None:
        """A step is done."""
        self.steps, self.state = self.steps + 1, state
        if self.steps == 0:
            self.begin()
        elif self.steps == self.wanted or (self.steps > 0 and time.perf_counter() - self.start > PATIENCE):
            self.end()

    def begin(self) -> None:
        """The next step counts."""
        wait(self.device)
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        if self.profiler:
            self.profiler.start()
        self.start = time.perf_counter()

    def end(self) -> None:
        """All steps are done."""
        wait(self.device)
        self.seconds = (time.perf_counter() - self.start) / self.steps
        if self.profiler:
            self.profiler.stop()
        raise Done

    def digest(self) -> str | None:
        """Hash of the weights, if there are any: rounds that end in the same have calculated the same."""
        weights, found = self.state().get("network", {}), hashlib.sha256()
        for name in sorted(weights):
            found.update(weights[name].cpu().numpy().tobytes())
        return found.hexdigest()[:16] if weights else None


class Server(Meter):
    """Runs for as many seconds as a line of its input says, again and again, and says how many steps that were."""

    def offer(self, _state: Callable[[], dict]) -> None:
        """A step is done; before the first that counts, and when its time is over, the next line is awaited."""
        self.steps += 1
        if self.steps < 0 or (self.steps > 0 and time.perf_counter() < self.until):
            return
        wait(self.device)
        if self.steps:
            say(steps=self.steps, seconds=time.perf_counter() - self.start)
        else:
            say(ready=True)
        line = sys.stdin.readline()
        if not line:
            raise Done
        self.steps, self.start = 0, time.perf_counter()
        self.until = self.start + float(line)


class Endless(search_step.Fixed):
    """One batch, again and again, in the place of ``data.file_batches.FileBatches``."""

    steps, fewest = 10**6, 2


class Variant(NamedTuple):
    """One factor turned from the default: settings of the stage, and switches of torch."""

    settings: dict
    tf32: bool = False
    deterministic: bool = True
    benchmark: bool = False  # cuDNN tries its algorithms


DEFAULT, ALONE = "default", "weights alone"
VARIANTS = {
    DEFAULT: Variant({}),
    ALONE: Variant({"warmup": 1}),  # of a search: its warm-up
    "NCHW": Variant({"channels_last": False}),
    "TF32": Variant({}, tf32=True),
    "bf16": Variant({"precision": "bf16"}),
    "not deterministic": Variant({}, deterministic=False),
    "not deterministic, cuDNN tries": Variant({}, deterministic=False, benchmark=True),
    "bf16, not deterministic, cuDNN tries": Variant({"precision": "bf16"}, deterministic=False, benchmark=True),
    "compiled": Variant({"compile": True}),
    "bf16, compiled": Variant({"precision": "bf16", "compile": True}),
}
SEARCHING = (DEFAULT, ALONE, "NCHW", "TF32", "not deterministic", "not deterministic, cuDNN tries")
TRAINING = (DEFAULT, "NCHW", "TF32", "bf16", "not deterministic", "not deterministic, cuDNN tries")
FASTEST = "bf16, not deterministic, cuDNN tries"
COMPILED = "retrain, compiled"
STAGES = {
    "search": SEARCHING,
    "retrain": (*TRAINING, FASTEST),
    "imagenet": (*TRAINING, FASTEST),
    "seg_search": SEARCHING,
    "seg_train": (*TRAINING, FASTEST),
    PLAIN: (DEFAULT,),
    "bench_search": (DEFAULT, ALONE),
    "random_cells": (DEFAULT,),
    "seg_pretrain": (DEFAULT, "bf16"),
    "seg_evaluate": (DEFAULT,),
    COMPILED: (DEFAULT, "compiled", "bf16", "bf16, compiled"),
}
PROFILED = ("search", "retrain", "imagenet", "seg_search", "seg_train")


@contextmanager
def switched(variant: Variant) -> Iterator[None]:
    """Torch's switches as a variant has them."""
    with timing.reproducible(variant.deterministic):
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = variant.tf32
        torch.backends.cudnn.benchmark = variant.benchmark
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.benchmark = False


class Bench:
    """The stages of a scale, each a method that runs it under a ``Meter`` with some of its settings changed."""

    def __init__(self, scale: str, device: torch.device):
        self.device, self.settings = device, settings.resolve(params.read(), scale)
        plan = self.settings["report"]
        self._search = self.settings[f"derive/{plan.main}"].search.model_copy(update={"warmup": 0})
        self._retrain = next(value.retrain for name, value in self.settings.items() if name.startswith("retrain/"))
        self._short = self.settings[f"derive/{plan.main}"].derive.short
        self._imagenet, self._pretrain = self.settings["imagenet"], self.settings["seg_pretrain"]
        self._bench_search = self.settings["bench_masked"].search.model_copy(update={"warmup": 0})
        self._seg_search = self.settings["seg_search"].model_copy(update={"warmup": 0})
        self._seg_train = self.settings["seg_train"]
        self._cell = genotype.load(work.CELL)
        self.batch = {
            "search": self._search.batch_size,
            "bench_search": self._bench_search.batch_size,
            "retrain": self._retrain.batch_size,
            COMPILED: self._retrain.batch_size,
            "random_cells": self._short.batch_size,
            "imagenet": self._imagenet.batch_size,
            "seg_pretrain": self._pretrain.recipe.batch_size,
            "seg_search": self._seg_search.batch_size,
            "seg_train": self._seg_train.train.batch_size,
            "seg_evaluate": 1,
        }

    def run(self, stage: str, variant: Variant, meter: Meter) -> None:
        """The stage until the meter ends it."""
        loop = {COMPILED: self.retrain, "random_cells": partial(self.retrain, short=True)}.get(stage) or getattr(self, stage)
        torch.manual_seed(0)
        # At half of the training, for in the first epoch no path is dropped yet.
        with switched(variant), mock.patch.object(schedules, "drop_path", lambda _epoch, _epochs, last: last / 2):
            try:
                loop(meter, variant.settings)
            except Done:
                return
        raise AssertionError(f"{stage} ended after {meter.steps} steps")

    @cached_property
    def images(self) -> Images:
        """Noise in ten classes, as many as half of CIFAR's."""
        count = work.CIFAR // 2
        pixels, labels = torch.randint(256, (count, 3, SIDE, SIDE), dtype=torch.uint8), torch.arange(count) % 10
        empty = np.zeros(0)
        data = imageset.ImageSet(empty, empty, empty, empty, tuple("0123456789"), (0.5,) * 3, (0.25,) * 3)
        return Images(pixels.to(self.device), labels.to(self.device), torch.arange(count), torch.arange(count), data)

    def search(self, meter: Meter, changes: dict) -> None:
        """``stages.search``."""
        numbers = self._search.model_copy(update={"epoch_images": 0, **changes})
        search_cifar.run(self.images, numbers, 0, "search", meter)

    def bench_search(self, meter: Meter, changes: dict) -> None:
        """``stages.bench_search``."""
        numbers = self._bench_search.model_copy(update={"epoch_images": 0, **changes})
        search_cifar.run(self.images, numbers, 0, "bench_search", meter)

    def retrain(self, meter: Meter, changes: dict, short: bool = False) -> None:
        """``stages.retrain``, or the short training of ``stages.random_cells``."""
        numbers = (self._short if short else self._retrain).model_copy(update={"epoch_images": 0, **changes})
        classify.train(self._cell, self.images, numbers, CUTOUT, 0, "gpu", "retrain", meter)

    def imagenet(self, meter: Meter, changes: dict) -> None:
        """``stages.imagenet``."""
        numbers = self._imagenet.model_copy(update=changes)
        network = imagenet.build(self._cell, numbers, PHOTOS, "gpu").to(self.device)
        self._photos(network, numbers, meter, numbers.auxiliary_weight)

    def seg_pretrain(self, meter: Meter, changes: dict) -> None:
        """``stages.seg_pretrain``."""
        network = PooledClassifier(self._cell, self._pretrain.network, PHOTOS).to(self.device)
        self._photos(network, self._pretrain.recipe.model_copy(update=changes), meter, 0.0)

    def _photos(self, network: nn.Module, numbers: RecipeParams, meter: Meter, auxiliary: float) -> None:
        none = Split(*(np.zeros(0),) * 3)
        data = Listing(Path(), "", tuple(map(str, range(PHOTOS))), none, none)
        batch = self._batch(numbers.batch_size, numbers.image_size, torch.randint(PHOTOS, (numbers.batch_size,)))
        with self._ready(imagenet, batch):
            imagenet.train(network, numbers, data, ranks.ALONE, "imagenet", meter, auxiliary, stream="gpu", workers=0)

    def seg_search(self, meter: Meter, changes: dict) -> None:
        """``stages.seg_search``."""
        numbers = self._seg_search.model_copy(update=changes)
        with self._ready(search_seg, self._scenes(numbers.batch_size, numbers.crops.crop)):
            search_seg.run(_Scenes, numbers, self.device, 0, "seg_search", meter)

    def seg_train(self, meter: Meter, changes: dict) -> None:
        """``stages.seg_train``, from scratch."""
        size, numbers = self._seg_train.network, self._seg_train.train.model_copy(update=changes)
        where = (self.device, ranks.ALONE, "seg_train", meter)
        with self._ready(segment, self._scenes(numbers.batch_size, numbers.crops.crop)):
            segment.train(self._cell, _Scenes, size, numbers, None, *where, stream="gpu", workers=0)

    def seg_evaluate(self, meter: Meter, _changes: dict) -> None:
        """The network's part of ``stages.seg_evaluate``: a scene of Cityscapes at its full size."""
        network = SegmentationNetwork(self._cell, self._seg_train.network, len(CLASSES)).to(self.device).eval()
        scene = torch.randn(3, *work.SCENE, device=self.device)
        with torch.no_grad():
            while True:
                label_scenes.label(network, scene)
                meter.offer(dict)

    def _batch(self, count: int, side: int, targets: Tensor) -> tuple[Tensor, Tensor]:
        return torch.randn(count, 3, side, side).to(self.device), targets.to(self.device)

    def _scenes(self, count: int, side: int) -> tuple[Tensor, Tensor]:
        return self._batch(count, side, torch.randint(len(CLASSES), (count, side, side), dtype=torch.uint8))

    @contextmanager
    def _ready(self, module: object, batch: tuple[Tensor, Tensor]) -> Iterator[None]:
        """What a module of ``eoinas.train`` would read from files is there already."""
        with mock.patch.object(module, "FileBatches", return_value=Endless(batch)):
            yield


_Scenes = SimpleNamespace(root=Path(), cache=None, split=lambda _name: list(range(work.SCENES)))


def measure(scale: str, steps: int, rounds: int, stages: list[str]) -> None:
    """Every variant of the stages once a round, the defaults first, and after their first round where their time goes."""
    device = devices.device(AS_IN_A_STAGE)
    say(machine=machine(device))
    bench = Bench(scale, device)
    cases = [case for stage in stages for case in variants(stage)]
    for turn in range(rounds):
        done = []
        for default in (True, False):
            some = [case for case in cases if (case[1] == DEFAULT) == default]
            done += [case for case in some if attempt(*case, partial(once, bench, *case, steps, turn))]
            if default and turn == 0:
                _once_more(bench, steps, stages, done)
        cases = done


def _once_more(bench: Bench, steps: int, stages: list[str], done: list[tuple[str, str]]) -> None:
    """The search against plain loops, and what the device does in a default's step."""
    if PLAIN in stages:
        attempt(PLAIN, DEFAULT, partial(against_plain, bench, min(steps, 5)))
    for stage in PROFILED:
        if stage in stages and (stage, DEFAULT) in done:
            attempt(stage, "profile", partial(profile, bench, stage, min(steps, 3)))


def variants(stage: str) -> list[tuple[str, str]]:
    """The cases that STAGE or STAGE:VARIANT means."""
    name, _, only = stage.partition(":")
    return [] if name == PLAIN else [(name, variant) for variant in STAGES[name] if only in ("", variant)]


def attempt(stage: str, variant: str, work: Callable[[], None]) -> bool:
    """Whether it could be done; an error is a finding."""
    try:
        work()
    except Exception as error:
        say(stage=stage, variant=variant, error=one_line(error))
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True


def once(bench: Bench, stage: str, variant: str, steps: int, turn: int) -> None:
    """A case in one round."""
    meter = Meter(bench.device, steps, min(steps, SKIP))
    bench.run(stage, VARIANTS[variant], meter)
    found = {"turn": turn, "seconds": meter.seconds, "batch": bench.batch[stage], **memory(bench.device)}
    say(stage=stage, variant=variant, **found, steps=meter.steps, digest=meter.digest())


def one_line(error: Exception) -> str:
    """Of an error what fits into a table."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:400].replace("|", "/")


def memory(device: torch.device) -> dict[str, float]:
    """The most that tensors took while steps were timed, in MB (2**20 bytes)."""
    return {"MB": torch.cuda.max_memory_allocated() / 2**20} if device.type == "cuda" else {}


def machine(device: torch.device) -> dict[str, object]:
    """The device as torch sees it."""
    if device.type != "cuda":
        return {"device": devices.device_name()}
    found = torch.cuda.get_device_properties(device)
    return {
        "device": found.name,
        "compute capability": f"{found.major}.{found.minor}",
        "multiprocessors": found.multi_processor_count,
        "memory, GB": round(found.total_memory / 1e9, 1),
        "cuDNN": torch.backends.cudnn.version(),
    }


def against_plain(bench: Bench, turns: int) -> None:
    """An iteration of the search against those of ``benchmarks.reference``, which take turns; each waits for the device."""
    numbers, device = bench.settings[f"derive/{bench.settings['report'].main}"].search, bench.device
    case = search_step.Case(numbers.C, numbers.layers, numbers.batch_size, SIDE)
    found = search_step.networks(case, device=device)

    def timed(work: timing.Work, turn: int) -> None:
        work(turn)
        wait(device)

    works = {name: partial(timed, work) for name, work in search_step.works(found, case.live).items()}
    times = timing.interleave(works, turns, {name: min(turns, 2) for name in works if "soft" in name})
    for name, seconds in times.items():
        needed = {"MB": above(works[name])} if device.type == "cuda" else {}
        for turn, each in enumerate(seconds):
            say(stage=PLAIN, variant=name, turn=turn, seconds=each, batch=case.batch, **needed)


def above(work: timing.Work) -> float:
    """MB that a work takes at its peak above what is there before it."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work(0)
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def profile(bench: Bench, stage: str, steps: int) -> None:
    """Kernels of a step, and how long the device works on them."""
    on = torch.profiler.ProfilerActivity
    gpu = bench.device.type == "cuda"
    profiler = torch.profiler.profile(activities=[on.CUDA if gpu else on.CPU])
    meter = Meter(bench.device, steps, min(steps, SKIP), profiler)
    bench.run(stage, VARIANTS[DEFAULT], meter)
    kind, name = ("CUDA", "self_device_time_total") if gpu else ("CPU", "self_cpu_time_total")
    wanted = getattr(torch.autograd.DeviceType, kind)
    events = [event for event in profiler.key_averages() if event.device_type == wanted]
    events = [event for event in events if not getattr(event, "is_user_annotation", False)]
    found = [(event.key, getattr(event, name) / 1e6 / meter.steps, event.count / meter.steps) for event in events]
    found = sorted((each for each in found if each[1] > 0), key=lambda each: -each[1])
    busy, calls = (sum(each[part] for each in found) for part in (1, 2))
    top = [{"name": key[:120], "ms": 1000 * seconds, "calls": count} for key, seconds, count in found[:10]]
    say(stage=stage, profile={"busy": busy, "calls": calls, "top": top})


def serve(scale: str) -> None:
    """A search that waits for its commands."""
    device = devices.device(AS_IN_A_STAGE)
    bench = Bench(scale, device)
    bench.run("search", VARIANTS[DEFAULT], Server(device, 0, SKIP))


def main() -> None:
    task, scale, *rest = sys.argv[1:]
    if task == "serve":
        return serve(scale)
    steps, rounds, *stages = rest
    measure(scale, int(steps), int(rounds), stages)


if __name__ == "__main__":
    main()
