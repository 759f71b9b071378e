import copy
import json
from pathlib import Path

import pytest

from eoinas import genotype
from eoinas.errors import InputError

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]
VALID = ORACLE["eoinas_cifar"]["genotype"]


def changed(cell: str, index: int | None, value: object) -> dict:
    """A valid genotype with one edge, or (index None) one whole field, replaced."""
    result = copy.deepcopy(VALID)
    if index is None:
        result[cell] = value
    else:
        result[cell][index] = value
    return result


@pytest.mark.parametrize("name", ORACLE)
def test_round_trip(name: str, tmp_path: Path) -> None:
    first = genotype.parse(ORACLE[name]["genotype"], name)
    genotype.save(tmp_path / "a.json", first)
    assert genotype.load(tmp_path / "a.json") == first
    assert genotype.plain(first) == ORACLE[name]["genotype"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (changed("normal", 0, ["conv_7x7", 0]), r"normal\[0\]: unknown operation 'conv_7x7'; one of skip_connect, sep_conv_3x3"),
        (changed("reduce", 5, ["none", 0]), r"reduce\[5\]: unknown operation 'none'"),
        (changed("normal", 3, [["skip_connect"], 0]), r"normal\[3\]: unknown operation"),
        (changed("normal", 1, ["skip_connect", 2]), r"normal\[1\]: node 2 takes an input node from 0 to 1, not 2"),
        (changed("normal", 7, ["skip_connect", 5]), r"normal\[7\]: node 5 takes an input node from 0 to 4, not 5"),
        (changed("normal", 7, ["skip_connect", -1]), r"normal\[7\]: node 5 .* not -1"),
        (changed("normal", 7, ["skip_connect", True]), r"normal\[7\]: node 5 .* not True"),
        (changed("normal", 7, ["skip_connect", 1.0]), r"normal\[7\]: node 5 .* not 1\.0"),
        (changed("reduce", 2, ["skip_connect"]), r"reduce\[2\] must be a pair"),
        (changed("reduce", 2, "skip_connect"), r"reduce\[2\] must be a pair"),
        (changed("normal", None, VALID["normal"][:7]), "normal must list 8 pairs"),
        (changed("normal", None, VALID["normal"] + VALID["normal"][:1]), "normal must list 8 pairs"),
        (changed("normal", None, None), "normal must list 8 pairs"),
        (changed("normal_concat", None, []), "normal_concat must list distinct nodes"),
        (changed("normal_concat", None, [2, 3, 4, 6]), "normal_concat must list distinct nodes"),
        (changed("reduce_concat", None, [2, 2, 3]), "reduce_concat must list distinct nodes"),
        (changed("reduction", None, []), "has exactly the fields normal, normal_concat, reduce, reduce_concat"),
        ({name: part for name, part in VALID.items() if name != "reduce"}, "has exactly the fields"),
        ([VALID], "has exactly the fields"),
    ],
)
def test_refusals_name_the_file_and_the_place(value: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match=message) as caught:
        genotype.load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"normal: []", b"{", b"\xff\xfe"])
def test_not_json(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.json: not a (JSON file|UTF-8 text)"):
        genotype.load(tmp_path / "bad.json")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        genotype.load(tmp_path / "absent.json")
