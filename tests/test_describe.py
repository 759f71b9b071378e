import json
import subprocess
import sys
from pathlib import Path

import pytest

from eoinas import describe

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]


@pytest.fixture
def genotype_file(tmp_path: Path) -> Path:
    path = tmp_path / "darts_v2.json"
    path.write_text(json.dumps(ORACLE["darts_v2"]["genotype"]))
    return path


def test_json_has_the_published_numbers(genotype_file: Path, capsys: pytest.CaptureFixture) -> None:
    assert describe.main([str(genotype_file), "--json", "--no-draw"]) == 0
    got = json.loads(capsys.readouterr().out)
    imagenet = ORACLE["darts_v2"]["imagenet_c48"]
    assert got["cifar10"] == ORACLE["darts_v2"]["cifar10"]
    assert {key: got["cifar100"][key] for key in ("params", "params_with_aux")} == ORACLE["darts_v2"]["cifar100"]
    assert got["imagenet"] == {
        "params": imagenet["params"],
        "params_with_aux": imagenet["params_with_aux_bn"],
        "macs_conv": imagenet["macs_conv"],
        "macs_linear": imagenet["macs_linear"],
    }
    assert got["genotype"] == ORACLE["darts_v2"]["genotype"]
    assert "no bias" in got["convention"]
    assert got["drawing"] is None
    assert list(genotype_file.parent.glob("*.png")) == []


def test_text_has_the_same_numbers_and_a_picture(
    genotype_file: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(genotype_file.parent)
    assert describe.main([genotype_file.name]) == 0
    out = capsys.readouterr().out
    assert "3,349,342" in out
    assert "3,825,768" in out
    assert f"{528353280 + 5760:,}" in out
    assert "multiply-adds of convolutions and linear layers" in out
    assert "node 2 = sep_conv_3x3(c_{k-2}) + sep_conv_3x3(c_{k-1})" in out
    assert Path("darts_v2_cells.png").read_bytes().startswith(b"\x89PNG")
    rows = [line for line in out.splitlines() if line.startswith(("network", "CIFAR", "ImageNet"))]
    assert len(rows) == 4
    assert len({len(row) for row in rows}) == 1  # aligned


def test_a_published_cell(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text that DARTS prints, in a folder that has no params.yaml."""
    monkeypatch.chdir(tmp_path)
    cell = ORACLE["darts_v2"]["genotype"]
    parts = [f"{name}={[tuple(pair) for pair in cell[name]]}, {name}_concat=range(2, 6)" for name in ("normal", "reduce")]
    Path("cell.txt").write_text(f"DARTS_V2 = Genotype({', '.join(parts)})\n")
    assert describe.main(["cell.txt", "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["genotype"] == cell
    assert got["drawing"] == "cell_cells.png"
    assert Path("cell_cells.png").read_bytes().startswith(b"\x89PNG")
    Path("cell.txt").write_text("Genotype(normal=open('x'))\n")
    assert describe.main(["cell.txt"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_bad_input_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "eoinas.describe", str(path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{path}: a genotype has exactly the fields")


def test_a_folder_is_no_genotype(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert describe.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path}: Is a directory\n"


def test_a_picture_that_cannot_be_written(genotype_file: Path, capsys: pytest.CaptureFixture) -> None:
    assert describe.main([str(genotype_file), "--draw", str(genotype_file / "x.png")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "cannot be written" in captured.err


def test_draw_and_no_draw_exclude_each_other(genotype_file: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        describe.main([str(genotype_file), "--draw", "x.png", "--no-draw"])
    assert caught.value.code == 2
