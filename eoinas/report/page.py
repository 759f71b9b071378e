"""The page reports/SCALE/README.md: what was run, the selected seeds, tables and figures."""

from pathlib import Path

from eoinas import plan as plans
from eoinas.errors import InputError
from eoinas.report import cell, load, load_transfer, table
from eoinas.report.scale import announce, is_paper, opening

SCENES = "fig_11.png"
NODES = "c(k-2) and c(k-1) are the outputs of the two cells before, c(k) is this one's."
# File: title and caption; each caption follows "Measured (scale):". Words in braces come from the plan.
FIGURES = {
    "fig_findings.png": (
        "In one picture",
        "errors over searches, and what ranks operations.",
    ),
    "fig_5_9.png": (
        "Figs. 5 and 9: the selected cells",
        "the cells that the selected searches of the variants ended in, and the best random one. A row names the paper's figure "
        f"of its like. A dashed outline marks an operation without weights at stride 1. {NODES}",
    ),
    "fig_7_8.png": (
        "Figs. 7 and 8: convergence of the searches",
        "train accuracy and loss by epoch, on the left what SSS changes, on the right what OII changes, and further variants. "
        "Lines are means over the search seeds, bands one standard deviation, dotted lines epochs after which operations were "
        "pruned. The numbers are in [fig_7_8.csv](fig_7_8.csv).",
    ),
    "fig_indicator.png": (
        "The indicator and the chain during the selected search",
        "I of eq. (10) and the probability of the state Die of every operation on three edges a cell, and below, "
        "for all {edges} edges, the epoch after which each operation was pruned.",
    ),
    "fig_retrain.png": (
        "Test errors run by run and search by search",
        "every training run of an entry is a dot; n is written beside the name. In the last panel a dot is the cell of a search, "
        "as the second part of Table III has it.",
    ),
    "fig_1_4.png": (
        "Figs. 1 and 4: what the searches knew about an edge",
        "one operation of the final {cell} is replaced by each candidate and the network trained from scratch. Its accuracy "
        "stands against the architecture weight beta in the last step of the search `{plain}`, and against beta and I of the "
        "search `{main}` in the last step before its first prune, when all {operations} operations live. The intervals leave out "
        "how much the accuracies themselves vary from run to run. The numbers are in [fig_1_4.csv](fig_1_4.csv).",
    ),
    "fig_10.png": (
        "Fig. 10: the cells found on street scenes",
        f"what the search on street scenes ended in. {NODES}",
    ),
    "fig_seg_search.png": (
        "Convergence of the search on street scenes",
        "train accuracy and loss by epoch; dotted lines are epochs after which operations were pruned.",
    ),
    SCENES: (
        "Fig. 11: street scenes, labelled",
        "images of the validation set, their ground truth, and what the networks of Table V say that were trained from scratch "
        "and from the pretrained backbone.",
    ),
    "fig_bench_cells.png": (
        "NAS-Bench-201: the cells that were found",
        "of every search on that space the share of its 15,625 cells that are better than the one it ended in; below, where "
        "random cells lie: thin from 5 to 95 %, thick the middle half.",
    ),
    "fig_bench_curve.png": (
        "NAS-Bench-201: by epoch",
        "the accuracy that the benchmark has of the cell that a search would end in after each epoch. The numbers are in "
        "[fig_bench_curve.csv](fig_bench_curve.csv).",
    ),
    "fig_bench_tau.png": (
        "NAS-Bench-201: does the indicator rank operations?",
        "the paper's Fig. 4 over all edges and searches: left, how well each quantity agrees with the true strength of "
        "operations (1: the same order, 0: none); right, what the first of its order costs. Three definitions of true strength. "
        "The numbers are in [fig_bench_tau.csv](fig_bench_tau.csv).",
    ),
    "fig_bench_sensitivity.png": (
        "NAS-Bench-201: lambda and epsilon",
        "lambda, which the paper sets to 0.5 without saying why, and epsilon, which it chose by a grid search that it does not "
        "show. The numbers are in [fig_bench_sensitivity.csv](fig_bench_sensitivity.csv).",
    ),
}
# Tables and figures in the order of the page.
PICTURE = "fig_findings.png"  # the first
PARTS = (
    *(
        "table_1.md",
        "table_3.md",
        "fig_5_9.png",
        "fig_7_8.png",
        "fig_indicator.png",
        "fig_retrain.png",
        "fig_1_4.png",
    ),
    *("table_bench.md", "fig_bench_cells.png", "fig_bench_curve.png", "fig_bench_tau.png"),
    "fig_bench_sensitivity.png",
    *("table_2.md", "table_4.md", "fig_10.png", "fig_seg_search.png", "table_5.md", SCENES),
)
SCORED = {"supernet": "with the weights of its supernet", "retrain": "after a short training"}


def page(scale: str) -> str:
    """The page as Markdown; pictures and numbers are linked by paths relative to reports/SCALE.

    Raises:
        InputError: a result, table or figure is missing.
    """
    folder, plan = Path("reports", scale), plans.load(scale)
    runs = {(data, key): load.runs(scale, data, key) for data, networks in plan.entries.items() for key in networks}
    parts = [
        f"# Results of EoiNAS, {announce(scale)}\n",
        _banner(scale, plan, runs),
        _found(folder / "findings.md"),
        _figure(scale, plan, PICTURE),
        "## What was run (measured)\n",
        table.notes(_counts(scale, plan, runs)),
        "## Selected seeds (measured)\n",
        _selected(scale, plan),
        *(_figure(scale, plan, name) if name in FIGURES else _inlined(folder / name) for name in PARTS),
    ]
    return "\n".join(parts)


def _banner(scale: str, plan: plans.Plan, runs: dict[tuple[str, str], load.Runs]) -> str:
    first: dict[str, load.Runs] = {}
    for (data, _), found in runs.items():
        first.setdefault(plan.datasets[data].title, found)
    first["ImageNet"] = load_transfer.imagenet(scale, next(iter(plan.imagenet)))[0]
    images = [f"{title}: {found.data}, {found.classes} classes" for title, found in first.items()]
    scenes = load_transfer.segmented(scale, next(iter(plan.cityscapes)), load_transfer.INITS[0])
    meaning = (
        "Scale `paper`: what params.yaml does not set otherwise has the paper's value."
        if is_paper(scale)
        else f"**{opening(scale)}.** No measured number on this page may be held against one of the paper."
    )
    return (
        f"> {meaning} Images in place of each data set: {'; '.join([*images, f'Cityscapes: {scenes.data}'])}.\n>\n"
        "> Every part says whether it is measured or quoted.\n"
    )


def _counts(scale: str, plan: plans.Plan, runs: dict[tuple[str, str], load.Runs]) -> list[str]:
    histories = load.histories(scale, list(plan.variants))
    prunes = len(load.prune_epochs(scale, plan.main, plan.seeds[0]))
    costs = {variant.label: table.days_text(load.cost(scale, name)) for name, variant in plan.variants.items()}
    lengths = " and ".join(
        table.epochs_text(plan, "retrain", epochs) for epochs in dict.fromkeys(run.epochs for run in runs.values())
    )
    return [
        f"{len(plan.searches) * len(plan.variants)} searches on {plan.datasets[plan.searched_on].title}: {len(plan.variants)} "
        f"variants, {len(plan.seeds)} seeds each, {table.epochs_text(plan, 'search', histories['epoch'].max())}, {prunes} prunes "
        f"where the search space is slimmed; lambda {plan.lambda_:g}.",
        f"Days of one search, each rounded down to 0.01: {'; '.join(f'{label} {days}' for label, days in costs.items())}.",
        f"{sum(run.n for run in runs.values())} training runs of entries: {len(runs)} networks, {len(plan.runs)} "
        f"run{'s' * (len(plan.runs) > 1)} each, {lengths}.",
        _over_searches(scale, plan),
        *_other_counts(scale, plan),
        *_arithmetic(plan),
    ]


def _arithmetic(plan: plans.Plan) -> list[str]:
    """Where the arithmetic was not float32 of the same bytes each time."""
    return [
        *([f"TensorFloat-32 was allowed (`allow_tf32`) in: {', '.join(plan.tf32)}."] if plan.tf32 else []),
        *(
            [f"Another run may differ in its last digits (`deterministic: false`) in: {', '.join(plan.nondeterministic)}."]
            if plan.nondeterministic
            else []
        ),
    ]


def _over_searches(scale: str, plan: plans.Plan) -> str:
    found = [load.over_searches(scale, candidate) for candidate in plan.candidates]
    served = sum(plan.per_seed.runs for candidate in plan.candidates if plan.per_seed.served_by.get(candidate))
    total = sum(runs.n for searches in found for runs in searches.by_seed.values())
    return (
        f"Over searches: the cell of every seed of {len(plan.variants)} variants and of random search, {plan.per_seed.runs} "
        f"run(s) each, {table.epochs_text(plan, 'retrain', found[0].about.epochs)}: {total} training runs, of which {served} are "
        "an entry's."
    )


def _other_counts(scale: str, plan: plans.Plan) -> list[str]:
    alone = load_transfer.standalone(scale).runs.values()
    large = {key: load_transfer.imagenet(scale, key)[0] for key in plan.imagenet}
    scenes = [load_transfer.segmented(scale, key, init) for key in plan.cityscapes for init in load_transfer.INITS]
    days = table.days_text(load_transfer.seg_cost(scale))
    return [
        f"{sum(run.n for run in alone)} stand-alone runs: {len(alone)} operations, {next(iter(alone)).n} run(s) each, "
        f"{table.epochs_text(plan, 'standalone', next(iter(alone)).epochs)}.",
        f"{len(large)} network(s) on ImageNet or what stands for it, a run each, "
        f"{table.epochs_text(plan, 'imagenet', next(iter(large.values())).epochs)}.",
        f"Street scenes: one search of {load_transfer.seg_history(scale)['epoch'].max()} epochs, "
        f"{len(load_transfer.seg_prune_epochs(scale))} prunes, days: {days}; "
        f"{len(scenes)} trained networks of {scenes[0].iterations} iterations.",
    ]


def _selected(scale: str, plan: plans.Plan) -> str:
    rows = []
    for candidate in plan.candidates:
        seed, scores, by = load.selection(scale, candidate)
        others = ", ".join(f"{key}: {100 * score:.2f}" for key, score in scores.items())
        rows.append([table.label(plan, candidate), str(seed), f"{100 * scores[str(seed)]:.2f}", others, SCORED.get(by, by)])
    columns = ("Variant", "Selected seed", "Its score (%)", "Scores of all seeds (%)", "Scored")
    return f"Score: validation accuracy of the derived network, to be compared within a row alone.\n\n{table.grid(columns, rows)}"


def _found(path: Path) -> str:
    """The answers of the page of findings, and where the rest is."""
    _, _, rest = _read(path).partition("## In short")
    title, _, answers = rest.partition("## Words")[0].partition("\n")
    if not answers:
        raise InputError(f"{path}: has no part 'In short'; run the stage findings again")
    return f"## What was found{title}\n\n{answers.strip()}\n\nWords, tables and all numbers: [findings.md](findings.md).\n"


def _inlined(path: Path) -> str:
    """A written table, its headings one level down."""
    return "".join(f"#{line}" if line.startswith("#") else line for line in _read(path).splitlines(keepends=True))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def _figure(scale: str, plan: plans.Plan, name: str) -> str:
    title, caption = FIGURES[name]
    space = plan.space
    caption = caption.format(
        cell=cell.title(space.cells[0]),
        edges=len(space.cells) * len(space.edges),
        operations=len(space.operations),
        main=plan.main,
        plain=plan.plain,
    )
    shown = f"![{title}]({name})"
    if name == SCENES and load_transfer.segmented(scale, next(iter(plan.cityscapes)), load_transfer.INITS[0]).lent:
        shown = f"`{name}` shows images of the data set and is not passed on with this page; `dvc repro` draws it."
    elif not Path("reports", scale, name).is_file():
        raise InputError(f"reports/{scale}/{name}: no such file")
    return f"## {title}\n\n{shown}\n\nMeasured ({announce(scale)}): {caption}\n"
