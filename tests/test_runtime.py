import ast
import csv
import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from eoinas import checkpoint, code, command, devices, files, formats, locks, schedules, seeds, weights
from eoinas.errors import InputError
from eoinas.runlog import RunLog

ROOT = Path(__file__).parent.parent
ORDER_SEED = 4374215849138048446  # of (0, "order", 1)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


# Seeds


def test_seeds_are_pinned() -> None:
    assert seeds.seed_of(0) == 2033344993903900207
    assert seeds.seed_of(0, "order", 1) == ORDER_SEED
    assert seeds.seed_of(3, "gumbel", 2, 5) == 6329744163479123243
    assert torch.randperm(6, generator=seeds.generator(0, "order", 1)).tolist() == [0, 5, 3, 4, 2, 1]


def test_seeds_depend_on_their_arguments_alone() -> None:
    code = "from eoinas import seeds; print(seeds.seed_of(0, 'order', 1))"
    for hash_seed in ("0", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        assert int(found) == ORDER_SEED
    torch.manual_seed(5)
    torch.rand(3)
    assert seeds.seed_of(0, "order", 1) == ORDER_SEED
    keys = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (0, "a", 2), (0, 1), (0, "a", 1, 2)]
    found = {seeds.seed_of(*key) for key in keys}
    assert len(found) == len(keys)
    assert all(0 <= seed < 2**63 for seed in found)


def test_generators_are_fresh_and_leave_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    first, again = (torch.rand(4, generator=seeds.generator(0, "x", 3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, torch.rand(4, generator=seeds.generator(0, "x", 4)))
    assert torch.equal(torch.get_rng_state(), before)


# The device


@pytest.fixture
def as_before():
    yield
    torch.set_deterministic_debug_mode("default")
    torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize(("allow_tf32", "deterministic"), [(False, True), (True, False)])
def test_the_device_calculates_as_asked_for(as_before, allow_tf32: bool, deterministic: bool) -> None:
    devices.device(devices.DeviceParams(cpu_threads=0, allow_tf32=allow_tf32, deterministic=deterministic))
    assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is allow_tf32
    assert torch.get_deterministic_debug_mode() == (2 if deterministic else 0)
    assert torch.backends.cudnn.benchmark is not deterministic


# The command line

SCRIPT = """
'Does a thing. Usage: python -m stage SCALE SEED'

import errno, os, signal
from eoinas import command
from eoinas.errors import InputError

def main(scale: str, seed: str) -> None:
    if scale == "wrong":
        raise InputError("params.yaml: demo.x: is missing")
    if scale == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "results/x")
    if scale == "bug":
        raise ValueError("bug")
    if scale == "memory":
        import torch
        torch.empty(2**50)
    if scale == "reader":
        raise RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly")
    if scale == "compile":
        import torch
        torch.compile(torch.nn.Linear(2, 2))(torch.ones(1, 2))
    if scale == "folder":
        open("/")
    if scale == "signal":
        os.kill(os.getpid(), int(seed))
    if scale == "patient":
        command.wait_for_checkpoint()
        for number in seed.split(","):
            os.kill(os.getpid(), int(number))
    print("done", scale, seed)

if __name__ == "__main__":
    command.run(main)
"""


def script(*arguments: str) -> subprocess.CompletedProcess:
    Path("stage.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "stage", *arguments], env=environment, capture_output=True, text=True)


def test_main_gets_the_matrix_items_as_text() -> None:
    found = script("demo", "007")
    assert (found.returncode, found.stdout, found.stderr) == (0, "done demo 007\n", "")


def test_a_mistake_is_one_line_and_exit_code_1() -> None:
    found = script("wrong", "0")
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "error: params.yaml: demo.x: is missing\n")


def test_a_full_disk_is_one_line_and_exit_code_1() -> None:
    found = script("full", "0")
    assert found.returncode == 1
    assert found.stderr.startswith("error: results/x: No space left on device; free some space")
    assert found.stderr.count("\n") == 1


def test_any_failure_of_a_file_names_it_in_one_line() -> None:
    found = script("folder", "0")
    assert (found.returncode, found.stderr) == (1, "error: /: Is a directory\n")


def test_out_of_memory_says_what_to_lower() -> None:
    found = script("memory", "0")
    assert found.returncode == 1
    assert found.stderr.startswith("error: out of memory")
    assert "raise accumulate, where there is one, or lower batch_size" in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_reader_that_the_system_killed_says_what_to_lower() -> None:
    found = script("reader", "0")
    assert (found.returncode, found.stderr) == (
        1,
        "error: out of memory (DataLoader worker (pid(s) 7) exited unexpectedly); lower machine.workers in params.yaml\n",
    )


@pytest.mark.slow
def test_a_missing_compiler_says_what_to_do(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "absent")
    found = script("compile", "0")
    assert found.returncode == 1
    assert found.stderr.startswith("error: torch.compile needs a C++ compiler (InvalidCxxCompiler: No working C++ compiler found")
    assert found.stderr.endswith("; install g++ or set compile of this stage's block in params.yaml to false\n")
    assert found.stderr.count("\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    found = script("bug", "0")
    assert found.returncode == 1
    assert "Traceback" in found.stderr


@pytest.mark.parametrize("arguments", [(), ("demo",), ("demo", "0", "1")])
def test_a_wrong_number_of_arguments_shows_the_usage(arguments) -> None:
    found = script(*arguments)
    assert (found.returncode, found.stdout, found.stderr) == (1, "", "usage: python -m stage SCALE SEED\n")


@pytest.mark.parametrize("arguments", [("--help",), ("demo", "-h")])
def test_help_is_what_the_script_says_of_itself(arguments) -> None:
    found = script(*arguments)
    assert (found.returncode, found.stdout, found.stderr) == (0, "Does a thing. Usage: python -m stage SCALE SEED\n", "")


@pytest.mark.parametrize("name", code.scripts())
def test_a_stage_says_what_it_takes(name: str) -> None:
    module = ast.parse((ROOT / f"stages/{name}.py").read_text())
    _, _, usage = ast.get_docstring(module).partition("Usage: ")
    (main,) = (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    command, *taken = usage.splitlines()[0].split(f"stages.{name}")
    assert command == "python -m "
    assert len(taken[0].split()) == len(main.args.args)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stage_without_checkpoint_at_once(number) -> None:
    found = script("signal", str(int(number)))
    assert (found.returncode, found.stdout, found.stderr) == (128 + number, "", "")


@pytest.mark.parametrize(("numbers", "code"), [("15", 0), ("15,15,15", 0), ("2", 0), ("2,15", 0), ("2,2", 130), ("15,2", 130)])
def test_only_a_second_ctrl_c_does_not_wait_for_a_state(numbers: str, code: int) -> None:
    assert script("patient", numbers).returncode == code


# Whole files or none


def test_replacing_leaves_nothing_on_an_error() -> None:
    with suppress(KeyboardInterrupt), files.replacing("a/b.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert list(Path("a").iterdir()) == []


def test_replacing_keeps_the_old_file_on_an_error() -> None:
    files.write_text("b.txt", "old")
    with suppress(ZeroDivisionError), files.replacing("b.txt") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert Path("b.txt").read_text() == "old"
    files.write_text("b.txt", "new\n")
    assert Path("b.txt").read_bytes() == b"new\n"
    assert [path.name for path in Path().iterdir()] == ["b.txt"]


def test_replacing_folder_leaves_nothing_or_the_old_folder_on_an_error() -> None:
    with suppress(ZeroDivisionError), files.replacing_folder("a/b") as temporary:
        (temporary / "x").write_text("half")
        raise ZeroDivisionError
    assert list(Path("a").iterdir()) == []
    for content in ("first", "second"):
        with files.replacing_folder("a/b") as temporary:
            (temporary / content).write_text(content)
    assert [path.name for path in Path("a/b").iterdir()] == ["second"]
    with suppress(ZeroDivisionError), files.replacing_folder("a/b") as temporary:
        raise ZeroDivisionError
    assert [path.name for path in Path("a").iterdir()] == ["b"]
    assert Path("a/b/second").read_text() == "second"


FULL = r": needed {}, free .+; free some space and run again, nothing is half-written"


@pytest.fixture
def full_disk():
    """No file may have more than 500 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _weights(path: Path) -> None:
    weights.save(torch.nn.Linear(100, 10), path)


def _picture(path: Path) -> None:
    from PIL import Image

    with files.replacing(path) as temporary:
        Image.fromarray(np.random.default_rng(0).integers(256, size=(50, 50, 3), dtype=np.uint8)).save(temporary, "png")


WRITES = {
    "text": (lambda path: files.write_text(path, 100 * "0123456789"), "1000 bytes"),
    "array": (lambda path: formats.write_array(path, np.arange(1000, dtype=np.int16)), r"2\.078 KiB"),
    "weights": (_weights, r"4\.\d+ KiB"),
    "picture": (_picture, r"more than \d+ bytes"),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("old", [False, True])
def test_a_full_disk_says_how_much_was_needed_and_leaves_nothing_half_written(name: str, old: bool, full_disk) -> None:
    write, needed = WRITES[name]
    if old:
        Path("out").mkdir()
        Path("out/x").write_text("old")
    with pytest.raises(InputError, match=rf"^out/x: File too large{FULL.format(needed)}$"):
        write(Path("out/x"))
    assert [(path.name, path.read_text()) for path in Path("out").iterdir()] == [("x", "old")] * old


@pytest.mark.parametrize(
    ("write", "named", "needed"),
    [
        (lambda folder: files.write_text(folder / "deep/x", 1000 * "x"), "a/b/deep/x", "1000 bytes"),
        (lambda folder: np.savez(folder / "x.npz", np.arange(1000)), "a/b", "more than 5.. bytes"),
        (lambda folder: shutil.copytree(ROOT / "data/genotypes", folder / "x"), "a/b", "more than .+"),
    ],
)
def test_a_full_disk_leaves_no_part_of_a_folder(write, named: str, needed: str, full_disk) -> None:
    message = rf"^{named}: File too large{FULL.format(needed)}$"
    with pytest.raises(InputError, match=message), files.replacing_folder("a/b") as folder:
        write(folder)
    assert list(Path("a").iterdir()) == []


def test_a_disk_without_any_room_says_so_too(monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for method in ("mkdir", "write_bytes", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(Path, method, full)
            with pytest.raises(InputError, match=r"^a/x: No space left on device: needed 4 bytes, free .+B; free some space"):
                files.write_text("a/x", "text")


def test_bytes_are_told_as_a_person_reads_them() -> None:
    found = [files.in_units(size) for size in (0, 1023, 1024, 1536, 5 * 2**20, 3 * 2**30 + 2**29, 2**41)]
    assert found == ["0 bytes", "1023 bytes", "1 KiB", "1.5 KiB", "5 MiB", "3.5 GiB", "2048.0 GiB"]


def test_arrays_are_as_numpy_writes_them() -> None:
    for array in (np.arange(7, dtype=np.int16), np.zeros((2, 3), bool), np.zeros(0)):
        formats.write_array("x.npy", array)
        np.save("y.npy", array)
        assert Path("x.npy").read_bytes() == Path("y.npy").read_bytes()


def test_json_is_stable_and_refuses_nan() -> None:
    formats.write_json("x.json", {"b": [1, 2.5], "a": None})
    assert Path("x.json").read_bytes() == b'{\n "b": [\n  1,\n  2.5\n ],\n "a": null\n}\n'
    assert formats.read_json("x.json") == {"b": [1, 2.5], "a": None}
    with pytest.raises(ValueError, match="JSON compliant"):
        formats.write_json("y.json", {"a": float("nan")})
    assert not Path("y.json").exists()
    Path("z.json").write_text("{")
    for name in ("y.json", "z.json"):
        with pytest.raises(InputError, match=f"^{name}: n"):
            formats.read_json(name)


# Checkpoints

EVERY_OFFER = 1e-9  # minutes


def one_state(value: int) -> dict:
    return {"value": value, "tensor": torch.arange(3) + value, "epoch": value, "step": 2}


def scratch() -> Path:
    return Path(".scratch/stage-aaaaaaaaaaaaaaaa")


def killed(*values: int) -> Path:
    """A stage that offered these states and was then killed; returns its folder."""
    with suppress(ZeroDivisionError), checkpoint.Checkpoint("stage", "a" * 64, EVERY_OFFER) as states:
        for value in values:
            states.offer(lambda value=value: one_state(value))
        raise ZeroDivisionError
    return scratch()


def loaded() -> dict | None:
    with suppress(ZeroDivisionError), checkpoint.Checkpoint("stage", "a" * 64, EVERY_OFFER) as states:
        found = states.load()
        raise ZeroDivisionError
    return found


def test_a_killed_stage_finds_its_newest_state(capsys) -> None:
    folder = killed(1, 2, 3)
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "newest.pt", "older.pt"]
    found = loaded()
    assert found["value"] == 3
    assert found["tensor"].tolist() == [3, 4, 5]
    assert capsys.readouterr().err == f"stage: goes on from {folder}/newest.pt\n"


@pytest.mark.parametrize("spoil", [lambda blob: blob[:-1], lambda blob: b"", lambda blob: blob[:40] + b"x" + blob[41:]])
def test_a_damaged_state_falls_back_to_the_older_one_with_a_warning(spoil, capsys) -> None:
    folder = killed(1, 2)
    (folder / "newest.pt").write_bytes(spoil((folder / "newest.pt").read_bytes()))
    assert loaded()["value"] == 1
    assert f"warning: {folder}/newest.damaged: damaged state set aside\n" in capsys.readouterr().err
    assert (folder / "newest.damaged").exists()
    (folder / "older.pt").write_bytes(spoil((folder / "older.pt").read_bytes()))
    assert loaded() is None
    assert f"warning: {folder}/older.damaged: damaged state set aside\n" in capsys.readouterr().err


def test_a_kill_between_the_two_renames_leaves_the_older_state() -> None:
    folder = killed(1, 2)
    (folder / "newest.pt").unlink()
    assert loaded()["value"] == 1


def test_a_second_process_is_refused() -> None:
    with checkpoint.Checkpoint("stage", "a" * 64, 1.0):
        with pytest.raises(InputError, match="stage: another process works on this stage"):
            checkpoint.Checkpoint("stage", "a" * 64, 1.0).__enter__()
        with checkpoint.Checkpoint("stage", "b" * 64, 1.0), checkpoint.Checkpoint("other", "a" * 64, 1.0):
            pass
    with checkpoint.Checkpoint("stage", "a" * 64, 1.0):  # the refusal did not take the lock with it
        pass


def test_success_removes_the_states_and_an_error_keeps_them() -> None:
    folder = killed(1)
    assert (folder / "newest.pt").exists()
    with checkpoint.Checkpoint("stage", "a" * 64, EVERY_OFFER) as states:
        assert states.load()["value"] == 1
    assert not folder.exists()


@pytest.mark.parametrize("files_removed", [0, 1, 2, 4, 5])
def test_a_kill_while_states_are_removed_leaves_no_part_of_a_result(files_removed: int, monkeypatch) -> None:
    unlink, removed = os.unlink, []

    def dying(*arguments, **named) -> None:
        if len(removed) == files_removed:
            raise KeyboardInterrupt
        removed.append(arguments)
        unlink(*arguments, **named)

    def work(_states: checkpoint.Checkpoint, folder: Path) -> None:
        for name in ("a", "b", "c"):
            (folder / name).write_text(name)

    def run(killed: bool) -> None:
        with checkpoint.Checkpoint("stage", "a" * 64, 1.0) as states:
            states.parts("out", {"0": work, "1": work})
            if killed:
                monkeypatch.setattr(os, "unlink", dying)

    with pytest.raises(KeyboardInterrupt):
        run(killed=True)
    monkeypatch.setattr(os, "unlink", unlink)
    shutil.rmtree("out")  # as DVC does before it runs a stage that has not ended
    run(killed=False)
    found = sorted(path.as_posix() for path in Path("out").rglob("*") if path.is_file())
    assert found == [f"out/{part}/{name}" for part in "01" for name in "abc"]
    assert not list(Path(".scratch").iterdir())


def test_a_kill_while_a_folder_is_replaced_leaves_a_whole_one_or_none(monkeypatch) -> None:
    def write() -> None:
        with files.replacing_folder("a") as temporary:
            for name in ("x", "y"):
                (temporary / name).write_text(name)

    def dying(*_arguments, **_named) -> None:
        raise KeyboardInterrupt

    write()
    monkeypatch.setattr(os, "unlink", dying)
    with pytest.raises(KeyboardInterrupt):
        write()
    assert sorted(path.name for path in Path("a").iterdir()) == ["x", "y"]


def test_nothing_is_left_of_a_stage_that_failed_before_its_first_state() -> None:
    assert not killed().exists()


def test_states_are_saved_when_they_are_due_only() -> None:
    asked = []
    with checkpoint.Checkpoint("stage", "a" * 64, 60.0) as states:
        states.offer(lambda: asked.append(1))
        assert asked == []
        assert states.load() is None


def test_a_stop_saves_at_once_and_raises(monkeypatch) -> None:
    monkeypatch.setattr(command, "_signals", [signal.SIGTERM])
    with pytest.raises(command.Stopped, match="stage: state saved"), checkpoint.Checkpoint("stage", "a" * 64, 60.0) as states:
        states.offer(lambda: one_state(7))
    monkeypatch.setattr(command, "_signals", [])
    assert loaded()["value"] == 7


def test_states_lie_below_dvc_root(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    with checkpoint.Checkpoint("stage", "a" * 64, 1.0):
        assert (tmp_path / "project/.scratch/stage-aaaaaaaaaaaaaaaa/lock").exists()


def test_a_state_that_finds_no_room_leaves_those_before(full_disk, capsys) -> None:
    large = {"epoch": 2, "step": 1, "value": 2, "tensor": torch.zeros(1000)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, -1))
    full = rf"^{re.escape(str(scratch()))}/next\.pt: File too large{FULL.format(r'[56][.0-9]* KiB')}$"
    with pytest.raises(InputError, match=full), checkpoint.Checkpoint("stage", "a" * 64, EVERY_OFFER) as states:  # noqa: PT012
        states.offer(lambda: one_state(1))
        states.offer(lambda: large)
    assert sorted(path.name for path in scratch().iterdir()) == ["lock", "newest.pt"]
    assert loaded()["value"] == 1


def test_the_last_good_state_is_named() -> None:
    messages = []
    with suppress(ZeroDivisionError), checkpoint.Checkpoint("stage", "a" * 64, EVERY_OFFER) as states:
        assert states.last == "none yet, the run starts over"
        assert states.load() is None
        states.offer(lambda: one_state(3))
        assert states.last == f"epoch 3, step 2 ({scratch()}/newest.pt)"
        states.offer(lambda: one_state(4))
        raise ZeroDivisionError
    (scratch() / "newest.pt").unlink()
    with checkpoint.Checkpoint("stage", "a" * 64, EVERY_OFFER) as states:
        states.load()
        assert states.last == f"epoch 3, step 2 ({scratch()}/older.pt)"
        with pytest.raises(InputError) as caught:
            checkpoint.check_finite([torch.tensor(1.0), torch.tensor(-torch.inf)], "search: the train", 5, states)
        assert str(caught.value) == (
            f"search: the train loss is not finite in epoch 5, step 2; last good state: epoch 3, step 2 ({scratch()}/older.pt); "
            "lower learning_rate or grad_clip of this stage's block in params.yaml"
        )
        states.part("a", lambda part, _: messages.append(part.last))
    assert messages == ["none yet, the run starts over"]


def test_a_state_of_another_format_is_not_taken_up(monkeypatch, capsys) -> None:
    folder = killed(1, 2)
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    assert loaded() is None
    assert capsys.readouterr().err == "".join(
        f"warning: {folder}/{name}.pt: a state of another format is left out\n" for name in ("newest", "older")
    )
    killed(3)  # in the place of the newest, which becomes the older one
    assert loaded()["value"] == 3
    (folder / "newest.pt").unlink()
    assert loaded() is None


def test_a_state_without_a_format_is_not_taken_up(monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "_FORMAT_KEY", "value")  # which a state has in any case
    killed(1)
    monkeypatch.undo()
    assert loaded() is None


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_one_line_with_advice(number: int, monkeypatch) -> None:
    def without(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", without)
    with pytest.raises(InputError) as caught:
        checkpoint.Checkpoint("stage", "a" * 64, 1.0).__enter__()
    assert str(caught.value) == (
        f"{scratch()}: this file system has no locks ({os.strerror(number)}); make .scratch a link to a local disk's folder"
    )


def test_another_failure_of_the_lock_is_no_matter_of_file_systems(monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(locks.fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output error"):
        checkpoint.Checkpoint("stage", "a" * 64, 1.0).__enter__()


def fingerprint(parameters: object, inputs: list[str], script: str = "search") -> str:
    return checkpoint.fingerprint(script, parameters, inputs)


def test_fingerprint_changes_with_parameters_input_bytes_and_names(monkeypatch) -> None:
    Path("in").mkdir()
    Path("in/a").write_bytes(b"1")
    Path("file").write_bytes(b"1")
    base = fingerprint([{"x": 1, "y": 2}], ["in", "file"])
    assert fingerprint([{"y": 2, "x": 1}], ["in", "file"]) == base
    assert re.fullmatch("[0-9a-f]{64}", base)
    others = [fingerprint([{"x": 1, "y": 3}], ["in", "file"]), fingerprint([{"x": 1, "y": 2}], ["in"])]
    others.append(fingerprint([{"x": 1, "y": 2}], ["in", "file"], "derive"))
    Path("in/a").write_bytes(b"2")
    others.append(fingerprint([{"x": 1, "y": 2}], ["in", "file"]))
    Path("in/a").rename("in/b")
    others.append(fingerprint([{"x": 1, "y": 2}], ["in", "file"]))
    Path("file").write_bytes(b"3")
    others.append(fingerprint([{"x": 1, "y": 2}], ["in", "file"]))
    for module, name in ((checkpoint, "FORMAT"), (torch, "__version__")):
        monkeypatch.setattr(module, name, "another")
        others.append(fingerprint([{"x": 1, "y": 2}], ["in", "file"]))
    assert len({base, *others}) == 9


EDITS = """
from eoinas import checkpoint
for path in (None, "eoinas/progress.py", "eoinas/checkpoint.py", "eoinas/nas/markov.py", "eoinas/schedules.py"):
    if path:
        with open(path, "a") as file:
            file.write("# edited\\n")
    print(*(checkpoint.fingerprint(script, [], []) for script in ("search", "retrain")))
"""


def test_fingerprint_changes_with_the_code_that_has_an_effect_on_its_script() -> None:
    for name in ("eoinas", "stages"):
        shutil.copytree(ROOT / name, name, ignore=shutil.ignore_patterns("__pycache__"))
    found = subprocess.run([sys.executable, "-c", EDITS], capture_output=True, text=True, check=True).stdout
    search, retrain = zip(*(line.split() for line in found.splitlines()), strict=True)
    assert len({*search}) == 3  # as it was, with another chain, with other schedules
    assert search[:3] == 3 * search[:1]
    assert retrain[:4] == 4 * retrain[:1]
    assert retrain[4] != retrain[0]


# Schedules


@pytest.mark.parametrize(
    ("epoch", "expected"), [(1, 0.025), (41, 0.021485281), (81, 0.013), (121, 0.004514719), (160, 0.001002313)]
)
def test_cosine_of_the_search(epoch: int, expected: float) -> None:
    assert schedules.cosine(epoch, 160, 0.025, 0.001) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("epoch", "expected"), [(1, 0.025), (301, 0.0125), (451, 0.003661165), (600, 1.713e-7)])
def test_cosine_of_the_retraining(epoch: int, expected: float) -> None:
    assert schedules.cosine(epoch, 600, 0.025, 0.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("epoch", "expected"), [(1, 5.0), (20, 5.0), (21, 4.825), (22, 4.656125), (160, 0.034103)])
def test_temperature_of_the_search(epoch: int, expected: float) -> None:
    assert schedules.temperature(epoch, 160, 20, 5.0, 0.965, 0.0) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("epoch", "expected"), [(1, 0.0), (2, 0.0005), (301, 0.15), (600, 0.2995)])
def test_drop_path_of_the_retraining(epoch: int, expected: float) -> None:
    assert schedules.drop_path(epoch, 600, 0.3) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prune", "prunes", "expected"), [(0, 7, [1, 0]), (6, 7, [0, 1]), (3, 7, [0.5, 0.5]), (0, 1, [1, 0]), (1, 3, [0.5, 0.5])]
)
def test_sigma(prune, prunes, expected) -> None:
    assert schedules.sigma(prune, prunes, [1.0, 0.0], [0.0, 1.0]) == expected


# History


def test_history_is_one_csv_row_an_epoch(capsys) -> None:
    log = RunLog("demo/search", 2, 3)
    log.epoch(epoch=1, loss=2.3025850929940455, accuracy=0.1, undrawn=None)
    log.epoch(epoch=2, loss=1.0, accuracy=1e-7, undrawn=12)
    log.close()
    log.write(Path("out/history.csv"))
    assert Path("out/history.csv").read_bytes() == b"epoch,loss,accuracy,undrawn\n1,2.30259,0.1,\n2,1,1e-07,12\n"
    with open("out/history.csv", newline="") as file:
        assert [row["undrawn"] for row in csv.DictReader(file)] == ["", "12"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("demo/search: epoch 1/2 loss 2.30259 accuracy 0.1 | ")
    assert lines[1] == "demo/search: epoch 2/2 loss 1 accuracy 1e-07 undrawn 12 | 0 s left"
    assert lines[2].startswith("demo/search: 2 epochs in ")


def test_seconds_go_on_after_a_resume(capsys) -> None:
    log = RunLog("stage", 4, 3)
    log.restore([{"epoch": 1}, {"epoch": 2}], 100.0, 1)
    time.sleep(0.01)
    assert 100.0 < log.seconds < 110.0
    log.epoch(epoch=3)
    assert capsys.readouterr().out.startswith("stage: epoch 3/4  | 3")  # a third of 100 s is left
    assert [row["epoch"] for row in log.rows] == [1, 2, 3]


def test_the_bar_goes_on_where_the_killed_run_was(monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    log = RunLog("stage", 4, 10)
    log.restore([{"epoch": 1}, {"epoch": 2}], 100.0, 3)
    found = log._progress._bar.n
    log._progress._bar.close()
    assert found == 23
