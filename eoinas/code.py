"""The code that can change what a stage writes: the files that its script imports, less those that cannot.

The stage `code` writes it down for every script, and the other stages depend on what it writes; the fingerprint of a saved state
has it too.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from eoinas import files
from eoinas.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("eoinas", "stages")
# Files that cannot change a result, with the reason. They import none but each other.
WITHOUT_EFFECT = {
    "eoinas/checkpoint.py": "a state is taken up to the bit or not at all; FORMAT stands in every state and fingerprint",
    "eoinas/code.py": "says which code has an effect",
    "eoinas/command.py": "the command line, signals, and what is said of errors",
    "eoinas/errors.py": "the class of what is said to the user",
    "eoinas/locks.py": "keeps processes apart",
    "eoinas/files.py": "writes the bytes that it is given, whole or not at all",
    "eoinas/params.py": "reads what the stage `settings` has resolved; the values themselves are dependencies",
    "eoinas/progress.py": "the progress bar and the lines of a log",
}
# What is left out all the same has an effect on these scripts: params.py merges what the stage `settings` writes.
WITH_EFFECT_ON = {"settings": {"eoinas/params.py"}}


def effective(script: str, root: Path = ROOT) -> dict[str, str]:
    """For each file that can change what ``python -m stages.<script>`` writes its SHA-256, sorted by path."""
    left_out = WITHOUT_EFFECT.keys() - WITH_EFFECT_ON.get(script, set())
    return {path: files.sha256(root / path) for path in sorted(closure(f"stages.{script}", root) - left_out)}


def scripts(root: Path = ROOT) -> list[str]:
    """The names of all stages' scripts."""
    return sorted(path.stem for path in (root / "stages").glob("*.py") if path.stem != "__init__")


def closure(module: str, root: Path = ROOT) -> set[str]:
    """Paths, relative to ``root``, of the files that ``python -m <module>`` can load, the module's own among them.

    Imports count at every level of the code: inside functions and under ``if TYPE_CHECKING:`` too. An empty __init__.py does not
    count. Other packages than ``eoinas`` and ``stages`` are not followed.

    Raises:
        InputError: an import is relative, dynamic, or of a name that is no file of the project.
    """
    found: set[str] = set()
    waiting = _files(module, root)
    if not waiting:
        raise InputError(f"{module}: no module of the project")
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting |= _imported(path, root)
    return found


def _imported(path: str, root: Path) -> set[str]:
    """Files of the project that one file imports."""
    nodes = _imports((root / path).read_text(encoding="utf-8"), path)
    return {file for node in nodes for module in _modules(node, path, root) for file in _files(module, root)}


@cache
def _imports(text: str, path: str) -> list[ast.AST]:
    """Nodes of the syntax tree that can import; a file is parsed once for all scripts."""
    return [node for node in ast.walk(ast.parse(text, path)) if isinstance(node, ast.Import | ast.ImportFrom | ast.Name)]


def _modules(node: ast.AST, path: str, root: Path) -> Iterator[str]:
    """Dotted names of the project's modules that a node of the syntax tree imports."""
    where = f"{path}:{getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _known(alias.name, where, root)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            raise InputError(f"{where}: relative import; write eoinas.")
        source = node.module or ""
        if _is_package(source, root):  # every name is a module of the package, for its __init__.py is empty
            for alias in node.names:
                yield from _known(f"{source}.{alias.name}", where, root)
        else:
            yield from _known(source, where, root)
    elif isinstance(node, ast.Name) and node.id == "__import__":
        raise InputError(f"{where}: __import__ cannot be followed; write an import statement")


def _known(module: str, where: str, root: Path) -> Iterator[str]:
    if module in ("importlib", "importlib.util"):
        raise InputError(f"{where}: importlib cannot be followed; write an import statement")
    if module.partition(".")[0] in PACKAGES:
        if not (_is_package(module, root) or _file(module, root).is_file()):
            raise InputError(f"{where}: {module} is no module of the project")
        yield module


def _files(module: str, root: Path) -> set[str]:
    """The file of a module and the __init__.py of the packages above it, as far as they hold anything."""
    parts = module.split(".")
    packages = [root.joinpath(*parts[:length], "__init__.py") for length in range(1, len(parts) + 1)]
    present = [path for path in (*packages, _file(module, root)) if path.is_file() and path.stat().st_size]
    return {path.relative_to(root).as_posix() for path in present}


def _file(module: str, root: Path) -> Path:
    return root.joinpath(*module.split(".")).with_suffix(".py")


def _is_package(module: str, root: Path) -> bool:
    return module.partition(".")[0] in PACKAGES and root.joinpath(*module.split("."), "__init__.py").is_file()
