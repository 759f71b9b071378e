import json
from pathlib import Path

import pytest

from eoinas import genotype, published
from eoinas.errors import InputError

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]
PAIRS = "[('sep_conv_3x3', 0), ('skip_connect', 1)]"


def printed(cell: dict, nodes: str = "range(2, 6)") -> str:
    """As DARTS and its followers print a cell."""
    pairs = {name: [tuple(pair) for pair in cell[name]] for name in ("normal", "reduce")}
    normal, reduce = pairs["normal"], pairs["reduce"]
    return f"Genotype(normal={normal!r}, normal_concat={nodes}, reduce={reduce!r}, reduce_concat={nodes})"


@pytest.mark.parametrize("name", ORACLE)
@pytest.mark.parametrize("nodes", ["range(2, 6)", "[2, 3, 4, 5]", "(2, 3, 4, 5)", "list(range(2, 6))", "tuple(range(2, 6))"])
def test_published_cells(name: str, nodes: str) -> None:
    cell = ORACLE[name]["genotype"]
    assert published.parse(printed(cell, nodes), name) == cell
    assert published.parse(f"# best of four\n{name.upper()} = {printed(cell, nodes)}\n", name) == cell
    assert genotype.plain(genotype.parse(published.parse(printed(cell, nodes), name), name)) == cell


def test_pairs_may_be_lists_and_lists_tuples() -> None:
    assert published.parse("Genotype(normal=((\"a\", 0), ['b', 1]))", "x") == {"normal": [["a", 0], ["b", 1]]}
    assert published.parse("Genotype(normal=[], normal_concat=range(3))", "x") == {"normal": [], "normal_concat": [0, 1, 2]}


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "# nothing", "cell", "None", "b'Genotype()'", "\x00", "\ud800", "Genotype(", "{'normal': []}", "lambda: 0"),
        *("import os", "Genotype", "Genotype(); Genotype()", "a.b = Genotype()", "a = b = Genotype()", "a, b = Genotype()"),
        *("__import__('os').system('true')", "genotypes.Genotype(normal=[])", "Other(normal=[])", "Genotype()()"),
        *("a: int = Genotype()", "a += Genotype()", "del a", "class Genotype: pass", "(a := Genotype())", "Genotype[0]"),
        *(f"Genotype({PAIRS})", "Genotype(*[])", "Genotype(**{})", f"Genotype(normal={PAIRS}, normal={PAIRS})"),
        *("Genotype(normal=open('x'))", "Genotype(normal=print)", "Genotype(normal=x.y)", "Genotype(normal=f'{x}')"),
        *("Genotype(normal=[(f'{x}', 0)])", "Genotype(normal=[('a', 0) for i in range(9)])", "Genotype(normal={0})"),
        *("Genotype(normal=[('a', 0)] * 10**9)", "Genotype(normal=[*range(9)])", "Genotype(normal=[('a', 0, 1)])"),
        *("Genotype(normal=[('a',)])", "Genotype(normal=[(0, 'a')])", "Genotype(normal=[('a', True)])", "Genotype(normal='ab')"),
        *(
            "Genotype(normal=[('a', 1.0)])",
            "Genotype(normal=[('a', -1)])",
            "Genotype(normal=[('a b', 0)])",
            "Genotype(normal=[None])",
        ),
        *("Genotype(normal=[(('a', 0), 1)])", f"Genotype(normal=[('{'a' * 101}', 0)])"),
        *(
            "Genotype(n=range(0, 10**12))",
            "Genotype(n=range(1000000000000))",
            "Genotype(n=range(2, 6, 1))",
            "Genotype(n=range())",
        ),
        *(
            "Genotype(n=range(stop=3))",
            "Genotype(n=list())",
            "Genotype(n=list(3))",
            "Genotype(n=range(*x))",
            f"Genotype(n={'9' * 5000})",
        ),
        *("Genotype(n=" + "[" * 150 + "]" * 150 + ")", "Genotype(n=" + "list(" * 90 + "[]" + ")" * 90 + ")x"),
        *("(" * 5000, "-" * 19_000 + "1", "not " * 4000 + "1", "a." * 9000 + "a", "x" * 20_001, "'\\d'"),
    ],
)
def test_anything_else_is_refused_in_one_line(text: str, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(InputError) as caught:
        published.parse(text, "cell.txt")
    message = str(caught.value)
    assert message.startswith("cell.txt: ")
    assert "\n" not in message
    assert len(message) < 300
    assert not recwarn.list
