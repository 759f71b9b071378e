"""A cell as papers and their code print it, ``Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), ...)``.

The text is taken apart, never run.
"""

import ast
import re
import warnings

from eoinas.errors import InputError

LONGEST = 20_000  # characters; a printed cell has a few hundred
LARGEST = 1000  # of a node's number
FORM = "Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))"


class _Refused(Exception):
    """What stands in the text that is no part of a cell."""


def parse(text: str, where: str) -> dict:
    """The plain form that JSON has: of each keyword a list of [operation, input node] or of node numbers.

    Args:
        text: the call, with or without ``NAME =`` before it; lists may be tuples and ``list(...)``, node numbers a range.
        where: the file it came from, for the message.

    Raises:
        InputError: it is anything else.
    """
    if len(text) > LONGEST:
        raise InputError(f"{where}: {len(text)} characters, too long for a cell; write {FORM}")
    try:
        return _call(_expression(text))
    except _Refused as found:
        raise InputError(f"{where}: {found}; write JSON, or {FORM}") from None


def _expression(text: str) -> ast.expr:
    """The only expression of the text, or of the only assignment to a name."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of a text that nobody runs
            statements = ast.parse(text.lstrip("\ufeff").strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Refused("neither JSON nor a printed cell") from None
    if len(statements) != 1:
        raise _Refused(f"{len(statements)} statements in place of one cell")
    statement = statements[0]
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.value
    if isinstance(statement, ast.Expr):
        return statement.value
    raise _Refused(f"{_words(statement)} in place of a cell")


def _call(node: ast.expr) -> dict:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "Genotype":
        raise _Refused(f"{_words(node)} in place of Genotype(...)")
    if node.args or any(keyword.arg is None for keyword in node.keywords):
        raise _Refused("a part of the cell has no name")
    names = [keyword.arg for keyword in node.keywords]
    if len(set(names)) < len(names):
        raise _Refused("a part of the cell is there twice")
    return {str(keyword.arg): _list(keyword.value) for keyword in node.keywords}


def _list(node: ast.expr) -> list:
    """Of pairs or of node numbers."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        if node.func.id == "range" and 1 <= len(node.args) <= 2:
            return list(range(*(_number(each) for each in node.args)))
        if node.func.id in ("list", "tuple") and len(node.args) == 1:
            return _list(node.args[0])
    if isinstance(node, ast.List | ast.Tuple):
        return [_pair(each) if isinstance(each, ast.List | ast.Tuple) else _number(each) for each in node.elts]
    raise _Refused(f"{_words(node)} in place of a list")


def _pair(node: ast.List | ast.Tuple) -> list:
    if len(node.elts) != 2:
        raise _Refused(f"{len(node.elts)} values in place of a pair (operation, input node)")
    operation = node.elts[0]
    if not isinstance(operation, ast.Constant) or not isinstance(operation.value, str):
        raise _Refused(f"{_words(operation)} in place of an operation's name")
    if not re.fullmatch(r"\w{1,100}", operation.value):
        raise _Refused(f"{operation.value!r:.40} in place of an operation's name")
    return [operation.value, _number(node.elts[1])]


def _number(node: ast.expr) -> int:
    if not isinstance(node, ast.Constant) or type(node.value) is not int:
        raise _Refused(f"{_words(node)} in place of a node's number")
    if node.value > LARGEST:
        raise _Refused(f"a node's number above {LARGEST}")
    return node.value


def _words(node: ast.expr | ast.stmt) -> str:
    """What a node of the syntax tree is, as a person would say it."""
    return f"{type(node).__name__} on line {node.lineno}"
