"""What a scale does, resolved: written by the stage `settings`, read by everything that reports.

Labels and colours of variants and operations stand here alone, those of NAS-Bench-201 in ``bench.Plan``.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from eoinas import params

RANDOM = "random"  # random search, beside the variants


class Operation(params.Section):
    """A candidate operation as figures show it."""

    label: str
    colour: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
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
    indicator: Literal["oii", "beta", "accuracy", "inverse_epochs", "shuffled", "quotient"]
    accuracy_unit: Literal["fraction", "percent"]  # of A in eq. (8)


class DataSet(params.Section):
    """A classification data set as tables name it."""

    title: str


class Titles(params.Section):
    """What images are called that stand for ImageNet and Cityscapes and lie in folders; empty: by no name."""

    imagenet: str
    cityscapes: str


class Entry(params.Section):
    """A network that is trained: the cell by its name or file, and the side of the cutout (0: none)."""

    genotype: str
    cutout: int


class PerSeed(params.Section):
    """The cell of every search trained on the data set of the search."""

    runs: params.Positive  # of each seed's cell
    cutout: int
    served_by: dict[str, str | None]  # variant -> the entry whose first runs are those of the selected seed's cell


class Plan(params.Section):
    """All that tables and figures need to know beside results."""

    lambda_: float = Field(alias="lambda")
    space: Space
    searched_on: str  # of ``datasets``
    datasets: dict[str, DataSet]
    titles: Titles
    selected_by: Literal["supernet", "retrain"]  # how the cells of searches are (A12)
    variants: dict[str, Variant]  # in the order of params.yaml; without `random`
    main: str  # the variant whose cell and indicator Figs. 1 and 4 and the indicator's figure show
    plain: str  # the variant without slimming that Figs. 1 and 4 hold against it
    seg_variant: str
    searches: Annotated[list[tuple[str, int]], Field(min_length=1)]  # item of `search_seeds` (a stage) and seed
    runs: Annotated[list[tuple[str, int]], Field(min_length=1)]  # item of `retrain_runs` and run
    per_seed: PerSeed
    epoch_images: dict[str, int]  # block of params.yaml -> images of its epoch, in a search of each half; 0: all there are
    tf32: list[str]  # blocks of params.yaml that may calculate in TensorFloat-32
    nondeterministic: list[str]  # blocks whose bytes may differ from run to run
    entries: dict[str, dict[str, Entry]]  # data set -> name -> entry
    imagenet: Annotated[dict[str, Entry], Field(min_length=1)]
    cityscapes: Annotated[dict[str, Entry], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_known(self) -> "Plan":
        for field in ("main", "plain", "seg_variant"):
            if getattr(self, field) not in self.variants:
                raise ValueError(f"{field}: '{getattr(self, field)}' is no variant")
        for data in (self.searched_on, *self.entries):
            if data not in self.datasets:
                raise ValueError(f"'{data}' is no data set")
        for entry in filter(None, self.per_seed.served_by.values()):
            if entry not in self.entries.get(self.searched_on, {}):
                raise ValueError(f"per_seed.served_by: '{entry}' is no entry of {self.searched_on}")
            if self.per_seed.runs > len(self.runs):
                raise ValueError(f"per_seed.runs: {self.per_seed.runs} of a seed, and {entry} has {len(self.runs)}")
        return self

    @property
    def seeds(self) -> list[int]:
        """All search seeds."""
        return [seed for _, seed in self.searches]

    @property
    def candidates(self) -> list[str]:
        """All that cells are selected for: the variants and random search."""
        return [*self.variants, RANDOM]


def load(scale: str) -> Plan:
    """The plan of a scale.

    Raises:
        InputError: the stage `settings` has not run, or its file is damaged.
    """
    return params.read_settings(Plan, scale, "report")
