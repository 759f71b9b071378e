"""Says what is wrong before a run finds it out. Usage: python -m eoinas.doctor [SCALE], the scale of params.yaml unless given.

Exit code 0 only when that scale can run here.
"""

import configparser
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

from eoinas import bench, entries, genotype, locks, params, settings
from eoinas.data import nasbench201
from eoinas.data.cityscapes import CityscapesDataParams
from eoinas.data.imagenet import ImagenetDataParams
from eoinas.data.prepare import DataParams
from eoinas.errors import InputError

# Free space in GiB for results, DVC's cache and prepared data, raw data not counted: about twice what the stages write.
DISK = {"demo": 1, "study": 4, "paper": 20}  # a scale of one's own: as paper
LONG = {"paper": "years", "gpu": "months"}  # without a GPU
WORKSPACE = 5.4  # of seg_train in float32 on one H200: 41.7 GB taken, by what is counted; with allow_tf32 1.2
OK, NOTE, BAD = "ok", "note", "WRONG"
Finding = tuple[str, str, str]  # one of the three, what was looked at, what was found


def versions() -> Iterator[Finding]:
    """Python, and the packages of requirements.txt."""
    yield OK if sys.version_info >= (3, 11) else BAD, "python", f"{sys.version.split()[0]} (3.11 or newer is needed)"
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", Path("requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    for name, pin in pins:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield BAD, name, "is not installed; run make repro, or pip install -r requirements.txt"
            continue
        if found != pin:
            yield NOTE, name, f"{found}, tried with {pin}: results may differ in their last digits"
    yield OK, "packages", f"{len(pins)} looked at"


def checkout() -> Iterator[Finding]:
    """Whether dvc can start, and whether it accepts this folder."""
    yield from _dvc()
    if not os.access(".", os.W_OK):
        yield BAD, "folder", "nothing may be written here; copy the project, or ask for the right to"
    elif not Path(".dvc/config").is_file():
        yield BAD, "folder", ".dvc/config is not here; copy the project with its hidden files, or clone it"
    elif not any(_is_repository(folder) for folder in (Path.cwd(), *Path.cwd().parents)) and not _without_git():
        yield BAD, "folder", "no git repository, which dvc asks for; run git init, or dvc config core.no_scm true"
    else:
        yield OK, "folder", "dvc accepts it"


_ANEW = "was its folder moved or copied? Delete .venv and run make repro, or install dvc again where it is another one"


def _dvc() -> Iterator[Finding]:
    """Every dvc that make or the shell would start."""
    places = (".venv/bin/dvc", shutil.which("dvc"), Path(sys.executable).with_name("dvc"))
    found = list(dict.fromkeys(os.path.abspath(place) for place in places if place and Path(place).is_file()))
    if not found:
        yield BAD, "dvc", "no command dvc; run make repro, or pip install -r requirements.txt"
    for path in found:
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, errors="replace", timeout=60, check=False)
            said = (done.stderr if done.returncode else done.stdout).split("\n")
            right, what = not done.returncode, next(filter(None, reversed(said)), f"exit code {done.returncode}")
        except (OSError, subprocess.TimeoutExpired) as error:
            right, what = False, _interpreter(path) or str(error)
        yield (OK, "dvc", f"{what} in {path}") if right else (BAD, "dvc", f"{path} cannot start ({what}); {_ANEW}")


def _interpreter(path: str) -> str | None:
    """What is wrong with the interpreter that a script's first line names, if that is not there."""
    with open(path, "rb") as file:
        first = file.readline(1000).decode(errors="replace").split()
    name = first[0].removeprefix("#!") if first and first[0].startswith("#!") else ""
    return f"its first line names {name}, which is not there" if name and not Path(name).exists() else None


def _is_repository(folder: Path) -> bool:
    git = folder / ".git"  # a file where the folder is a worktree or a submodule
    return git.is_file() or (git / "HEAD").is_file()


def _without_git() -> bool:
    """Whether dvc has been told to do without Git."""
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read((".dvc/config", ".dvc/config.local"), encoding="utf-8")
        return config.getboolean("core", "no_scm", fallback=False)
    except (configparser.Error, ValueError):  # dvc says what is wrong with it
        return False


def devices(scale: str) -> Iterator[Finding]:
    """torch, CUDA and the GPUs."""
    import torch

    yield OK, "torch", f"{torch.__version__}, CUDA {torch.version.cuda or 'not built in'}"
    for number in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(number).total_memory / 2**30
        yield OK, f"GPU {number}", f"{torch.cuda.get_device_name(number)}, {memory:.0f} GiB"
    if not torch.cuda.is_available():
        what = f"none, {os.cpu_count()} CPU cores"
        yield (NOTE, "GPU", f"{what}: scale {scale} would take {LONG[scale]}") if scale in LONG else (OK, "GPU", what)


def memory(resolved: Mapping[str, params.Section]) -> Iterator[Finding]:
    """What the training stages need of a GPU's memory, against the smallest GPU's."""
    import torch

    from eoinas import memory as counted

    sizes = [torch.cuda.get_device_properties(number).total_memory / 2**30 for number in range(torch.cuda.device_count())]
    found = dict(counted.needed(resolved))
    said = ", ".join(f"{stage} {gib:.1f}" for stage, gib in found.items())
    yield OK, "memory", f"{said} GiB of one GPU, and its kernels' own; all of a batch on one"
    if sizes and (large := [stage for stage, gib in found.items() if gib > min(sizes)]):
        yield (
            NOTE,
            "memory",
            f"more than the GPU's {min(sizes):.0f} GiB: {', '.join(large)}; use several GPUs, accumulate, or bf16",
        )
    elif sizes and not resolved["seg_train"].train.allow_tf32 and WORKSPACE * found["seg_train"] > min(sizes):
        yield (
            NOTE,
            "memory",
            f"seg_train in float32 took {WORKSPACE} times its count on an H200, with allow_tf32 1.2 times: set it in the "
            "block seg_train, or watch the first step",
        )


def disk(scale: str) -> Iterator[Finding]:
    """Free space against what the scale writes."""
    free, needed = shutil.disk_usage(".").free / 2**30, DISK.get(scale, DISK["paper"])
    yield OK if free >= needed else BAD, "disk", f"{free:.1f} GiB free here, scale {scale} needs about {needed}"


def given(resolved: Mapping[str, params.Section]) -> Iterator[Finding]:
    """The files of the repository that params.yaml names: cells, and the accuracies of NAS-Bench-201."""
    images, scenes, table = resolved["entries"], resolved["seg_entries"], resolved["bench_report"]
    assert isinstance(images, entries.EntriesStage)
    assert isinstance(scenes, entries.SegEntriesStage)
    assert isinstance(table, bench.Plan)
    cells = [entry.genotype for part in (images.entries, images.imagenet, scenes.entries) for entry in part.values()]
    right = True
    checks: list[Callable[[], object]] = [partial(nasbench201.load, table.table, table.sha256)]
    checks += [partial(genotype.load, cell) for cell in sorted(set(cells)) if cell.startswith(entries.GIVEN)]
    for check in checks:
        try:
            check()
        except InputError as error:
            yield BAD, "given", str(error)
            right = False
    if right:
        yield OK, "given", f"files that {params.FILE} names: {len(checks)} looked at"


def data(scale: str, resolved: Mapping[str, params.Section]) -> Iterator[Finding]:
    """Whether each data set of the scale is there and intact."""
    right = True
    for name, section in resolved.items():
        if check := _CHECKS.get(type(section)):
            try:
                yield OK, name.removeprefix("data/"), check(scale, name, section)
            except (InputError, OSError) as error:
                right = False
                said = str(error) if isinstance(error, InputError) else f"{error.filename}: {error.strerror}"
                yield BAD, name.removeprefix("data/"), said
    if not right:
        yield NOTE, "data", "docs/data.md says where each comes from and how its folder looks"


def _images(scale: str, name: str, found: DataParams) -> str:
    from eoinas.data import cifar, location, prepare

    key = f"datasets.{name.removeprefix('data/')}"
    if found.kind == "digits":
        return "embedded digits"
    raw = location.folder(found.raw, f"{key}.raw")
    if found.source in ("cifar10", "cifar100") and found.download and cifar.absent(raw, found.source):
        return f"not in {raw} yet; the stage data@{scale}-{name.removeprefix('data/')} will fetch it"
    images = prepare.prepare(found, key)
    checked = "" if found.kind == "folder" else ", md5s right" if found.check_md5 else ", md5s not checked"
    return f"{len(images.train_images)} + {len(images.test_images)} images in {raw}{checked}"


def _imagenet(scale: str, _name: str, found: ImagenetDataParams) -> str:
    from eoinas.data import imagenet, location

    if found.source == "digits":
        return "embedded digits"
    raw = location.folder(found.raw, imagenet.RAW)
    _folders(raw, imagenet.RAW, imagenet.SPLITS)
    prepared = Path(f"data/prepared/{scale}/imagenet")
    if not prepared.exists():
        return f"in {raw}, not looked through yet; the stage data_imagenet will"
    listing = imagenet.load(prepared, found)
    imagenet.check_files(listing)
    return f"{len(listing.train.paths)} + {len(listing.val.paths)} images in {raw}, sizes as in the manifest"


def _cityscapes(scale: str, _name: str, found: CityscapesDataParams) -> str:
    from eoinas.data import cityscapes, location

    if found.source == "drawn":
        return "drawn scenes"
    raw = location.folder(found.raw, cityscapes.RAW)
    _folders(raw, cityscapes.RAW, (cityscapes.IMAGES, cityscapes.LABELS))
    prepared = Path(cityscapes.PREPARED.format(scale=scale))
    if not prepared.exists():
        return f"in {raw}, not looked through yet; the stage data_cityscapes will"
    scenes = cityscapes.load(prepared, found)
    return f"{len(scenes.split('train'))} + {len(scenes.split('val'))} scenes in {raw}, sizes as in the manifest"


# By the section of the data set.
_CHECKS: dict[type[params.Section], Callable[..., str]] = {
    DataParams: _images,
    ImagenetDataParams: _imagenet,
    CityscapesDataParams: _cityscapes,
}


def _folders(raw: Path, key: str, names: tuple[str, ...]) -> None:
    for name in names:
        if not (raw / name).is_dir():
            raise InputError(f"{raw / name}: no such folder; put the data there or set {key} in {params.FILE}")


_STATES = re.compile(r"-[0-9a-f]{16}$")  # the folder of a stage's states; see ``checkpoint``


def leftovers() -> Iterator[Finding]:
    """States of killed stages, stages and dvc commands that run at this moment."""
    root = Path(os.environ.get("DVC_ROOT", "."))
    for folder in sorted(
        path for path in (root / ".scratch").glob("*") if (path / "lock").is_file() and _STATES.search(path.name)
    ):
        size = sum(map(_size, folder.rglob("*"))) / 2**20
        what = "is being worked on" if _locked(folder / "lock") else "was killed; it goes on from here, or delete the folder"
        yield NOTE, str(folder), f"{what} ({size:.1f} MiB)"
    if _locked(root / ".dvc/tmp/lock"):
        yield NOTE, "dvc", "another dvc command runs in this folder; use `dvc --wait-for-lock`"
    elif locks.damaged(path := root / locks.RWLOCK):
        yield BAD, str(path), "dvc was killed while it wrote this file and cannot read it; delete it, nothing else is lost"


def _size(path: Path) -> int:
    """Bytes of a file; none of one that a stage has just renamed."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def _locked(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with open(path, "r+") as file:  # NFS locks only what may be written
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a read-only folder, or no locks: nothing is known
        return False
    return False


def configured(scale: str) -> Iterator[Finding]:
    """params.yaml, and what it says of memory, files and data."""
    try:
        resolved = settings.resolve(params.read(), scale)
    except InputError as error:
        yield BAD, "parameters", str(error)
        return
    yield OK, "parameters", f"all known and in range at scale {scale}"
    yield from memory(resolved)
    yield from given(resolved)
    yield from data(scale, resolved)


def examine(scale: str) -> list[Finding]:
    """All findings, in the order in which they are printed."""
    return [*versions(), *checkout(), *devices(scale), *disk(scale), *configured(scale), *leftovers()]


def main() -> None:
    try:
        values = params.read()
        scale = params.choice(sys.argv[1] if len(sys.argv) > 1 else str(values.get("scale")), settings.scales(values), "scale")
        findings = examine(scale)
    except InputError as error:
        sys.exit(f"error: {error}")
    width = max(len(what) for _, what, _ in findings)
    for state, what, found in findings:
        print(f"{state:5}  {what:{width}}  {found}")
    wrong = sum(state == BAD for state, _, _ in findings)
    if wrong:
        sys.exit(f"scale {scale} cannot run here yet: {wrong} thing{'s' * (wrong > 1)} to put right")
    print(f"scale {scale} can run here")


if __name__ == "__main__":
    main()
