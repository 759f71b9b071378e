"""Results that a report is made of, kept small in the repository: its tables and figures are made again without any training.

``python -m eoinas.kept pack SCALE`` writes data/kept/SCALE.tar.xz from results/: the histories, traces, counts and scores that
the report's stages read, without weights and images. ``python -m eoinas.kept [SCALE ...]`` (``make tables``) makes reports/SCALE
of it, by the commands in dvc.lock, in a folder of its own: results/ and DVC's state are not touched. A figure that shows images
of a data set is left as it is.
"""

import io
import lzma
import os
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

import yaml

from eoinas import files
from eoinas.code import ROOT
from eoinas.errors import InputError

FOLDER, LOCK = Path("data/kept"), Path("dvc.lock")
KINDS = {".csv", ".json", ".npz"}
CODE, RESULTS, REPORTS, IMAGES = "results/code/", "results/", "reports/", "data/prepared/"
FINDINGS = {"study": Path("docs/findings.md")}  # the page of a scale that is the project's own


def stages(scale: str) -> dict[str, dict]:
    """Entries of dvc.lock that make a part of a scale's report, the parts that read other parts last.

    Raises:
        InputError: dvc.lock has none, or cannot be read.
    """
    try:
        locked = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
        mine = {name: stage for name, stage in locked.items() if name.partition("@")[2].split("-")[0] == scale}
        found = {
            name: stage
            for name, stage in mine.items()
            if _paths(stage, "outs")
            and all(path.startswith(REPORTS) for path in _paths(stage, "outs"))
            and not any(path.startswith(IMAGES) for path in _paths(stage, "deps"))
        }
    except (OSError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(f"{LOCK}: not what `dvc repro` wrote ({type(error).__name__}); take it from Git again") from None
    if not found:
        raise InputError(f"{LOCK}: has no report of scale {scale}; `dvc repro` with `scale: {scale}` makes one")
    return dict(sorted(found.items(), key=lambda item: any(path.startswith(REPORTS) for path in _paths(item[1], "deps"))))


def _paths(stage: dict, kind: str) -> list[str]:
    return [each["path"] for each in stage.get(kind, [])]


def kept(scale: str) -> list[Path]:
    """Files of results/ that those stages read, in order, less weights and images.

    Raises:
        InputError: a result is missing.
    """
    found = set()
    for stage in stages(scale).values():
        for path in (Path(dep) for dep in _paths(stage, "deps") if dep.startswith(RESULTS) and not dep.startswith(CODE)):
            if not path.exists():
                raise InputError(f"{path}: no such file or folder; run `dvc repro` or `dvc pull` with `scale: {scale}` first")
            found |= {each for each in (path.rglob("*") if path.is_dir() else [path]) if each.suffix in KINDS}
    return sorted(found)


def pack(scale: str) -> Path:
    """Write the archive; its bytes depend on the files alone."""
    text, target = io.BytesIO(), FOLDER / f"{scale}.tar.xz"
    with tarfile.open(fileobj=text, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in kept(scale):
            member = tarfile.TarInfo(path.as_posix())
            member.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(member, file)
    with files.replacing(target) as path:
        path.write_bytes(lzma.compress(text.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    return target


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive below a folder; only plain files in results/.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        with tarfile.open(archive, mode="r:xz") as members:
            for member in members:
                name = PurePosixPath(member.name)
                if not member.isfile() or name.parts[0] != "results" or ".." in name.parts or name.suffix not in KINDS:
                    raise InputError(f"{archive}: holds '{member.name}', which is no result")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(members.extractfile(member).read())  # type: ignore[union-attr]  # it is a file
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise InputError(f"{archive}: damaged ({' '.join(str(error).split())}); take it from Git again") from None


def make(scale: str) -> None:
    """Make reports/SCALE from data/kept/SCALE.tar.xz.

    Raises:
        InputError: the archive is missing or damaged, or a stage fails.
    """
    archive, root, chosen = FOLDER / f"{scale}.tar.xz", Path.cwd(), stages(scale)
    if not archive.is_file():
        raise InputError(f"{archive}: no such file; of scale {scale} nothing is kept")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(archive, folder)
        given = {path for stage in chosen.values() for path in _paths(stage, "deps") if path.startswith("data/")}
        for path in given:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / path)
        (folder / REPORTS / scale).mkdir(parents=True)
        made_here = {path for stage in chosen.values() for path in _paths(stage, "outs")}
        for path in {path for stage in chosen.values() for path in _paths(stage, "deps") if path.startswith(REPORTS)} - made_here:
            if Path(path).exists():  # a figure that shows images
                shutil.copy(path, folder / path)
        for number, (stage, entry) in enumerate(chosen.items(), 1):
            print(f"{number} of {len(chosen)}: {stage}", flush=True)
            _run(entry["cmd"], folder)
        (root / REPORTS / scale).mkdir(parents=True, exist_ok=True)
        for made in sorted((folder / REPORTS / scale).iterdir()):
            with files.replacing(root / REPORTS / scale / made.name) as temporary:
                shutil.copyfile(made, temporary)
    if scale in FINDINGS and Path(REPORTS, scale, "findings.md").exists():
        files.write_text(FINDINGS[scale], page_of(scale))


def _run(text: str, folder: Path) -> None:
    """A stage's command, such as "python -m stages.table_1 study", in a folder."""
    words = shlex.split(text)
    done = subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"`{text}` on what is kept: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")


def page_of(scale: str) -> str:
    """The findings of a scale as a page elsewhere in the repository, with its links led back."""
    path, there = Path(REPORTS, scale, "findings.md"), FINDINGS[scale].parent.as_posix()

    def link(found: re.Match) -> str:
        return f"]({posixpath.relpath(posixpath.join(path.parent.as_posix(), found[1]), there)})"

    text = re.sub(r"\]\((?!https?:)([^)]+)\)", link, path.read_text(encoding="utf-8"))
    return f"<!-- Made by `make tables`, of {path.as_posix()}. -->\n\n{text}"


def main() -> None:
    given = sys.argv[1:]
    if given and (given[0].startswith("-") or (given[0] == "pack" and len(given) != 2)):
        sys.exit("usage: python -m eoinas.kept pack SCALE | python -m eoinas.kept [SCALE ...]")
    if given[:1] == ["pack"]:
        path = pack(given[1])
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
        return
    found = given or sorted(path.name.removesuffix(".tar.xz") for path in FOLDER.glob("*.tar.xz"))
    for scale in found:
        make(scale)
    print(f"made again: {', '.join(f'{REPORTS}{scale}' for scale in found) or 'nothing, for nothing is kept'}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or FOLDER}: {error.strerror or error}")
