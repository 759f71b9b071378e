import shutil
import sys
from pathlib import Path

import pytest
import yaml

from eoinas import checkpoint, doctor
from eoinas.code import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The project's own files in an empty folder, entered."""
    for name in ("eoinas", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setitem(doctor.DISK, "demo", 0)
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
    for what in ("python", "torch", "disk", "cifar10", "cifar100", "imagenet", "cityscapes", "parameters", "code"):
        assert f"  {what}" in out


def test_absent_data_are_named_and_end_in_1(project, monkeypatch, capsys) -> None:
    change("study", "cifar10", "download", value=False)
    monkeypatch.setattr(sys, "argv", ["doctor", "study"])
    with pytest.raises(SystemExit) as caught:
        doctor.main()
    assert "scale study cannot run here yet" in caught.value.code
    found = wrong("study")
    assert set(found) >= {"cifar10", "imagenet", "cityscapes"}
    assert "data/raw/cifar-10-batches-py" in found["cifar10"]
    assert "imagenet_data.raw" in found["imagenet"]
    assert "cityscapes_data.raw" in found["cityscapes"]
    assert "WRONG" in capsys.readouterr().out


def test_a_mistyped_parameter_is_found(project) -> None:
    change("demo", "search", "epoch", value=3)
    assert wrong() == {"parameters": "params.yaml: demo.search.epoch: is not a known parameter"}


def test_too_small_a_disk_is_found(project, monkeypatch) -> None:
    monkeypatch.setitem(doctor.DISK, "demo", 10**6)
    assert "needs about 1000000" in wrong()["disk"]


def test_a_missing_dep_is_found(project) -> None:
    text = Path("dvc.yaml").read_text().replace("      - eoinas/train/search.py\n", "", 1)
    Path("dvc.yaml").write_text(text)
    (found,) = wrong().values()
    assert "eoinas/train/search.py" in found


def test_another_version_is_a_note_and_an_absent_package_is_wrong(project) -> None:
    Path("requirements.txt").write_text("numpy==0.0.1\nno-such-package==1.0\n")
    found = {what: (state, text) for state, what, text in doctor.examine("demo")}
    assert found["numpy"][0] == doctor.NOTE
    assert found["no-such-package"][0] == doctor.BAD


def test_a_killed_stage_and_a_working_one_are_told_apart(project) -> None:
    Path(".scratch/old-1").mkdir(parents=True)
    Path(".scratch/old-1/newest.pt").write_bytes(b"x")
    with checkpoint.Checkpoint("present", "k" * 64, 1.0):
        found = {what: text for _, what, text in doctor.leftovers()}
    assert "was killed" in found[".scratch/old-1"]
    (present,) = [text for what, text in found.items() if "present" in what]
    assert "is being worked on" in present


@pytest.mark.parametrize(("text", "found"), [("", True), ("[]", True), ("{}", False), (None, False)])
def test_a_damaged_file_of_dvcs_is_named(project, text, found) -> None:
    Path(".dvc/tmp").mkdir(parents=True, exist_ok=True)
    if text is not None:
        Path(".dvc/tmp/rwlock").write_text(text)
    assert [what for _, what, text in doctor.leftovers() if "delete it" in text] == [".dvc/tmp/rwlock"] * found


def test_an_unknown_scale_is_refused(project, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor", "papier"])
    with pytest.raises(SystemExit, match="unknown scale 'papier'"):
        doctor.main()
