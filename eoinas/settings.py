"""What params.yaml means: every consumer's parameters, resolved and checked, a file each.

A scale takes from ``paper`` what it does not say itself, mappings key by key. A block takes from the one that ``FROM`` names what
it does not say at any scale. The search takes ``method``, then its own block, then what the variant sets. Labels and colours are
in the file for reports alone, ``machine`` is in none.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, field_validator

from eoinas import bench, params, plan
from eoinas.data.cityscapes import CityscapesDataParams
from eoinas.data.imagenet import ImagenetDataParams
from eoinas.data.images import SplitParams
from eoinas.data.prepare import DataParams
from eoinas.devices import DeviceParams
from eoinas.entries import GIVEN, EntriesStage, Entry, SegEntriesStage
from eoinas.errors import InputError
from eoinas.genotype import CELLS
from eoinas.metrics.complexity import Sizes
from eoinas.models import ops
from eoinas.models.segmentation import SegNetworkParams
from eoinas.params import BASE, NAME, Layer, Section
from eoinas.plan import RANDOM
from eoinas.selection import SelectStage
from eoinas.spaces import registry
from eoinas.spaces.space import Space
from eoinas.train.candidates import DeriveParams, DeriveStage, RandomStage
from eoinas.train.classify import RetrainParams, RetrainSeedsStage, RetrainStage
from eoinas.train.imagenet import ImagenetParams, PretrainStage, RecipeParams
from eoinas.train.masked import MaskedParams, MaskedStage
from eoinas.train.search import SearchParams
from eoinas.train.search_cifar import BenchSearchParams, BenchStage, Idle, SearchCifarParams, SearchStage
from eoinas.train.search_seg import SegSearchParams
from eoinas.train.segment import SegTrainParams, SegTrainStage
from eoinas.train.standalone import StandaloneParams

FROM = {
    **{"standalone": "retrain", "derive.short": "retrain", "seg_pretrain": "imagenet"},
    **dict.fromkeys(("search", "bench_search", "retrain", "imagenet", "seg_search", "seg_train"), "device"),
}
# Blocks of a scale: those that have a consumer of their own, `repeats`, `titles`, and `datasets`, which is checked set by set.
BLOCKS = (
    *("repeats", "titles", "datasets", "device", "split", "search", "derive", "retrain", "standalone"),
    *("bench_search", "bench_masked"),
    *("imagenet_data", "imagenet", "cityscapes_data", "seg_search", "seg_network", "seg_pretrain", "seg_train"),
)
IMAGENET = "imagenet"  # what its entries are filed under
# What a source of images does not ask, which need not be said; this stands for it.
_PAIRS = {"digits_train": 2000, "digits_test": 500}
_CIFAR = {"image_size": 32, **_PAIRS}
UNASKED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("cifar10", "cifar100"), _CIFAR),
    "folder": {"check_md5": True, "download": False, **_PAIRS},
    "digits": {"raw": "data/raw", "check_md5": True, "download": False, **_CIFAR},
    "digit_pairs": {"raw": "data/raw", "check_md5": True, "download": False, "image_size": 32},
}
# Scripts of stages that ask the block ``machine``.
ON_MACHINE = (
    *("search", "derive", "random_cells", "retrain", "retrain_seeds", "standalone", "imagenet"),
    *("bench_search", "bench_masked", "seg_search", "seg_pretrain", "seg_train"),
)


class Shown(Section):
    """An operation as figures show it."""

    label: str
    colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class Bench(Section):
    """The block ``bench``: the searches on NAS-Bench-201, whose method does not follow the block ``method``."""

    table: str
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
    masked: str
    operations: Annotated[dict[str, Shown], Field(min_length=2)]
    method: dict
    variants: Annotated[dict[Annotated[str, Field(pattern=NAME)], dict], Field(min_length=1)]


class Top(Section):
    """The top level of params.yaml, scales left out."""

    lambda_: params.NonNegative = Field(alias="lambda")
    scale: str
    search_on: str
    main_variant: str
    plain_variant: str
    search_seeds: Annotated[list, Field(min_length=1)]
    retrain_runs: Annotated[list, Field(min_length=1)]
    bench_seeds: Annotated[list, Field(min_length=1)]
    variants: Annotated[dict[Annotated[str, Field(pattern=NAME)], dict], Field(min_length=1)]
    operations: Annotated[dict[str, Shown], Field(min_length=2)]
    datasets: Annotated[dict[Annotated[str, Field(pattern=NAME)], dict], Field(min_length=1)]
    entries: Annotated[dict[str, Entry], Field(min_length=1)]
    imagenet_entries: Annotated[dict[Annotated[str, Field(pattern=NAME)], Entry], Field(min_length=1)]
    cityscapes_entries: Annotated[dict[Annotated[str, Field(pattern=NAME)], Entry], Field(min_length=1)]
    method: dict
    bench: Bench
    machine: dict

    @field_validator("search_seeds", "retrain_runs", "bench_seeds")
    @classmethod
    def _numbers_are_distinct(cls, groups: list) -> list:
        try:
            found = [number for group in groups for number in params.numbers(group)]
        except InputError as error:
            raise ValueError(str(error)) from None
        if len(set(found)) < len(found):
            raise ValueError("no number may come twice")
        return groups


class Repeats(Section):
    """How often a scale does what is random."""

    searches: params.Positive  # seeds of each variant
    retrainings: params.Positive  # training runs of each entry
    per_seed: params.Positive  # training runs of every seed's cell
    per_seed_cutout: Annotated[int, Field(ge=0, le=32)]
    bench: dict[str, Annotated[int, Field(ge=0)]]  # seeds of each variant on NAS-Bench-201; of one that is not named, none


def scales(values: Mapping[str, Any]) -> list[str]:
    """The scales of params.yaml: its top-level blocks that are no parameters, BASE among them."""
    known = {field.alias or name for name, field in Top.model_fields.items()}
    return [name for name, value in values.items() if name not in known and isinstance(value, dict)]


def top(values: Mapping[str, Any]) -> Top:
    """The top level, checked in itself and against the rest.

    Raises:
        InputError: a key is unknown or missing, a value is out of range, or a name means nothing.
    """
    found = params.build(Top, [Layer("", {key: value for key, value in values.items() if key not in scales(values)})])
    names = (("scale", scales(values)), ("search_on", found.datasets), ("main_variant", found.variants))
    for key, known in (*names, ("plain_variant", found.variants)):
        _one_of(key, getattr(found, key), known)
    if IMAGENET in found.datasets:
        raise InputError(f"{params.FILE}: datasets.{IMAGENET}: that name is taken; choose another")
    if not any(key.partition("-")[0] == found.search_on for key in found.entries):
        expected = f"such as {found.search_on}-{found.main_variant}: {{genotype: {found.main_variant}}}"
        raise InputError(f"{params.FILE}: entries: none is of {found.search_on}, on which is searched; add one, {expected}")
    for block, variants in (("variants", found.variants), ("bench.variants", found.bench.variants)):
        labels = [str(given.get("label")) for given in variants.values()]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise InputError(f"{params.FILE}: {block}: two have the label '{twice[0]}'; tables and figures tell them apart by it")
    if RANDOM in found.variants:
        raise InputError(f"{params.FILE}: variants.{RANDOM}: that name is random search's; choose another")
    if found.variants[found.plain_variant].get("slimming") is not False:
        raise InputError(
            f"{params.FILE}: plain_variant: '{found.plain_variant}' prunes, and Figs. 1 and 4 need one that does not"
        )
    for key in found.entries:
        data, _, name = key.partition("-")
        _one_of(f"entries.{key}: the data set", data, found.datasets)
        if not name.replace("_", "a").isalnum():
            raise InputError(f"{params.FILE}: entries.{key}: must be DATASET-NAME, of letters, digits and underscores")
    searched = [*found.variants, RANDOM]
    for block, entries, named in (
        ("entries", found.entries, searched),
        ("imagenet_entries", found.imagenet_entries, searched),
        ("cityscapes_entries", found.cityscapes_entries, ["cityscapes"]),
    ):
        for key, entry in entries.items():
            if entry.genotype not in named and (not entry.genotype.startswith(GIVEN) or ".." in entry.genotype):
                expected = f"one of {', '.join(named)}, or a file in {GIVEN}"
                raise InputError(f"{params.FILE}: {block}.{key}.genotype: {expected}, not '{entry.genotype}'")
    return found


def _one_of(key: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise InputError(f"{params.FILE}: {key} '{value}' is unknown; one of {', '.join(map(str, known))}")


class Resolver(NamedTuple):
    """One scale of params.yaml."""

    values: Mapping[str, Any]
    scale: str
    top: Top

    def layers(self, block: str) -> list[Layer]:
        """What params.yaml says of a block, such as "retrain" or "derive.short", the weakest first."""
        inherited = self.layers(FROM[block]) if block in FROM else []
        own = []
        for scale in dict.fromkeys((BASE, self.scale)):
            value: Any = self.values[scale]
            for key in block.split("."):
                value = value.get(key, {}) if isinstance(value, dict) else value
            own.append(Layer(f"{scale}.{block}", {} if value is None else value))
        return inherited + own

    def section(self, section: type[params.T], block: str, *more: Layer) -> params.T:
        """A block as its consumer's section; of what it takes from another block the consumer's keys alone."""
        known = {field.alias or name for name, field in section.model_fields.items()}
        layers = self.layers(block)
        own = len(dict.fromkeys((BASE, self.scale)))
        inherited = [
            Layer(where, {k: v for k, v in values.items() if k in known} if isinstance(values, dict) else values)
            for where, values in layers[:-own]
        ]
        return params.build(section, [*inherited, *layers[-own:], *more], f"{self.scale}.{block}")

    def search(self, section: type[params.T], block: str, variant: str) -> params.T:
        """A search's parameters with a variant."""
        given = {key: value for key, value in self.top.variants[variant].items() if key != "label"}
        weight = None if given.get("indicator") == "beta" else self.top.lambda_
        where = f"variants.{variant}"
        above = [Layer("", {"operations": list(self.top.operations), "lambda": weight}), Layer("method", self.top.method)]
        return params.build(section, [*above, *self.layers(block), Layer(where, given)], f"{self.scale}.{block}")

    def bench(self, variant: str) -> BenchSearchParams:
        """The parameters of a search on NAS-Bench-201 with a variant."""
        whole = self.top.bench
        given = {key: value for key, value in whole.variants[variant].items() if key != "label"}
        fixed = {"space": bench.SPACE, "operations": list(whole.operations)}
        where = f"bench.variants.{variant}"
        layers = [Layer("", fixed), Layer("bench.method", whole.method), *self.layers("bench_search"), Layer(where, given)]
        return params.build(BenchSearchParams, layers, f"{self.scale}.bench_search")

    def bench_searches(self, variant: str) -> list[tuple[str, int]]:
        """Item and seed of every search on NAS-Bench-201 with a variant."""
        count = self.repeats.bench.get(variant, 0)
        found = list(params.of_item(self.top.bench_seeds, count))
        return _complete(found, count, "bench_seeds", f"repeats.bench.{variant}")

    @property
    def repeats(self) -> Repeats:
        """Of a scale that says what it searches on NAS-Bench-201, that alone: there ``paper`` adds nothing."""
        found, own = self.section(Repeats, "repeats"), self.layers("repeats")[-1].values.get("bench")
        return found if own is None else found.model_copy(update={"bench": {name: found.bench[name] for name in own}})

    @property
    def searches(self) -> list[tuple[str, int]]:
        """Item and seed of every search of a variant."""
        found = list(params.of_item(self.top.search_seeds, self.repeats.searches))
        return _complete(found, self.repeats.searches, "search_seeds", "repeats.searches")

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Item and number of every training run of an entry."""
        found = list(params.of_item(self.top.retrain_runs, self.repeats.retrainings))
        return _complete(found, self.repeats.retrainings, "retrain_runs", "repeats.retrainings")

    @property
    def derive(self) -> DeriveParams:
        short = self.section(RetrainParams, "derive.short")
        return self.section(DeriveParams, "derive", Layer("", {"short": short}))


def _complete(found: list[tuple[str, int]], count: int, key: str, needed: str) -> list[tuple[str, int]]:
    if lacking := sorted(set(range(count)) - {number for _, number in found}):
        raise InputError(f"{params.FILE}: {key}: no item has number {lacking[0]}, and {needed} is {count}; add it or lower that")
    return found


def resolve(values: Mapping[str, Any], scale: str) -> dict[str, Section]:
    """Every file that the stage `settings` writes for a scale, by its name below ``results/SCALE/settings``.

    Raises:
        InputError: params.yaml has a mistake, at this scale or at the top level.
    """
    checked = top(values)
    params.choice(scale, scales(values), "scale")
    if BASE not in scales(values):
        raise InputError(f"{params.FILE}: the scale {BASE}, from which all others take what they do not say, is missing")
    for name in scales(values):
        if not re.fullmatch(NAME, str(name)):
            raise InputError(f"{params.FILE}: the scale '{name}': a scale's name is made of letters, digits and underscores")
        for block in values[name]:
            what = "the block" if values[name].keys() & set(BLOCKS) else "no known parameter; if a scale, its block"
            _one_of(f"{name}: {what}", block, BLOCKS)
    for name in (BASE, scale):  # another one may speak of data sets that were there before
        for data in params.merged([Layer(f"{name}.datasets", values[name].get("datasets") or {})]):
            _one_of(f"{name}.datasets: the data set", data, checked.datasets)
    _check_machine(values, checked.machine)
    resolver = Resolver(values, scale, checked)
    found = dict(part for make in (_data, _searches, _trainings, _bench, _transfer, _segmentation) for part in make(resolver))
    return {**found, "report": _plan(resolver)}


def _check_machine(values: Mapping[str, Any], machine: Mapping[str, Any]) -> None:
    """That the block ``machine`` is well-formed; no file depends on it."""
    for scale in machine:
        _one_of("machine: the scale", scale, scales(values))
    for scale in scales(values):
        params.machine(scale, "search", values)
        for stage in (key for key, value in (machine.get(scale) or {}).items() if isinstance(value, dict)):
            _one_of(f"machine.{scale}: the stage", stage, ON_MACHINE)
            params.machine(scale, stage, values)


Files = Iterator[tuple[str, Section]]


def _data(r: Resolver) -> Files:
    for name in r.top.datasets:
        above = Layer(f"datasets.{name}", {key: value for key, value in r.top.datasets[name].items() if key != "title"})
        layers = [above, *r.layers(f"datasets.{name}")]
        unasked = UNASKED.get(str(params.merged(layers).get("source")), {})
        yield f"data/{name}", params.build(DataParams, [Layer("", unasked), *layers])
    yield "imagenet_data", r.section(ImagenetDataParams, "imagenet_data")
    yield "cityscapes_data", r.section(CityscapesDataParams, "cityscapes_data")


def _searches(r: Resolver) -> Files:
    split, derive = r.section(SplitParams, "split"), r.derive
    for variant in r.top.variants:
        search = r.search(SearchCifarParams, "search", variant)
        _space(search, f"search, variant {variant}")
        for item in map(str, r.top.search_seeds):
            seeds = [seed for group, seed in r.searches if group == item]
            yield f"search/{variant}/{item}", SearchStage(seeds=seeds, split=split, search=search)
        yield f"derive/{variant}", DeriveStage(searches=r.searches, split=split, search=search, derive=derive)
    main = r.search(SearchCifarParams, "search", r.top.main_variant)
    seeds = [seed for _, seed in r.searches]
    random = RandomStage(seeds=seeds, space=main.space, operations=main.operations, split=split, derive=derive)
    yield f"derive/{RANDOM}", random
    yield "select", SelectStage(seeds=seeds)


def _trainings(r: Resolver) -> Files:
    retrain = r.section(RetrainParams, "retrain")
    for item in map(str, r.top.retrain_runs):
        runs = [run for group, run in r.runs if group == item]
        yield f"retrain/{item}", RetrainStage(runs=runs, retrain=retrain)
    for candidate in (*r.top.variants, RANDOM):
        for item in map(str, r.top.search_seeds):
            seeds = [seed for group, seed in r.searches if group == item]
            served = _served_by(r, candidate) is not None
            runs, cutout = list(range(r.repeats.per_seed)), r.repeats.per_seed_cutout
            stage = RetrainSeedsStage(seeds=seeds, runs=runs, cutout=cutout, selected_is_served=served, retrain=retrain)
            yield f"retrain_seeds/{candidate}/{item}", stage
    yield "standalone", r.section(StandaloneParams, "standalone")
    yield (
        "entries",
        EntriesStage(entries=r.top.entries, imagenet=r.top.imagenet_entries, searched=[*r.top.variants, RANDOM]),
    )


def _space(search: SearchParams, where: str) -> Space:
    """The search space, whose cells the networks of the later stages can be built of."""
    space = registry.space(search.space, search.operations)
    if space.cells != CELLS:
        reason = f"the space '{space.name}' has no {' and no '.join(CELLS)} cell, of which the trained networks are built"
        raise InputError(f"{params.FILE}: {where}: {reason}; set space to darts")
    return space


def _served_by(r: Resolver, candidate: str) -> str | None:
    """The entry whose first runs serve for the selected seed's cell: of the same cell, data set and cutout, with as many runs."""
    if r.repeats.retrainings < r.repeats.per_seed:
        return None
    for key, entry in r.top.entries.items():
        data, _, name = key.partition("-")
        if data == r.top.search_on and entry.genotype == candidate and entry.cutout == r.repeats.per_seed_cutout:
            return name
    return None


def _bench(r: Resolver) -> Files:
    whole, split, seeds = r.top.bench, r.section(SplitParams, "split"), {}
    for name in r.repeats.bench:
        _one_of(f"{r.scale}.repeats.bench: the variant", name, whole.variants)
    for variant in whole.variants:
        seeds[variant] = r.bench_searches(variant)
        for item in map(str, r.top.bench_seeds):
            chosen = [seed for group, seed in seeds[variant] if group == item]
            yield f"bench/{variant}/{item}", _bench_stage(r, variant, chosen, split)
    _one_of("bench.masked", whole.masked, whole.variants)
    if not seeds[whole.masked]:
        raise InputError(
            f"{params.FILE}: bench.masked: '{whole.masked}' has no seeds at scale {r.scale}; set repeats.bench there"
        )
    if (whole.method.get("accuracy_unit"), whole.method.get("epoch_unit")) != ("fraction", "epochs"):
        raise InputError(
            f"{params.FILE}: bench.method: the report asks its questions of A as a fraction and E in epochs, so accuracy_unit is "
            "fraction and epoch_unit epochs here; set others in a line of bench.variants"
        )
    if r.bench(whole.masked).slimming:
        raise InputError(f"{params.FILE}: bench.masked: '{whole.masked}' prunes; masking needs supernets with all operations")
    masked = r.section(MaskedParams, "bench_masked")
    yield "bench_masked", MaskedStage(searches=seeds[whole.masked], split=split, search=r.bench(whole.masked), masked=masked)
    yield "bench_report", _bench_plan(r, {name: found for name, found in seeds.items() if found})


def _bench_stage(r: Resolver, variant: str, seeds: list[int], split: SplitParams) -> BenchStage | Idle:
    if not seeds:
        return Idle(seeds=[])
    search = r.bench(variant)
    registry.space(search.space, search.operations)
    return BenchStage(seeds=seeds, split=split, search=search)


def _bench_plan(r: Resolver, seeds: dict[str, list[tuple[str, int]]]) -> bench.Plan:
    whole, variants = r.top.bench, {}
    for name in seeds:
        if not isinstance(label := whole.variants[name].get("label"), str):
            raise InputError(f"{params.FILE}: bench.variants.{name}.label: must be the name of the variant in tables and figures")
        found = r.bench(name)
        variants[name] = bench.Variant(label=label, searches=seeds[name], search=found.dumped())
    return bench.Plan(
        table=whole.table,
        sha256=whole.sha256,
        images=_bench_images(r),
        masked=whole.masked,
        operations={name: bench.Operation(label=shown.label, colour=shown.colour) for name, shown in whole.operations.items()},
        variants=variants,
    )


def _bench_images(r: Resolver) -> str:
    """What is searched on, in words."""
    given = r.top.datasets[r.top.search_on]
    data = params.merged([Layer("", given), *r.layers(f"datasets.{r.top.search_on}")])
    title = given.get("title") if data["source"] not in ("digits", "digit_pairs") else "handwritten digits"
    side = r.bench(r.top.bench.masked).average
    return f"{title} averaged over blocks of {side}×{side} pixels" if side > 1 else str(title)


def _transfer(r: Resolver) -> Files:
    imagenet, retrain = r.section(ImagenetParams, "imagenet"), r.section(RetrainParams, "retrain")
    yield "imagenet", imagenet
    size = {"C": imagenet.C, "layers": imagenet.layers, "image_size": imagenet.image_size}
    yield (
        "complexity",
        params.build(Sizes, [Layer("", {"retrain": {"C": retrain.C, "layers": retrain.layers}, "imagenet": size})]),
    )


def _segmentation(r: Resolver) -> Files:
    given = str(params.merged(r.layers("seg_search")).get("variant"))
    _one_of("seg_search.variant", given, r.top.variants)
    search = r.search(SegSearchParams, "seg_search", given)
    _space(search, "seg_search")
    yield "seg_search", search
    entries, rank = r.top.cityscapes_entries, r.derive.edge_rank
    yield "seg_entries", SegEntriesStage(entries=entries, edge_rank=rank, space=search.space, operations=search.operations)
    network = r.section(SegNetworkParams, "seg_network")
    yield "seg_pretrain", PretrainStage(network=network, recipe=r.section(RecipeParams, "seg_pretrain"))
    yield "seg_train", SegTrainStage(network=network, train=r.section(SegTrainParams, "seg_train"))


def _devices(r: Resolver) -> dict[str, DeviceParams]:
    """How every block that searches or trains calculates; the searches by variant, those on NAS-Bench-201 by one of them."""
    searches = {f"search of {name}": r.search(SearchCifarParams, "search", name) for name in r.top.variants}
    return {
        **searches,
        "bench_search": r.bench(r.top.bench.masked),
        "seg_search": r.search(SegSearchParams, "seg_search", params.merged(r.layers("seg_search"))["variant"]),
        "derive.short": r.derive.short,
        "retrain": r.section(RetrainParams, "retrain"),
        "standalone": r.section(StandaloneParams, "standalone"),
        "imagenet": r.section(ImagenetParams, "imagenet"),
        "seg_pretrain": r.section(RecipeParams, "seg_pretrain"),
        "seg_train": r.section(SegTrainParams, "seg_train"),
    }


def _plan(r: Resolver) -> plan.Plan:
    main = r.search(SearchCifarParams, "search", r.top.main_variant)
    space = _space(main, "search")
    operations = {
        name: plan.Operation(label=shown.label, colour=shown.colour, weights=ops.OPERATIONS[name].weights)
        for name, shown in r.top.operations.items()
    }
    variants = {}
    for name, given in r.top.variants.items():
        if not isinstance(label := given.get("label"), str):
            raise InputError(f"{params.FILE}: variants.{name}.label: must be the name of the variant in tables and figures")
        found = r.search(SearchCifarParams, "search", name)
        kept = {key: getattr(found, key) for key in ("slimming", "indicator", "accuracy_unit")}
        variants[name] = plan.Variant(label=label, **kept)
    titles = {}
    for name, given in r.top.datasets.items():
        if not isinstance(title := given.get("title"), str):
            raise InputError(f"{params.FILE}: datasets.{name}.title: must be the name of the data set in tables and figures")
        titles[name] = plan.DataSet(title=title)
    entries: dict[str, dict[str, plan.Entry]] = {}
    for key, entry in r.top.entries.items():
        data, _, name = key.partition("-")
        entries.setdefault(data, {})[name] = plan.Entry(**entry.model_dump())
    served = {candidate: _served_by(r, candidate) for candidate in (*variants, RANDOM)}
    devices = _devices(r)
    repeats, standalone = r.repeats, r.section(StandaloneParams, "standalone")
    lengths = {
        "search": main.epoch_images,
        "retrain": r.section(RetrainParams, "retrain").epoch_images,
        "standalone": standalone.epoch_images,
        "imagenet": r.section(ImagenetParams, "imagenet").epoch_images,
    }
    return plan.Plan(
        **{"lambda": r.top.lambda_},
        space=plan.Space(cells=list(space.cells), edges=[list(edge) for edge in space.edges], operations=operations),
        searched_on=r.top.search_on,
        datasets=titles,
        titles=r.section(plan.Titles, "titles"),
        selected_by=r.derive.by,
        variants=variants,
        main=r.top.main_variant,
        plain=r.top.plain_variant,
        seg_variant=params.merged(r.layers("seg_search"))["variant"],
        searches=r.searches,
        runs=r.runs,
        per_seed=plan.PerSeed(runs=repeats.per_seed, cutout=repeats.per_seed_cutout, served_by=served),
        epoch_images=lengths,
        tf32=[name for name, how in devices.items() if how.allow_tf32],
        nondeterministic=[name for name, how in devices.items() if not how.deterministic],
        entries=entries,
        imagenet={name: plan.Entry(**entry.model_dump()) for name, entry in r.top.imagenet_entries.items()},
        cityscapes={name: plan.Entry(**entry.model_dump()) for name, entry in r.top.cityscapes_entries.items()},
    )
