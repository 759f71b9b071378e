"""Stand-alone networks of Figs. 1 and 4 (choice F1): the final cell with one of its operations replaced, trained from scratch."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field, field_validator

from eoinas.genotype import INPUTS, NODES, Genotype
from eoinas.train.classify import RetrainParams


class StandaloneParams(RetrainParams):
    """The numbers of a training from scratch, and what is trained; what each means stands beside it in params.yaml."""

    runs: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    edge: Annotated[int, Field(ge=0, lt=2 * NODES)]
    cutout: Annotated[int, Field(ge=0, le=32)]

    @field_validator("runs")
    @classmethod
    def _runs_are_distinct(cls, runs: list[int]) -> list[int]:
        if len(set(runs)) < len(runs):
            raise ValueError("no run may come twice")
        return runs


def with_operation(cell: Genotype, edge: int, operation: str) -> Genotype:
    """``cell`` with another operation on one edge of its normal cell; the zero operation is one of them.

    Args:
        edge: index of the pair in ``cell.normal``.
        operation: one of genotype.OPERATIONS.
    """
    _, source = cell.normal[edge]
    return replace(cell, normal=(*cell.normal[:edge], (operation, source), *cell.normal[edge + 1 :]))


def ends(cell: Genotype, edge: int) -> tuple[int, int]:
    """The nodes (i, j) that the pair ``edge`` of the normal cell connects, as in genotype.EDGES."""
    return cell.normal[edge][1], INPUTS + edge // 2
