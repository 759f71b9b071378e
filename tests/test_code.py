"""Which code a stage depends on: what has an effect and nothing else."""

import shutil
from pathlib import Path

import pytest

from eoinas import code

SCRIPTS = code.scripts()
Listing = dict[str, str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the code."""
    for name in code.PACKAGES:
        shutil.copytree(code.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(path: Path) -> None:
    with open(path, "a") as file:
        file.write("# edited\n")


def changed(project: Path, edited: list[str]) -> set[str]:
    """Scripts that list other code after an edit of these files."""
    before = {script: code.effective(script, project) for script in SCRIPTS}
    for path in edited:
        edit(project / path)
    return {script for script in SCRIPTS if code.effective(script, project) != before[script]}


@pytest.mark.parametrize("path", code.WITHOUT_EFFECT)
def test_code_without_effect_imports_nothing_else(path: str) -> None:
    assert code._imported(path, code.ROOT) <= code.WITHOUT_EFFECT.keys()


def test_an_edit_of_code_without_effect_changes_no_script(project: Path) -> None:
    params = "eoinas/params.py"
    assert changed(project, [path for path in code.WITHOUT_EFFECT if path != params]) == set()
    assert changed(project, [params]) == {"settings"}  # whose output it merges


def test_an_edit_of_a_script_changes_that_one_alone(project: Path) -> None:
    assert changed(project, ["stages/search.py"]) == {"search"}


def test_listings_name_every_file_by_its_bytes() -> None:
    listed = code.effective("search")
    assert listed["stages/search.py"] == code.files.sha256(code.ROOT / "stages/search.py")
    assert {"eoinas/nas/markov.py", "eoinas/spaces/darts.py", "eoinas/train/search.py"} <= listed.keys()
    assert list(listed) == sorted(listed)
    assert not listed.keys() & code.WITHOUT_EFFECT.keys()
