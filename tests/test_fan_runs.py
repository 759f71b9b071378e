"""The driver on a small graph of its own, with DVC: whole runs, failures, signals, and what a killed driver leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from eoinas.code import ROOT

# A stage counts to its number; asked to stop it saves how far it is, and goes on from there.
WORK = """
import os, pathlib, signal, sys, time
start, devices = time.time(), os.environ.get("CUDA_VISIBLE_DEVICES", "")
name, count, *inputs = sys.argv[1:]
state, stop = pathlib.Path(".scratch") / f"{name}.state", []
signal.signal(signal.SIGINT, lambda *_: stop.append(130))
signal.signal(signal.SIGTERM, lambda *_: stop.append(143))
begin = int(state.read_text()) if state.exists() else 0
for step in range(begin, int(count)):
    print(f"{name}: step {step} of {count}", flush=True)
    time.sleep(0.1)
    if stop:
        state.write_text(str(step + 1))
        sys.exit(stop[0])
if pathlib.Path(f"{name}.fails").exists():
    pathlib.Path(f"{name}.fails").unlink()
    sys.exit("error: no luck")
with open(".scratch/history", "a") as file:
    print(name, begin, file=file)
with open(".scratch/where", "a") as file:
    print(name, devices or "-", start, time.time(), file=file)
text = name + "".join(pathlib.Path(path).read_text() for path in inputs)
pathlib.Path(f"{name}.txt").write_text(text)
"""
GRAPH = """
stages:
  code: {cmd: python work.py code 0 source.txt, deps: [source.txt], outs: [code.txt]}
  search:
    matrix: {seed: [0, 1]}
    cmd: python work.py search${item.seed} 4 code.txt
    deps: [code.txt]
    outs:
      - search${item.seed}.txt
  long: {cmd: python work.py long 30, outs: [long.txt]}
  pick: {cmd: python work.py pick 0 search0.txt search1.txt, deps: [search0.txt, search1.txt], outs: [pick.txt]}
  page: {cmd: python work.py page 0 pick.txt, deps: [pick.txt], outs: [page.txt]}
"""
RESOURCES = '"search@*": {gpu: 0.5}\n"long": {cpu: 1}\n"*": {short: true}\n'
QUICK = ("page",)  # all but the long stage


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A repository with the graph."""
    for name, text in (("work.py", WORK), ("dvc.yaml", GRAPH), ("resources.yaml", RESOURCES), ("source.txt", "1")):
        (tmp_path / name).write_text(text)
    (tmp_path / ".scratch").mkdir()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """The driver, in a process group of its own, as a shell starts it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "DVC_NO_ANALYTICS": "1"}
    environment.pop("DVC_ROOT", None)
    command = [sys.executable, "-m", "eoinas.fan", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes)


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    process = start(folder, *arguments)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def history(folder: Path) -> list[str]:
    """Which stages ended, and from which step they had started."""
    path = folder / ".scratch/history"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(what: str, happened, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def started(folder: Path, stage: str) -> bool:
    log = folder / f".scratch/fan/{stage}.log"
    return log.exists() and f"{stage}: step 3" in log.read_text()


def test_a_run_does_what_dvc_would_and_the_next_one_nothing(toy: Path) -> None:
    code, output = run(toy, *QUICK, "--gpus", "0")
    assert code == 0, output
    assert sorted(history(toy)) == ["code 0", "page 0", "pick 0", "search0 0", "search1 0"]
    assert (toy / "page.txt").read_text() == "pagepicksearch0code1search1code1"
    assert output.count("GPU 0 (0.5)") == 2
    assert "started: pick page" in output
    assert "done after" in output
    assert "5 of 5 stages are up to date" in output
    assert {"search@0", "search@1"} <= json.loads((toy / ".scratch/fan/seconds.json").read_text()).keys()
    code, output = run(toy, *QUICK)
    assert code == 0
    assert "started" not in output
    lock = (toy / "dvc.lock").read_bytes()
    # What changes nothing further on ends there; what does goes on.
    (toy / "work.py").write_text(WORK.replace("text = name", "text = name[:4]"))
    (toy / "source.txt").write_text("2")
    assert run(toy, *QUICK)[0] == 0
    assert len(history(toy)) == 10
    (toy / "source.txt").write_text("1")
    (toy / "work.py").write_text(WORK)
    assert run(toy, *QUICK)[0] == 0
    assert (toy / "dvc.lock").read_bytes() == lock  # from DVC's cache of runs
    assert len(history(toy)) == 10


def test_what_a_pulled_lock_leaves_out_of_date_is_run(toy: Path) -> None:
    """Another checkout has run `code` anew and nothing behind it, and its dvc.lock has come here, but not its files."""
    assert run(toy, *QUICK)[0] == 0
    first = yaml.safe_load((toy / "dvc.lock").read_text())
    (toy / "source.txt").write_text("2")
    assert run(toy, *QUICK)[0] == 0
    second = yaml.safe_load((toy / "dvc.lock").read_text())
    (toy / "source.txt").write_text("1")
    assert run(toy, *QUICK)[0] == 0
    (toy / "source.txt").write_text("2")
    mixed = {**first, "stages": {**first["stages"], "code": second["stages"]["code"]}}
    (toy / "dvc.lock").write_text(yaml.safe_dump(mixed))
    code, output = run(toy, *QUICK)
    assert code == 0
    assert (toy / "page.txt").read_text() == "pagepicksearch0code2search1code2"
    assert "5 of 5 stages are up to date" in output
    assert "started" not in run(toy, *QUICK)[1]


def test_a_failure_stops_what_needs_it_alone(toy: Path) -> None:
    (toy / "search0.fails").touch()
    code, output = run(toy, *QUICK, "long", "--jobs", "3")
    assert code == 1
    assert "failed: search@0, exit code " in output
    assert ".scratch/fan/search@0.log" in output
    assert "error: no luck" in output
    assert "not run, for what they need failed: page pick" in output
    assert sorted(history(toy)) == ["code 0", "long 0", "search1 0"]
    assert run(toy, *QUICK)[0] == 0  # it fails once
    assert len(history(toy)) == 6


def test_tries_and_short_stages_that_fail_together(toy: Path) -> None:
    (toy / "search0.fails").touch()
    (toy / "page.fails").touch()
    code, output = run(toy, *QUICK, "--tries", "2")
    assert code == 0, output
    assert ", tried again" in output
    assert sorted(history(toy)) == ["code 0", "page 0", "pick 0", "search0 0", "search1 0"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_has_stages_save_and_the_next_run_goes_on(toy: Path, number: int) -> None:
    process = start(toy, "long")
    wait_for("long runs", lambda: started(toy, "long"))
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "stopping" in output
    assert "the same command goes on" in output
    saved = int((toy / ".scratch/long.state").read_text())
    assert saved >= 3
    assert run(toy, "long")[0] == 0
    assert history(toy) == [f"long {saved}"]


def test_a_driver_that_was_killed_leaves_nothing_that_the_next_one_does_not_end(toy: Path) -> None:
    process = start(toy, "long")
    wait_for("long runs", lambda: started(toy, "long"))
    process.kill()
    process.communicate()
    left = [each for each in psutil.process_iter(["environ"]) if (each.info["environ"] or {}).get("EOINAS_FAN") == str(toy)]
    assert left
    (toy / ".dvc/tmp/rwlock").write_text('{"write": {"/x": ')
    code, output = run(toy, "long")
    assert code == 0, output
    assert f"ending {len(left)} processes" in output
    ((_, begin),) = (line.split() for line in history(toy))
    assert int(begin) >= 3
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in left)


@pytest.mark.slow
def test_what_another_checkout_has_run_is_fetched(toy: Path, tmp_path_factory) -> None:
    remote, other = tmp_path_factory.mktemp("remote"), tmp_path_factory.mktemp("checkouts") / "other"
    (toy / ".dvc/config").write_text(
        f"[core]\n    no_scm = true\n    analytics = false\n    remote = r\n['remote \"r\"']\n    url = {remote}\n"
    )
    shutil.copytree(toy, other)
    assert run(toy, "search@0")[0] == 0
    subprocess.run([sys.executable, "-m", "dvc", "push", "-q", "--run-cache"], cwd=toy, check=True)
    code, output = run(other, *QUICK, "--pull")
    assert code == 0, output
    assert sorted(history(other)) == ["page 0", "pick 0", "search1 0"]
    assert (other / "page.txt").read_text() == "pagepicksearch0code1search1code1"


def test_one_driver_a_checkout(toy: Path) -> None:
    first = start(toy, "long")
    wait_for("long runs", lambda: started(toy, "long"))
    code, output = run(toy)
    assert code == 1
    assert output.startswith(f"error: .scratch/fan: another driver runs in this checkout (process {first.pid} on ")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    (toy / ".scratch/fan/driver.json").write_text('{"host": "elsewhere", "process": 1}')
    code, output = run(toy)
    assert code == 1
    assert output.startswith("error: .scratch/fan: a driver on elsewhere runs in this checkout")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"resources.yaml": "a: {gpu: 1"}, [], "error: resources.yaml: not YAML"),
        ({"dvc.yaml": "stages: [1]"}, [], "error: dvc: "),
        ({"dvc.yaml": None}, [], "error: dvc.yaml: no such file; run from the project's top folder"),
        ({}, ["--slurm", "-p gpu"], "error: slurm: there is no squeue on this machine"),
    ],
)
def test_mistakes_end_in_one_line_and_run_nothing(toy: Path, change: dict, arguments: list[str], message: str) -> None:
    for name, text in change.items():
        (toy / name).unlink() if text is None else (toy / name).write_text(text)
    if "--slurm" in arguments and any((Path(folder) / "squeue").exists() for folder in os.environ["PATH"].split(os.pathsep)):
        pytest.skip("there is a Slurm here")
    code, output = run(toy, *arguments)
    assert code == 1
    assert output.startswith(message)
    assert output.count("\n") == 1
    assert not history(toy)
