"""What makes this a project for others: package, locks, licence, citation, what git ignores, a checkout that has moved."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

from eoinas.code import ROOT

DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}  # where the names differ
CHECKOUT_ALONE = {"stages", "tests"}  # imported by eoinas.doctor, which is of no use without them
LOCKS = {"requirements.lock": "requirements.txt", "requirements-dev.lock": "requirements-dev.txt"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported() -> set[str]:
    """Third-party modules that eoinas imports anywhere."""
    names = set()
    for path in (ROOT / "eoinas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - CHECKOUT_ALONE - {"eoinas"}


def pins(name: str) -> dict[str, str]:
    """Versions that a requirements file asks for, its ``-r`` followed."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            found |= pins(line[3:].strip())
        elif line and not line.startswith("#"):
            package, version = line.split("#")[0].strip().split("==")
            found[canonical(package)] = version
    return found


def locked(name: str) -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    """Version, marker and hashes of each entry of a lock, by package; one with several has a marker in each."""
    found = {}
    lines = (line for line in (ROOT / name).read_text().splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for entry in re.findall(r"^\S.*(?:\n +--hash=.*)*", "\n".join(lines), re.MULTILINE):
        head, *hashes = (part.strip(" \\") for part in entry.split("\n"))
        package, version, marker = re.fullmatch(r"([\w.-]+)==(\S+)(?: ; (.+))?", head).groups(default="")
        found.setdefault(canonical(package), []).append((version, marker, tuple(hashes)))
    return found


def test_the_package_asks_for_what_it_imports_and_for_nothing_else() -> None:
    asked = {canonical(Requirement(text).name) for text in project()["dependencies"]}
    assert asked == {DISTRIBUTIONS.get(name, name) for name in imported()}


def test_the_package_takes_the_pinned_versions() -> None:
    pinned = pins("requirements.txt")
    for requirement in map(Requirement, project()["dependencies"]):
        assert requirement.specifier.contains(pinned[canonical(requirement.name)]), requirement
        assert [bound.operator for bound in requirement.specifier] == [">="], requirement


def test_every_folder_of_the_package_is_one() -> None:
    folders = {path.parent for path in (ROOT / "eoinas").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_the_licence_is_the_standard_text() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert project()["license"] == "Apache-2.0"


def test_the_citation_names_the_software_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (project()["version"], project()["license"])
    assert citation.keys() >= {"message", "title", "authors"}
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Zhou", "Xie", "Kung"]
    assert paper["doi"] == "10.1109/TNNLS.2021.3072950"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_every_pin_and_every_hash(lock) -> None:
    entries = locked(lock)
    for package, version in pins(LOCKS[lock]).items():
        assert [entry[0] for entry in entries[package]] == [version], f"{package}: run make lock"
    for package, versions in entries.items():
        assert all(marker for _, marker, _ in versions) or len(versions) == 1, package
        for _, _, hashes in versions:
            assert hashes, package
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", text) for text in hashes), package


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_place(lock) -> None:
    assert re.search(r"://|--(extra-)?index-url|--find-links|^ *#.* /", (ROOT / lock).read_text(), re.MULTILINE) is None


def test_tests_run_with_what_runs() -> None:
    run, dev = (locked(lock) for lock in LOCKS)
    assert {package: entries for package, entries in dev.items() if package in run} == run


def test_ci_tests_and_then_lints() -> None:
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make")]
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    assert commands == [step["run"] for step in job["steps"] if "run" in step] == ["make test", "make lint"]


def run(folder: Path, *command: str) -> str:
    """What a command says in a folder, as a shell that knows nothing of this test's environment has it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MAKE", "MFLAGS", "VIRTUAL_ENV"))}
    return subprocess.run(command, cwd=folder, env=kept, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_links_to_another_disk_are_ignored_too(tmp_path) -> None:
    run(tmp_path, "git", "init", "-q")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    links, folders = ["data/raw", "data/prepared", "results", ".scratch", ".venv"], ["dvc_plots", "build", "eoinas/__pycache__"]
    (tmp_path / "data").mkdir()
    for name in links:
        (tmp_path / name).symlink_to(tmp_path.parent)
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
    assert run(tmp_path, "git", "check-ignore", *links, *folders).split() == [*links, *folders]
    shown = ["data/genotypes/mine.json", "data/README.md", "reports/demo/README.md", "eoinas/data/raw.py", "tests/results.py"]
    for name in shown:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listed = run(tmp_path, "git", "ls-files", "--others", "--exclude-standard").split()
    assert sorted(listed) == sorted([".gitignore", *shown])


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout with an environment and a script in it, both at the place where they were made."""
    folder = tmp_path / "old place"
    folder.mkdir()
    for name in ("Makefile", *LOCKS):
        shutil.copy(ROOT / name, folder)
    run(folder, sys.executable, "-m", "venv", "--without-pip", ".venv")
    tool = folder / ".venv/bin/tool"  # begins as pip has it where the path has a space
    tool.write_text(f"#!/bin/sh\n'''exec' '{folder}/.venv/bin/python' \"$0\" \"$@\"\n' '''\nprint('ran')\n")
    tool.chmod(0o755)
    for stamp in ("run", "dev"):
        (folder / ".venv" / stamp).touch()
    return folder


def test_a_moved_checkout_has_its_scripts_set_right(checkout) -> None:
    assert run(checkout, "make", "-s", "here") == ""
    moved = checkout.rename(checkout.parent / "new place")
    with pytest.raises(subprocess.CalledProcessError):
        run(moved, ".venv/bin/tool")
    assert "old place" in run(moved, "make", "-s", "here")
    assert run(moved, ".venv/bin/tool") == "ran\n"
    assert run(moved, "sh", "-c", ". .venv/bin/activate && command -v python").strip() == str(moved / ".venv/bin/python")
    assert run(moved, "make", "-s", "here") == ""
    assert (moved / ".venv/bin/python").is_symlink()


def test_a_linked_environment_is_left_to_its_place(checkout) -> None:
    other = checkout.parent / "other"
    other.mkdir()
    shutil.copy(checkout / "Makefile", other)
    (other / ".venv").symlink_to(checkout / ".venv")
    assert run(other, "make", "-s", "here") == ""
    assert run(checkout, ".venv/bin/tool") == "ran\n"


@pytest.mark.parametrize(("stamp", "lock"), [("run", "requirements.lock"), ("dev", "requirements-dev.lock")])
def test_an_environment_is_made_again_when_its_lock_changes(checkout, stamp, lock) -> None:
    assert "pip install" not in run(checkout, "make", "-n", f".venv/{stamp}")
    newer = (checkout / ".venv" / stamp).stat().st_mtime + 9
    os.utime(checkout / lock, (newer, newer))
    assert f"--require-hashes -r {lock}" in run(checkout, "make", "-n", f".venv/{stamp}")
