"""The driver on a Slurm of one node with two fake GPUs: shares, requeues, pre-emption, failures, and a killed driver."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import slurm
from tests import test_fan_runs as runs
from tests.test_fan_runs import toy  # noqa: F401

pytestmark = [pytest.mark.slurm, pytest.mark.skipif(slurm.missing() is not None, reason=str(slurm.missing()))]
RESOURCES = '"search@*": {gpu: 0.5}\n"long": {gpu: 1}\n"pick": {gpu: 2, cpu: 3}\n"*": {short: true}\n'
SLURM = ("--slurm", "-p low", "--shards", "2")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Slurm's commands in this process are those of the test's cluster."""
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as environment, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        yield environment


@pytest.fixture
def graph(toy: Path, cluster) -> Iterator[Path]:  # noqa: F811
    """The toy, with what its stages take of a GPU."""
    (toy / "resources.yaml").write_text(RESOURCES)
    yield toy
    subprocess.run(["scancel", "--me"], check=False)
    runs.wait_for("an empty queue", lambda: not queue())


def queue(form: str = "%A %j %t %S") -> list[str]:
    """What squeue says, a line a job."""
    done = subprocess.run(["squeue", "-h", "--me", "-o", form], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def job_of(stage: str) -> str | None:
    """The number of a stage's job that runs."""
    return next((line.split()[0] for line in queue() if f":{stage} R" in line), None)


def plain(folder: Path, copy: Path) -> dict[str, bytes]:
    """What `dvc repro` alone writes."""
    copy.mkdir()
    for name in ("work.py", "dvc.yaml", "source.txt"):
        (copy / name).write_bytes((folder / name).read_bytes())
    (copy / ".scratch").mkdir()
    (copy / ".dvc").mkdir()
    (copy / ".dvc/config").write_bytes((folder / ".dvc/config").read_bytes())
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=copy, env=environment, check=True)
    return outputs(copy)


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.txt"))}


def where(folder: Path) -> dict[str, tuple[str, float, float]]:
    """Of each stage its GPUs, start and end."""
    lines = [line.split() for line in (folder / ".scratch/where").read_text().splitlines()]
    return {name: (gpus, float(start), float(end)) for name, gpus, start, end in lines}


def test_halves_side_by_side_and_whole_gpus_apart(graph: Path, tmp_path_factory) -> None:
    (graph / "dvc.yaml").write_text(runs.GRAPH.replace("search${item.seed} 4 ", "search${item.seed} 80 "))
    code, output = runs.run(graph, *SLURM)
    assert code == 0, output
    found = where(graph)
    (one, start, end), (other, begin, until) = found["search0"], found["search1"]
    assert start < until
    assert begin < end  # at once
    assert {one, other} <= {"0", "1"}
    assert found["long"][0] in ("0", "1")
    if found["long"][1] < end and start < found["long"][2]:
        assert found["long"][0] not in (one, other)
    assert found["pick"][0] == "0,1"
    assert found["page"][0] == "-"  # beside the driver
    assert outputs(graph) == plain(graph, tmp_path_factory.mktemp("plain") / "copy")
    code, output = runs.run(graph, *SLURM)
    assert code == 0
    assert "started" not in output


def begin_long(graph: Path) -> tuple[subprocess.Popen, str]:
    process = runs.start(graph, "long", *SLURM)
    runs.wait_for("long runs", lambda: runs.started(graph, "long"))
    return process, job_of("long")


def at_once(job: str) -> None:
    """A job that went back into the queue would wait two minutes."""
    runs.wait_for("the job waits", lambda: any(line.split()[:3] == [job, line.split()[1], "PD"] for line in queue()))
    time.sleep(2)  # in the second in which it ended, Slurm would refuse to start it again
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)


def finishes(graph: Path, process: subprocess.Popen) -> None:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    ((_, begin),) = (line.split() for line in runs.history(graph))
    assert int(begin) >= 3  # from a saved state
    assert (graph / "long.txt").read_text() == "long"


def test_a_job_that_is_requeued_goes_on_where_it_was(graph: Path) -> None:
    process, job = begin_long(graph)
    subprocess.run(["scontrol", "requeue", job], check=True)
    at_once(job)
    finishes(graph, process)


def test_a_job_that_has_to_make_room_goes_on_where_it_was(graph: Path) -> None:
    process, job = begin_long(graph)
    subprocess.run(
        ["sbatch", "-p", "high", "--gres=gpu:2", "-o", "/dev/null", "--wrap", "sleep 1"], check=True, stdout=subprocess.DEVNULL
    )
    at_once(job)
    finishes(graph, process)


def test_a_stage_that_fails_gives_its_code_and_stops_what_needs_it_alone(graph: Path) -> None:
    (graph / "search0.fails").touch()
    code, output = runs.run(graph, *SLURM)
    assert code == 1
    assert "failed: search@0" in output
    assert "error: no luck" in output
    assert "not run, for what they need failed: page pick" in output
    assert sorted(runs.history(graph)) == ["code 0", "long 0", "search1 0"]
    assert "exited with 1" in (graph / ".scratch/fan/search@0.dvc.log").read_text()


def test_what_slurm_refuses_is_shown(graph: Path) -> None:
    code, output = runs.run(graph, "long", "--slurm", "-p nowhere")
    assert code == 1
    assert "invalid partition specified: nowhere" in output


def test_a_signal_ends_the_jobs_with_their_states_saved(graph: Path) -> None:
    process, _ = begin_long(graph)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    runs.wait_for("the job ends", lambda: not queue())
    assert int((graph / ".scratch/long.state").read_text()) >= 3
    finishes(graph, runs.start(graph, "long", *SLURM))


def test_a_driver_and_all_dvc_that_were_killed(graph: Path) -> None:
    (graph / "dvc.yaml").write_text(runs.GRAPH.replace("long 30", "long 150"))  # it must not end before the second driver
    process, job = begin_long(graph)
    left = [each for each in psutil.process_iter(["environ"]) if (each.info["environ"] or {}).get("EOINAS_FAN") == str(graph)]
    for each in [*left, psutil.Process(process.pid)]:
        if "slurm" not in " ".join(each.cmdline()[:1]) and "SLURM_JOB_ID" not in each.environ():
            each.kill()
    process.communicate()
    assert job_of("long") == job
    time.sleep(0.5)
    again = runs.start(graph, "long", *SLURM)
    finishes(graph, again)
    assert job_of("long") is None


def test_a_job_at_its_time_limit_goes_back_into_the_queue(graph: Path) -> None:
    (graph / "dvc.yaml").write_text(runs.GRAPH.replace("long 30", "long 900"))  # 90 s; of two minutes the last is kept free
    process = runs.start(graph, "long", "--slurm", "-p low -t 2")
    runs.wait_for("long runs", lambda: runs.started(graph, "long"))
    job = job_of("long")
    runs.wait_for("the state is saved", lambda: (graph / ".scratch/long.state").exists(), seconds=150)
    at_once(job)
    finishes(graph, process)
