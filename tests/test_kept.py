"""Results kept in the repository: what is packed, that the same report comes of it, and what is refused."""

import io
import lzma
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml

from eoinas import kept
from eoinas.code import ROOT
from eoinas.errors import InputError
from eoinas.report.table_1 import table_1
from tests import report_fixture

DEPS = ["settings/report.json", "retrain", "complexity/images.json", "timing/search", "genotypes", "entries"]
OUTS = ["reports/demo/table_1.md", "reports/demo/table_1.csv", "reports/demo/table_1.json"]


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """A checkout that has made Table I, and beside results weights and a picture of scenes."""
    folder = report_fixture.builder(tmp_path, monkeypatch)("demo")
    deps = [*(f"results/demo/{name}" for name in DEPS), "results/code/table_1.json"]
    stages = {
        "table_1@demo": ("python -m stages.table_1 demo", deps, OUTS),
        "fig_11@demo": ("python -m stages.fig_11 demo", ["data/prepared/demo/cityscapes"], ["reports/demo/fig_11.png"]),
        "retrain@demo-cifar10-eoinas-0-2": ("", [], ["results/demo/retrain/cifar10-eoinas"]),
        "table_1@paper": ("python -m stages.table_1 paper", deps, ["reports/paper/table_1.md"]),
    }
    locked = {
        name: {"cmd": cmd, "deps": [{"path": path} for path in deps], "outs": [{"path": path} for path in outs]}
        for name, (cmd, deps, outs) in stages.items()
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": locked}))
    (folder / "results/demo/retrain/cifar10-eoinas/0-2/0/weights.safetensors").write_bytes(b"0" * 1000)
    (folder / "data/kept").mkdir(parents=True)
    return folder


def test_the_report_comes_out_again(demo):
    expected = table_1("demo")
    path = kept.pack("demo")
    shutil.rmtree(demo / "results")
    (demo / "reports/demo").mkdir(parents=True)
    (demo / "reports/demo/fig_11.png").write_bytes(b"scenes")
    kept.make("demo")
    assert (demo / OUTS[0]).read_text() == expected.markdown
    assert (demo / OUTS[1]).read_text() == expected.csv
    assert (demo / "reports/demo/fig_11.png").read_bytes() == b"scenes"
    assert not (demo / "results").exists()
    assert path.stat().st_size < 20_000


def test_a_page_that_shows_a_figure_of_images_is_made_with_the_one_that_is_there(demo, monkeypatch):
    locked = yaml.safe_load((demo / "dvc.lock").read_text())
    code = (
        "import pathlib; pathlib.Path('reports/demo/README.md').write_text(str(pathlib.Path('reports/demo/fig_11.png').exists()))"
    )
    locked["stages"]["report@demo"] = {
        "cmd": f'python -c "{code}"',
        "deps": [{"path": OUTS[0]}, {"path": "reports/demo/fig_11.png"}],
        "outs": [{"path": "reports/demo/README.md"}],
    }
    (demo / "dvc.lock").write_text(yaml.safe_dump(locked))
    kept.pack("demo")
    for there in (False, True):
        kept.make("demo")
        assert (demo / "reports/demo/README.md").read_text() == str(there)
        (demo / "reports/demo/fig_11.png").write_bytes(b"scenes")


def test_weights_stay_out_and_bytes_depend_on_files_alone(demo):
    names = [path.as_posix() for path in kept.kept("demo")]
    assert not [name for name in names if "weights" in name or "code" in name]
    assert "results/demo/retrain/cifar10-eoinas/0-2/0/result.json" in names
    first = kept.pack("demo").read_bytes()
    for path in kept.kept("demo"):
        path.touch()
    assert kept.pack("demo").read_bytes() == first


def test_what_is_not_there_is_named(demo):
    with pytest.raises(InputError, match=r"data/kept/demo\.tar\.xz: no such file"):
        kept.make("demo")
    with pytest.raises(InputError, match=r"dvc\.lock: has no report of scale study"):
        kept.pack("study")
    shutil.rmtree(demo / "results/demo/entries")
    with pytest.raises(InputError, match=r"results/demo/entries: no such file or folder; run `dvc repro`"):
        kept.pack("demo")
    assert not list((demo / "data/kept").iterdir())
    (demo / "dvc.lock").write_text("stages: 3")
    with pytest.raises(InputError, match=r"dvc\.lock: not what `dvc repro` wrote"):
        kept.pack("demo")


def test_a_damaged_archive_leaves_the_report_alone(demo):
    path = kept.pack("demo")
    whole = path.read_bytes()
    (demo / "reports/demo").mkdir(parents=True)
    (demo / OUTS[0]).write_text("as it was")
    for damaged in (whole[: len(whole) // 2], b"no archive", whole[:-200] + b"0" * 200):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"demo\.tar\.xz: "):
            kept.make("demo")
    assert (demo / OUTS[0]).read_text() == "as it was"


@pytest.mark.parametrize("name", ["../results/a.json", "/etc/a.json", "results/../a.json", "results/a.py", "stages/a.json"])
def test_only_results_are_unpacked(demo, name):
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 2
        archive.addfile(member, io.BytesIO(b"{}"))
    path = demo / "data/kept/demo.tar.xz"
    path.write_bytes(lzma.compress(text.getvalue()))
    with pytest.raises(InputError, match="which is no result"):
        kept.unpack(path, demo / "elsewhere")
    assert not (demo / "elsewhere").exists()


def test_a_stage_that_fails_is_named_and_nothing_is_written(demo):
    (demo / "results/demo/complexity/images.json").write_text("{}")
    kept.pack("demo")
    with pytest.raises(
        InputError, match=r"`python -m stages\.table_1 demo` on what is kept: error: results/demo/complexity/images\.json"
    ):
        kept.make("demo")
    assert not list((demo / "reports").rglob("*.md"))


def test_findings_are_a_page_of_the_project_with_its_links_led_back(demo, monkeypatch):
    monkeypatch.setattr(kept, "FINDINGS", {"demo": Path("docs/findings.md")})
    (demo / "reports/demo").mkdir(parents=True)
    text = "# Found\n\n![](fig.png) in [the table](table_3.md), [b](https://example.org/a), [before](../../docs/evidence.md)\n"
    (demo / "reports/demo/findings.md").write_text(text)
    page = kept.page_of("demo")
    assert page.startswith("<!-- Made by `make tables`, of reports/demo/findings.md. -->\n\n# Found\n")
    assert "![](../reports/demo/fig.png) in [the table](../reports/demo/table_3.md), [b](https://example.org/a)" in page
    assert "[before](evidence.md)" in page


def test_the_cells_in_the_repository_are_those_found(tmp_path):
    kept.unpack(ROOT / "data/kept/study.tar.xz", tmp_path)
    found = tmp_path / "results/study"
    cells = {path.stem: path for path in (found / "genotypes").iterdir()} | {"cityscapes": found / "seg_genotype.json"}
    named = {path.stem.removeprefix("study_"): path for path in (ROOT / "data/genotypes").glob("study_*.json")}
    assert {name: path.read_text() for name, path in named.items()} == {name: path.read_text() for name, path in cells.items()}


@pytest.mark.parametrize("arguments", [["--help"], ["pack"], ["pack", "a", "b"]])
def test_an_unknown_command_is_told_the_known_ones(monkeypatch, arguments):
    monkeypatch.setattr("sys.argv", ["kept", *arguments])
    with pytest.raises(SystemExit, match=r"usage: python -m eoinas\.kept pack SCALE"):
        kept.main()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [path.name.removesuffix(".tar.xz") for path in sorted((ROOT / "data/kept").glob("*.tar.xz"))])
def test_the_committed_report_comes_out_again_to_the_byte(scale, tmp_path, monkeypatch):
    for name in ("data", "dvc.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    kept.make(scale)
    made = sorted((tmp_path / "reports" / scale).iterdir())
    assert made
    for path in made:
        assert path.read_bytes() == (ROOT / "reports" / scale / path.name).read_bytes(), path.name
    for path in kept.FINDINGS.values():
        assert not (tmp_path / path).exists() or (tmp_path / path).read_bytes() == (ROOT / path).read_bytes()
