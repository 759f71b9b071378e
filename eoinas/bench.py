"""What is searched on NAS-Bench-201 at a scale, resolved: written by the stage `settings`, read by all that reports on it."""

from typing import Annotated

from pydantic import Field

from eoinas import params

SPACE = "nasbench201"  # in ``spaces.registry``
MASKED = "masked"  # the control that chooses by masking, beside the variants
FINAL = 0  # in the place of an epoch: the cell that a search ended in
# What a search knows of every operation, and what that is called.
QUANTITIES = {
    "beta": "beta, eq. (2)",
    "A": "A, validation accuracy",
    "inverse_E": "1 / E, training epochs",
    "S": "S, eq. (9)",
    "I": "I, eq. (10)",
    "S_percent": "S with A in percent",
    "I_percent": "I with A in percent",
    "l": "P(Live) of the chain, eq. (11)",
}
# True strength of an operation on an edge.
TRUTHS = {
    "mean": "the mean of all cells with the operation",
    "best": "the best cell with the operation",
    "replaced": "the search's own cell with the operation",
}
TRUTH = "results/{scale}/bench_truth"  # where every cell is looked up
CELLS, STRENGTHS = "cells.csv", "strengths.csv"  # there


class Operation(params.Section):
    """A candidate operation as figures show it."""

    label: str
    colour: str


class Variant(params.Section):
    """A variant of the method and its searches."""

    label: str
    searches: list[tuple[str, int]]  # item of `bench_seeds` (a stage) and seed
    search: dict  # its parameters, those of ``train.search_cifar.BenchSearchParams``


class Plan(params.Section):
    """All that a report needs to know beside results."""

    table: str  # the benchmark's accuracies
    sha256: str  # of that file; empty: not checked
    images: str  # what is searched on, in words
    masked: str  # the variant whose supernets masking selects on
    operations: dict[str, Operation]  # in the order of the last axis of a trace
    variants: Annotated[dict[str, Variant], Field(min_length=1)]  # those that run at this scale, in the order of params.yaml


def load(scale: str) -> Plan:
    """The plan of a scale.

    Raises:
        InputError: the stage `settings` has not run, or its file is damaged.
    """
    return params.read_settings(Plan, scale, "bench_report")


def folder(scale: str, variant: str, item: str, seed: int) -> str:
    """Where a search leaves history.csv, trace.npz and supernet.safetensors."""
    return f"results/{scale}/bench/{variant}/{item}/{seed}"


def timing(scale: str, variant: str, item: str, seed: int) -> str:
    """Where a search leaves its wall time."""
    return f"results/{scale}/timing/bench/{variant}/{item}/{seed}.json"
