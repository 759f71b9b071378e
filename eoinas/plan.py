"""What a scale does, resolved: written by the stage `settings`, read by everything that reports. Labels stand here alone."""

from typing import Literal

from pydantic import Field

from eoinas import params


class Operation(params.Section):
    """A candidate operation as figures show it."""

    label: str
    colour: str  # "#rrggbb"
    weights: bool  # whether it has any to train


class Space(params.Section):
    """The axes of a trace: cells, edges (input node, node), operations in order."""

    cells: list[str]
    edges: list[list[int]]
    operations: dict[str, Operation]

    def edge(self, source: int, node: int) -> int:
        """Index of an edge."""
        return self.edges.index([source, node])


class Variant(params.Section):
    """A variant of the method."""

    label: str
    slimming: bool
    indicator: Literal["oii", "beta", "accuracy", "inverse_epochs", "shuffled"]


class DataSet(params.Section):
    """A classification data set as tables name it."""

    title: str


class Entry(params.Section):
    """A network that is trained: the cell by its name or file, and the side of the cutout (0: none)."""

    genotype: str
    cutout: int


class PerSeed(params.Section):
    """The cell of every search trained on the data set of the search."""

    runs: int  # of each seed's cell
    cutout: int
    served_by: dict[str, str | None]  # variant -> the entry whose first runs are those of the selected seed's cell


class Plan(params.Section):
    """All that tables and figures need to know beside results."""

    lambda_: float = Field(alias="lambda")
    space: Space
    searched_on: str  # of ``datasets``
    datasets: dict[str, DataSet]
    variants: dict[str, Variant]  # in the order of params.yaml; without `random`
    main: str  # the variant whose cell and indicator Figs. 1 and 4 and the indicator's figure show
    plain: str  # the variant without slimming that Figs. 1 and 4 hold against it
    seg_variant: str
    searches: list[tuple[str, int]]  # item of `search_seeds` (a stage) and seed
    runs: list[tuple[str, int]]  # item of `retrain_runs` and run
    per_seed: PerSeed
    standalone_operations: list[str]
    standalone_runs: list[int]
    entries: dict[str, dict[str, Entry]]  # data set -> name -> entry
    imagenet: dict[str, Entry]
    cityscapes: dict[str, Entry]

    @property
    def seeds(self) -> list[int]:
        """All search seeds."""
        return [seed for _, seed in self.searches]

    @property
    def candidates(self) -> list[str]:
        """All that cells are selected for: the variants and random search."""
        return [*self.variants, "random"]


def load(scale: str) -> Plan:
    """The plan of a scale.

    Raises:
        InputError: the stage `settings` has not run.
    """
    return params.read_settings(Plan, scale, "report")
