import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from eoinas import checkpoint, doctor, locks, memory
from eoinas.code import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The project's own files in an empty folder, entered."""
    for name in ("eoinas", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "data").mkdir()
    for name in ("data/genotypes", "data/nasbench201.csv.xz"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setitem(doctor.DISK, "demo", 0)
    counted = [("search", 0.5), ("retrain", 2.0), ("seg_train", 1.0)]
    monkeypatch.setattr(memory, "needed", lambda _resolved: counted)  # counting takes seconds
    return tmp_path


def change(*keys: str, value: object) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    block = values
    for key in keys[:-1]:
        block = block[key]
    block[keys[-1]] = value
    Path("params.yaml").write_text(yaml.safe_dump(values))


def wrong(scale: str = "demo") -> dict[str, str]:
    return {what: found for state, what, found in doctor.examine(scale) if state == doctor.BAD}


def test_a_fresh_demo_can_run(project, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor"])
    doctor.main()
    out = capsys.readouterr().out
    assert out.endswith("scale demo can run here\n")
    for what in (
        "python",
        "dvc",
        "folder",
        "torch",
        "disk",
        "cifar10",
        "cifar100",
        "imagenet_data",
        "cityscapes_data",
        "parameters",
    ):
        assert f"  {what}" in out
    assert "search 0.5, retrain 2.0, seg_train 1.0 GiB of one GPU" in out


def test_a_stage_that_a_gpu_has_no_room_for_is_named(project, monkeypatch) -> None:
    def notes(gib: int) -> list[str]:
        card = SimpleNamespace(total_memory=gib * 2**30, name="small")
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _number: card)
        return [text for state, what, text in doctor.examine("demo") if what == "memory" and state == doctor.NOTE]

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert notes(1) == ["more than the GPU's 1 GiB: retrain; use several GPUs, accumulate, or bf16"]
    (note,) = notes(4)
    assert note.startswith("seg_train in float32 took 5.4 times its count")
    assert notes(8) == []
    change("demo", "seg_train", "allow_tf32", value=True)
    assert notes(4) == []


def test_a_cell_that_is_named_and_not_there_is_wrong(project) -> None:
    change("imagenet_entries", "mine", value={"genotype": "data/genotypes/mine.json"})
    change("bench", "table", value="data/other.csv.xz")
    found = [text for _, what, text in doctor.examine("demo") if what == "given"]
    assert len(found) == 2  # and no line that says that all is well
    assert "data/other.csv.xz" in found[0]
    assert "data/genotypes/mine.json" in found[1]


def test_absent_data_are_named_and_end_in_1(project, monkeypatch, capsys) -> None:
    change("datasets", "cifar10", "download", value=False)
    monkeypatch.setattr(sys, "argv", ["doctor", "study"])
    with pytest.raises(SystemExit) as caught:
        doctor.main()
    assert "scale study cannot run here yet" in caught.value.code
    found = wrong("study")
    assert set(found) >= {"cifar10", "imagenet_data", "cityscapes_data"}
    assert "data/raw/cifar-10-batches-py" in found["cifar10"]
    assert "imagenet_data.raw" in found["imagenet_data"]
    assert "cityscapes_data.raw" in found["cityscapes_data"]
    out = capsys.readouterr().out
    assert "WRONG" in out
    assert "docs/data.md" in out


def test_a_mistyped_parameter_is_found(project) -> None:
    change("demo", "search", "epoch", value=3)
    assert wrong() == {"parameters": "params.yaml: demo.search.epoch: is not a known parameter"}


def checkout() -> dict[str, list[tuple[str, str]]]:
    found = list(doctor.checkout())
    return {name: [(state, text) for state, what, text in found if what == name] for name in ("dvc", "folder")}


def test_a_folder_without_git_is_found(project) -> None:
    """As a ZIP, a release or a container's COPY has it."""
    shutil.rmtree(".git")
    ((state, text),) = checkout()["folder"]
    assert (state, "git init" in text, "core.no_scm true" in text) == (doctor.BAD, True, True)
    Path(".git").mkdir()  # empty
    assert checkout()["folder"][0][0] == doctor.BAD


def test_a_folder_that_may_not_be_written_is_found(project, monkeypatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda _path, mode: mode != doctor.os.W_OK)
    assert checkout()["folder"] == [(doctor.BAD, "nothing may be written here; copy the project, or ask for the right to")]


@pytest.mark.parametrize("error", [PermissionError, OSError])
def test_a_lock_that_cannot_be_opened_is_no_lock(project, monkeypatch, error) -> None:
    Path("lock").touch()

    def refuse(*_arguments: object) -> None:
        raise error("no")

    monkeypatch.setattr(doctor.fcntl, "flock", refuse)
    assert not doctor._locked(Path("lock"))


@pytest.mark.parametrize("name", ["config", "config.local"])
def test_a_folder_that_does_without_git_can_run(project, name) -> None:
    shutil.rmtree(".git")
    with open(Path(".dvc", name), "a") as file:
        file.write("[core]\n    no_scm = True\n")
    assert checkout()["folder"] == [(doctor.OK, "dvc accepts it")]


def test_git_may_be_above_the_folder_or_a_file(project, monkeypatch) -> None:
    shutil.copytree(".dvc", "below/.dvc")
    monkeypatch.chdir("below")
    assert checkout()["folder"][0][0] == doctor.OK
    shutil.rmtree("../.git")
    assert checkout()["folder"][0][0] == doctor.BAD
    Path(".git").write_text("gitdir: elsewhere\n")
    assert checkout()["folder"][0][0] == doctor.OK


def test_a_copy_without_hidden_files_is_found(project) -> None:
    shutil.rmtree(".dvc")
    ((state, text),) = checkout()["folder"]
    assert state == doctor.BAD
    assert text.startswith(".dvc/config is not here; ")


def write_dvc(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/old/place/.venv/bin/python\nimport dvc\n", "its first line names /old/place/.venv/bin/python, which is not there"),
        ('#!/bin/sh\nexec /old/place/bin/python "$0"\n', "/old/place/bin/python"),  # so pip writes it where the path is long
        ("#!/bin/sh\necho no module named dvc >&2\nexit 1\n", "no module named dvc"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
        ("", "Exec format error"),
    ],
)
@pytest.mark.parametrize("place", [".venv/bin", "elsewhere"])
def test_a_dvc_that_cannot_start_is_found(project, monkeypatch, place, text, reason) -> None:
    """As in a checkout that was moved, whose scripts name the old place."""
    path = project / place / "dvc"
    write_dvc(path, text)
    if place == "elsewhere":
        monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    (found,) = [text for state, text in checkout()["dvc"] if state == doctor.BAD]
    assert found.startswith(f"{path} cannot start (")
    assert reason in found
    assert "Delete .venv and run make repro" in found
    assert "\n" not in found


def test_a_dvc_that_starts_is_named_with_its_version(project) -> None:
    write_dvc(project / ".venv/bin/dvc", "#!/bin/sh\necho 9.9\n")
    assert (doctor.OK, f"9.9 in {project}/.venv/bin/dvc") in checkout()["dvc"]


def test_no_dvc_at_all_is_found(project, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    monkeypatch.setattr(sys, "executable", str(project / "python"))
    ((state, text),) = checkout()["dvc"]
    assert (state, text.startswith("no command dvc; run make repro")) == (doctor.BAD, True)


def test_a_raw_folder_that_may_not_be_read_is_found(project, monkeypatch) -> None:
    change("demo", "datasets", "cifar10", value={"source": "folder", "image_size": 8})

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "raw/train")

    monkeypatch.setattr("eoinas.data.prepare.prepare", refuse)
    assert wrong()["cifar10"] == "raw/train: Permission denied"


def test_too_small_a_disk_is_found(project, monkeypatch) -> None:
    monkeypatch.setitem(doctor.DISK, "demo", 10**6)
    assert "needs about 1000000" in wrong()["disk"]


def test_another_version_is_a_note_and_an_absent_package_is_wrong(project) -> None:
    Path("requirements.txt").write_text("numpy==0.0.1\nno-such-package==1.0\n")
    found = {what: (state, text) for state, what, text in doctor.examine("demo")}
    assert found["numpy"][0] == doctor.NOTE
    assert found["no-such-package"][0] == doctor.BAD


def test_a_killed_stage_and_a_working_one_are_told_apart(project) -> None:
    old = Path(".scratch/old-0123456789abcdef")
    old.mkdir(parents=True)
    (old / "newest.pt").write_bytes(b"x")
    (old / "lock").touch()
    Path(".scratch/fan").mkdir()  # the driver's, no stage's
    Path(".scratch/fan/lock").touch()
    with checkpoint.Checkpoint("present", "0123456789abcdef" * 4, 1.0):
        found = {what: text for _, what, text in doctor.leftovers()}
    assert "was killed" in found[str(old)]
    assert ".scratch/fan" not in found
    (present,) = [text for what, text in found.items() if "present" in what]
    assert "is being worked on" in present


@pytest.mark.parametrize(("text", "found"), [("", True), ('{"read": {', True), ("[]", True), ("{}", False), (None, False)])
def test_a_damaged_file_of_dvcs_is_named(project, text, found) -> None:
    Path(".dvc/tmp").mkdir(parents=True, exist_ok=True)
    if text is not None:
        Path(".dvc/tmp/rwlock").write_text(text)
    assert [what for _, what, text in doctor.leftovers() if "delete it" in text] == [".dvc/tmp/rwlock"] * found
    with locks.hold(Path(".dvc/tmp/rwlock.lock")):
        locks.mend()  # a dvc is writing it
    assert Path(".dvc/tmp/rwlock").exists() == (text is not None)
    locks.mend()
    assert Path(".dvc/tmp/rwlock").exists() == (text is not None and not found)


def test_an_unknown_scale_is_refused(project, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor", "papier"])
    with pytest.raises(SystemExit, match="unknown scale 'papier'"):
        doctor.main()
