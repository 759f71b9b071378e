"""``make gpu`` as a toy on the CPU, and what it does where something goes wrong."""

import json
import math
import os
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from benchmarks import gpu, gpu_stages, gpu_steps, plan, work
from benchmarks.gpu_steps import ALONE, DEFAULT, PLAIN
from eoinas import formats, params, settings

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the processes that are started."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def done(out: Path, names: tuple[str, ...], minutes: float = 9.0) -> tuple[dict, str]:
    """gpu.json and README.md of a toy run."""
    gpu.do(gpu.Run(out, minutes, toy=True), names)
    return json.loads((out / "gpu.json").read_text()), (out / "README.md").read_text()


@pytest.mark.slow
def test_toy_run_finds_all_that_a_run_finds(tmp_path: Path) -> None:
    value, page = done(tmp_path, gpu.TOY_PARTS)
    parts = value["parts"]
    assert [part["status"] for part in parts.values()] == ["done"] * 4
    assert value["toy"]
    assert page.startswith(f"# {gpu.TOY_TITLE}\n")
    assert {"date", "GPUs", "torch", "torchvision", "timm", "CUDA", "device"} <= value["machine"].keys()

    (row,) = parts["stages"]["rows"]
    assert (row["twice"], row["resumed"], row["refused"]) == ([], [], [])
    assert row["files"] == 4
    assert "| equal | equal | none |" in page

    cases = {(row["stage"], row["variant"]) for row in parts["steps"]["rows"]}
    assert {("seg_search", variant) for variant in gpu_steps.SEARCHING} <= cases
    assert {("retrain", DEFAULT), ("imagenet", DEFAULT)} <= cases
    assert all(row["seconds"] > 0 and len(row["digest"]) == 16 for row in parts["steps"]["rows"])
    assert parts["steps"]["profiles"]["seg_search"]["calls"] > 1000
    assert "| seg_search | NCHW |" in page

    (row,) = parts["together"]["rows"]
    assert (row["MPS"], row["searches"]) == ("no", 1)
    assert row["steps a second"] > 0
    hours = {row["stage"]: row for row in parts["hours"]["rows"]}
    assert hours["seg_search"]["hours"] >= hours["seg_search"]["hours with that"] > 0
    assert "hours" not in hours["seg_train"]  # it was not measured


@pytest.mark.slow
def test_every_variant_of_every_stage_runs() -> None:
    stages = [stage for stage in gpu_steps.STAGES if stage != gpu_steps.COMPILED]
    with gpu.Child(["measure", "demo", "1", "1", *stages], time.monotonic() + 600) as child:
        rows = [row for row in child if "stage" in row]
    assert not [row for row in rows if "error" in row]
    wanted = {case for stage in stages for case in gpu_steps.variants(stage)}
    assert wanted <= {(row["stage"], row.get("variant")) for row in rows}


class Searches:
    """In the place of ``gpu.Child``: a search that does ten steps a second."""

    told: ClassVar[list[int]] = []  # by each search in turn, how often

    def __init__(self, *_arguments: object, **_environment: str):
        self.number = len(self.told)
        self.told.append(0)

    def __enter__(self) -> "Searches":
        return self

    def __exit__(self, *_error: object) -> None:
        self.told[self.number] *= -1  # it has ended

    def tell(self, _line: str) -> None:
        self.told[self.number] += 1

    def answer(self) -> dict:
        return {"steps": 20, "seconds": 2.0} if self.told[self.number] else {"ready": True}


def test_searches_at_once_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "Child", Searches)
    found: dict = {"rows": []}
    gpu.at_once(gpu.Run(tmp_path, 9, toy=False), found, 0.0, "no")
    assert [(row["searches"], row["steps a second"]) for row in found["rows"]] == [(1, 10), (2, 20), (4, 40), (8, 80)]
    assert Searches.told == [-4, -3, -2, -2, -1, -1, -1, -1]
    assert "| no | 8 | 80 | 8 |" in "\n".join(gpu.together_table(found))


def test_a_part_that_fails_is_recorded_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_run: gpu.Run, found: dict, _deadline: float) -> None:
        found["rows"].append({"MPS": "no", "searches": 1, "steps a second": 2.0})
        raise ValueError("an operator\nis missing")

    monkeypatch.setitem(gpu.PARTS, "together", (broken, *gpu.PARTS["together"][1:]))
    value, page = done(tmp_path, ("together", "hours"))
    assert value["parts"]["together"]["status"] == "failed: ValueError: an operator is missing"
    assert len(value["parts"]["together"]["rows"]) == 1  # what was known before
    assert "Failed: ValueError: an operator is missing." in page
    assert "| no | 1 | 2 | 1 |" in page
    assert value["parts"]["hours"]["status"] == "done"
    assert "not measured" in page


def test_the_budget_skips_what_is_left(tmp_path: Path) -> None:
    value, page = done(tmp_path, gpu.TOY_PARTS, minutes=0.01)
    statuses = {name: part["status"] for name, part in value["parts"].items()}
    assert statuses.pop("hours") == "done"
    assert set(statuses.values()) == {"skipped: the budget of 0.01 minutes is used up"}
    assert "Skipped: the budget of 0.01 minutes is used up." in page
    assert value["seconds"] < 10


def test_the_budget_ends_a_process_and_what_it_said_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [{"stage": "search", "variant": DEFAULT, "turn": 0, "seconds": 0.5, "batch": 4}]

    def said_and_asleep(child: gpu.Child):
        yield from said
        yield from real(child)

    real = gpu.Child.__iter__
    monkeypatch.setattr(gpu.Child, "__iter__", said_and_asleep)
    run, found = gpu.Run(tmp_path, 9, toy=True), {"rows": []}
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        gpu.steps(run, found, start + 1)
    assert time.monotonic() - start < 20
    assert found["rows"] == said


def test_a_process_that_dies_says_why() -> None:
    with gpu.Child(["measure", "demo", "no number", "1"], time.monotonic() + 60) as child, pytest.raises(RuntimeError) as caught:
        list(child)
    assert "invalid literal for int() with base 10: 'no number'" in str(caught.value)


def test_a_case_that_fails_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert not gpu_steps.attempt("search", "TF32", lambda: torch.zeros(1) @ torch.zeros(2))
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line.removeprefix(gpu_steps.MARK))
    assert (found["stage"], found["variant"]) == ("search", "TF32")
    assert found["error"].startswith("RuntimeError: ")
    assert found["error"] in "\n".join(gpu.steps_table({"rows": [found]}))


def test_meter_times_the_steps_after_the_first() -> None:
    meter = gpu_steps.Meter(CPU, steps=3, skip=2)
    for pause in (0.2, 0.2, 0.02, 0.02):
        time.sleep(pause)
        meter.offer(dict)
    with pytest.raises(gpu_steps.Done):
        meter.offer(dict)
    assert meter.steps == 3
    assert 0.04 / 3 <= meter.seconds < 0.1


def test_search_is_timed_against_the_plain_loops(capsys: pytest.CaptureFixture[str]) -> None:
    found = settings.resolve(params.read(), "demo")
    main = found[f"derive/{found['report'].main}"]
    small = main.model_copy(update={"search": main.search.model_copy(update={"C": 2, "batch_size": 2})})
    bench = SimpleNamespace(device=CPU, settings={**found, f"derive/{found['report'].main}": small})
    gpu_steps.against_plain(bench, 2)
    rows = [json.loads(line.removeprefix(gpu_steps.MARK)) for line in capsys.readouterr().out.splitlines()]
    assert {row["variant"] for row in rows} == {gpu.OURS, "plain, one operation", "plain, soft sum"}
    assert len(rows) == 6
    assert f"| {PLAIN} | {gpu.OURS} |" in "\n".join(gpu.steps_table({"rows": rows}))


CONTROL = """#!/bin/sh
test "$1" = -d && exit
read line
echo "$line $CUDA_MPS_PIPE_DIRECTORY" >> {log}
test "$line" = get_server_list && echo {servers}
exit 0
"""


@pytest.mark.parametrize(
    ("servers", "remarks"), [("4711", None), ("", ["The MPS daemon had no server: the rows with MPS ran without it."])]
)
def test_searches_run_without_and_with_mps(
    servers: str, remarks: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control, log, calls = tmp_path / "nvidia-cuda-mps-control", tmp_path / "log", []
    control.write_text(CONTROL.format(log=log, servers=servers))
    control.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(gpu, "at_once", lambda _run, _found, _deadline, name, **environment: calls.append((name, environment)))
    found: dict = {"rows": []}
    gpu.together(gpu.Run(tmp_path, 9, toy=False), found, 0.0)
    (without, nothing), (with_it, environment) = calls
    assert (without, with_it, nothing, found.get("remarks")) == ("no", "yes", {}, remarks)
    pipe = environment["CUDA_MPS_PIPE_DIRECTORY"]
    assert log.read_text().splitlines() == [f"get_server_list {pipe}", f"quit {pipe}"]


def test_without_mps_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu, "at_once", lambda *_, **__: None)
    found: dict = {"rows": []}
    gpu.together(gpu.Run(tmp_path, 9, toy=False), found, 0.0)
    (remark,) = found["remarks"]
    assert remark.startswith("MPS was not measured: FileNotFoundError")


class Runs:
    """In the place of ``gpu_stages.run``: a stage that writes what it is told to, one text a run."""

    def __init__(self, out: Path, *texts: str, refused: str = ""):
        self.out, self.texts, self.refused, self.commands = out, list(texts), refused, []

    def __call__(self, command: list[str], _folder: Path, _deadline: float, stop: bool = False) -> gpu_stages.Ended:
        self.commands.append(command[0])
        lenient = command[0] == "benchmarks.gpu_stages"
        if self.refused and not lenient:
            return gpu_stages.Ended(1, 1.0, f"RuntimeError: {self.refused.split(' and ')[0]}")
        if not stop:
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / "file").write_text(self.texts.pop(0))
        return gpu_stages.Ended(143 if stop else 0, 1.0, f"goes on from x\n{self.refused if lenient else ''}")


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch, *texts: str, refused: str = "") -> tuple[dict, Runs]:
    """The row of a stage whose runs write ``texts``."""
    check = gpu_stages.Check(gpu_stages.Stage("search", "a b", "search/b"), folder, time.monotonic() + 60)
    runs = Runs(check.out, *texts, refused=refused)
    monkeypatch.setattr(gpu_stages, "run", runs)
    check.all(lambda _row: None)
    return check.row, runs


def test_files_that_differ_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row, _ = checked(tmp_path, monkeypatch, "one", "other", "one")
    assert row == {"stage": "search", "refused": [], "seconds": 1.0, "files": 1, "twice": ["file"], "resumed": []}
    assert "| **differ**: file | equal | none |" in "\n".join(gpu.stages_table({"rows": [row]}))


def test_refused_operators_are_named_and_the_stage_is_compared_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "b_cuda does not have a deterministic implementation and a_cuda does not have a deterministic implementation"
    row, runs = checked(tmp_path, monkeypatch, "one", "one", "one", refused=text)
    assert row["refused"] == ["a_cuda", "b_cuda"]
    assert (row["twice"], row["resumed"]) == ([], [])
    assert runs.commands == ["stages.search", *["benchmarks.gpu_stages"] * 4]


def test_a_stage_that_fails_leaves_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_stages, "run", lambda *_, **__: gpu_stages.Ended(1, 1.0, "Traceback\nRuntimeError: no kernel\n"))
    check = gpu_stages.Check(gpu_stages.Stage("search", "a b", "search/b"), tmp_path, time.monotonic() + 60)
    check.all(lambda _row: None)
    assert check.row["error"] == "exit code 1: RuntimeError: no kernel"


def test_stages_of_the_campaign_are_all_trainings() -> None:
    names = {stage.name for line in gpu_stages.LINES for stage in line if stage.trains}
    everything = {"search", "random_cells", "retrain", "imagenet", "standalone", "seg_search", "seg_pretrain", "seg_train"}
    assert names == everything


def rows_of(stage: str, variant: str, *seconds: float) -> list[dict]:
    return [{"stage": stage, "variant": variant, "turn": turn, "seconds": each, "batch": 10} for turn, each in enumerate(seconds)]


def test_ratios_are_taken_within_a_round() -> None:
    rows = [*rows_of("imagenet", DEFAULT, 1.0, 2.0, 4.0), *rows_of("imagenet", "bf16", 0.5, 1.0, 2.0)]
    text = "\n".join(gpu.steps_table({"rows": rows}))
    assert "| imagenet | bf16 | 1e+03 (750 to 1.5e+03) | 3 | 2 (2 to 2) | 10 |  |  |" in text


@pytest.mark.parametrize(
    ("digests", "verdict"), [(["a", "a", "a"], "equal"), (["a", "b", "a"], "differ"), (["a"], ""), ([None, None], "")]
)
def test_weights_are_compared_over_rounds(digests: list[str | None], verdict: str) -> None:
    assert gpu.equal_weights([{"steps": 8, "digest": digest} for digest in digests]) == verdict
    assert gpu.equal_weights([{"steps": 8, "digest": "a"}, {"steps": 7, "digest": "b"}, {"error": "none"}]) == ""


def test_hours_are_the_measured_steps_times_their_number() -> None:
    resolved = settings.resolve(params.read(), "paper")
    numbers, search = resolved["imagenet"], resolved["seg_search"]
    rows = [*rows_of("imagenet", DEFAULT, 0.2), *rows_of("imagenet", "bf16", 0.1)]
    rows += [*rows_of("seg_search", DEFAULT, 0.5), *rows_of("seg_search", ALONE, 0.3)]
    parts = {"steps": {"rows": rows}}
    seconds = gpu.medians(parts)
    found = {row.stage: row for row in work.rows("paper", partial(gpu.price, seconds, gpu.batches(parts)))}
    images = numbers.epochs * (work.IMAGENET + work.IMAGENET_VAL / 3)
    row = gpu.hours_of(found["imagenet"], seconds)
    assert row["hours"] == pytest.approx(found["imagenet"].count * images * 0.02 / 3600)
    assert row["hours with that"] == pytest.approx(row["hours"] / 2)
    assert row["fastest"] == "bf16"
    scenes = (search.epochs * 0.03 + (search.epochs - search.warmup) * 0.02) * (work.SCENES // 2)
    assert found["seg_search"].total == pytest.approx(scenes)
    assert math.isnan(found["seg_train"].total)


def test_what_the_steps_part_timed_is_not_mixed_with_what_the_compiled_part_did() -> None:
    steps = {"rows": rows_of("retrain", DEFAULT, 0.1)}
    compiled = {"rows": [*rows_of(gpu.COMPILED, DEFAULT, 0.3), *rows_of(gpu.COMPILED, "compiled", 0.05)]}
    assert gpu.medians({"steps": steps, "compiled": compiled})["retrain", DEFAULT] == 0.1
    assert gpu.medians({"steps": steps, "compiled": compiled})["retrain", "compiled"] == 0.05
    assert gpu.medians({"compiled": compiled})["retrain", DEFAULT] == 0.3


def test_a_toy_run_leaves_the_reports_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    monkeypatch.setattr(gpu, "do", lambda run, names: runs.append((run, names)) or run.value.update(seconds=0.0))
    for arguments in (["--toy"], ["--toy", "hours", "--out", "elsewhere"]):
        monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
        gpu.main()
    (first, all_parts), (second, parts) = runs
    assert first.out == gpu.TOY_OUT.resolve()
    assert (second.out.name, parts, all_parts) == ("elsewhere", ["hours"], gpu.TOY_PARTS)
    assert gpu.TOY_TITLE in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["gpu", "nothing"])
    with pytest.raises(SystemExit):
        gpu.main()


def test_a_plan_takes_the_timed_steps_of_its_scale(tmp_path: Path) -> None:
    rows = [{"stage": "retrain_cifar10", "runs": 60, "hours": 120.0}, {"stage": "seg_train", "runs": 2}]
    value = {"machine": {"device": "NVIDIA H200"}, "parts": {"hours": {"rows": rows}}}
    assert plan.timed("paper", tmp_path) is None
    formats.write_json(tmp_path / "gpu.json", value)
    assert plan.timed("paper", tmp_path) == plan.Timed("NVIDIA H200", {"retrain_cifar10": 2 * 3600.0})
    assert plan.timed("demo", tmp_path) is None


def test_a_plan_counts_what_was_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = [work.Row("retrain_cifar10", 1e12, 9e15, 12), work.Row("seg_search", 1e12, 6e15, 1)]
    monkeypatch.setattr(plan.work, "rows", lambda scale: counted)
    values = plan.values_of("demo", split=False)
    kinds = ("retrain@demo-cifar10-eoinas-0-9", "seg_search@demo", "table_1@demo")
    needs, takes = {name: set() for name in kinds}, {name: plan.resources.Need(gpu=0.5) for name in kinds}
    without = plan.counted(needs, takes, values, None)
    found = plan.counted(needs, takes, values, plan.Timed("a GPU", {"retrain_cifar10": 7.0}))
    assert found == {**without, kinds[0]: 7.0 * 12 / 0.5}
    a_second = work.SUSTAINED * 1e12
    assert without == {kinds[0]: 12 * 9e15 / a_second / 0.5, kinds[1]: 6e15 / a_second / 0.5, kinds[2]: 60.0}
