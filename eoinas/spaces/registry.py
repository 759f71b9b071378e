"""The search spaces by name. A new one is a file beside this one and a line here."""

from collections.abc import Callable, Iterable

from eoinas.errors import InputError
from eoinas.models import ops
from eoinas.spaces.darts import Darts
from eoinas.spaces.nasbench201 import NasBench201
from eoinas.spaces.space import Space

SPACES: dict[str, Callable[[tuple[str, ...]], Space]] = {"darts": Darts, "nasbench201": NasBench201}


def space(name: str, operations: Iterable[str]) -> Space:
    """The search space ``name`` with these candidate operations.

    Raises:
        InputError: there is no such space or operation.
    """
    if name not in SPACES:
        raise InputError(f"params.yaml: unknown search space '{name}'; one of {', '.join(SPACES)}")
    for operation in operations:
        if operation not in ops.OPERATIONS:
            raise InputError(f"params.yaml: operations: unknown operation '{operation}'; one of {', '.join(ops.OPERATIONS)}")
    return SPACES[name](tuple(operations))
