"""The page reports/SCALE/README.md: what was run, the selected seeds, tables, figures and facts beside them."""

from pathlib import Path

from eoinas import params
from eoinas.errors import InputError
from eoinas.report import load, load_transfer, reference, table
from eoinas.report.scale import announce, is_paper

# File: title and caption; each caption follows "Measured (scale):".
FIGURES = {
    "fig_5_9.png": (
        "Figs. 5 and 9: the selected cells",
        "the normal and reduction cells that the selected searches of the variants ended in.",
    ),
    "fig_7_8.png": (
        "Figs. 7 and 8: convergence of the searches",
        "train accuracy and loss by epoch, on the left what SSS changes, on the right what OII changes. Lines are means over the "
        "search seeds, bands one standard deviation, dotted lines epochs after which operations were pruned. "
        "The numbers are in [fig_7_8.csv](fig_7_8.csv).",
    ),
    "fig_indicator.png": (
        "The indicator and the chain during the selected search",
        "I of eq. (10) and the probability of the state Die of every operation on three edges a cell, and below, "
        "for all 28 edges, the epoch after which each operation was pruned.",
    ),
    "fig_retrain.png": (
        "Test errors run by run",
        "every training run is a dot; n is written beside the name.",
    ),
    "fig_1_4.png": (
        "Figs. 1 and 4: what the searches knew about an edge",
        "one operation of the final normal cell is replaced by each candidate and the network trained from scratch. Its accuracy "
        "stands against the architecture weight beta in the last step of the search without slimming, and against beta and I of "
        "the EoiNAS search in the last step before its first prune, when all eight operations live. The intervals leave out "
        "how much the accuracies themselves vary from run to run. The numbers are in [fig_1_4.csv](fig_1_4.csv).",
    ),
    "fig_10.png": (
        "Fig. 10: the cells found on street scenes",
        "the normal and reduction cell that the search on street scenes ended in.",
    ),
    "fig_seg_search.png": (
        "Convergence of the search on street scenes",
        "train accuracy and loss by epoch; dotted lines are epochs after which operations were pruned.",
    ),
    "fig_11.png": (
        "Fig. 11: street scenes, labelled",
        "images of the validation set, their ground truth, and what the networks of Table V say that were trained from scratch "
        "and from the pretrained backbone.",
    ),
}
# Tables and figures in the order of the page.
PARTS = (
    *("table_1.md", "table_3.md", "fig_5_9.png", "fig_7_8.png", "fig_indicator.png", "fig_retrain.png", "fig_1_4.png"),
    *("table_2.md", "table_4.md", "fig_10.png", "fig_seg_search.png", "table_5.md", "fig_11.png"),
)
FACTS = (
    f"Convention. {reference.ERROR}",
    f"Convention. {reference.MADDS}",
    f"Quoted. {reference.RANDOM} The rows named random in the tables were run by this project.",
    f"Quoted. {reference.GDAS_COST}",
    f"Quoted. {reference.GDAS_ABLATION}",
    f"Quoted. {reference.FRRN_MEAN}",
    f"Quoted. {reference.DEEPLAB_MEAN}",
)
SCORED = {"supernet": "with the weights of its supernet", "retrain": "after a short training"}


def page(scale: str) -> str:
    """The page as Markdown; pictures and numbers are linked by paths relative to reports/SCALE.

    Raises:
        InputError: a result, table or figure is missing.
    """
    folder = Path("reports", scale)
    top = params.top()
    runs = {(data, key): load.runs(scale, data, key) for data, networks in top.entries.cifar.items() for key in networks}
    parts = [
        f"# Results of EoiNAS, {announce(scale)}\n",
        _banner(scale, top, runs),
        "## What was run (measured)\n",
        table.notes(_counts(scale, top, runs)),
        "## Selected seeds (measured)\n",
        _selected(scale),
        *(_figure(scale, name) if name in FIGURES else _inlined(folder / name) for name in PARTS),
        "## Facts to read beside the numbers\n",
        table.notes(FACTS),
    ]
    return "\n".join(parts)


def _banner(scale: str, top: params.Top, runs: dict[tuple[str, str], load.Runs]) -> str:
    first = {key[0]: found for key, found in runs.items()}
    first["imagenet"] = load_transfer.imagenet(scale, next(iter(top.entries.imagenet)))[0]
    images = [f"{data}: {found.data}, {found.classes} classes" for data, found in first.items()]
    scenes = load_transfer.segmented(scale, next(iter(top.entries.cityscapes)), load_transfer.INITS[0])
    meaning = (
        "The settings are the paper's."
        if is_paper(scale)
        else f"**{announce(scale).capitalize()}.** No measured number on this page may be held against one of the paper."
    )
    return (
        f"> {meaning} Images in place of each data set: {'; '.join([*images, f'cityscapes: {scenes.data}'])}.\n>\n"
        "> Every part says whether it is measured or quoted.\n"
    )


def _counts(scale: str, top: params.Top, runs: dict[tuple[str, str], load.Runs]) -> list[str]:
    histories = load.histories(scale, load.SEARCHED)
    seeds, prunes = top.seeds, len(load.prune_epochs(scale, "eoinas", top.seeds[0]))
    costs = {variant: table.days_text(load.cost(scale, variant)) for variant in load.SEARCHED}
    lengths = ", ".join(str(epochs) for epochs in dict.fromkeys(run.epochs for run in runs.values()))
    return [
        f"{len(load.SEARCHED) * len(seeds)} searches: {len(load.SEARCHED)} variants, {len(seeds)} seeds each, "
        f"{histories['epoch'].max()} epochs, {prunes} prunes where the search space is slimmed; lambda {top.lambda_:g}.",
        f"Days of one search: {', '.join(f'{variant} {days}' for variant, days in costs.items())}.",
        f"{sum(run.n for run in runs.values())} training runs: {len(runs)} networks, {len(top.runs)} runs each, "
        f"{lengths} epochs.",
        *_other_counts(scale, top),
    ]


def _other_counts(scale: str, top: params.Top) -> list[str]:
    alone = load_transfer.standalone(scale).runs.values()
    large = {key: load_transfer.imagenet(scale, key)[0] for key in top.entries.imagenet}
    scenes = [load_transfer.segmented(scale, key, init) for key in top.entries.cityscapes for init in load_transfer.INITS]
    days = table.days_text(load_transfer.seg_cost(scale))
    return [
        f"{sum(run.n for run in alone)} stand-alone runs: {len(alone)} operations, {next(iter(alone)).n} run(s) each, "
        f"{next(iter(alone)).epochs} epochs.",
        f"{len(large)} networks on ImageNet or what stands for it, a run each, {next(iter(large.values())).epochs} epochs.",
        f"Street scenes: one search of {load_transfer.seg_history(scale)['epoch'].max()} epochs, "
        f"{len(load_transfer.seg_prune_epochs(scale))} prunes, days: {days}; "
        f"{len(scenes)} trained networks of {scenes[0].iterations} iterations.",
    ]


def _selected(scale: str) -> str:
    rows, ways = [], {}
    for variant, label in table.NAMES.items():
        seed, scores, by = load.selection(scale, variant)
        others = ", ".join(f"{key}: {100 * score:.2f}" for key, score in scores.items())
        rows.append([label, str(seed), f"**{100 * scores[str(seed)]:.2f}**", others])
        ways[SCORED.get(by, by)] = None
    columns = ("Variant", "Selected seed", "Its score (%)", "Scores of all seeds (%)")
    return f"Score: validation accuracy of the derived network {' or '.join(ways)}.\n\n{table.grid(columns, rows)}"


def _inlined(path: Path) -> str:
    """A written table, its headings one level down."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    return "".join(f"#{line}" if line.startswith("#") else line for line in lines)


def _figure(scale: str, name: str) -> str:
    path = Path("reports", scale, name)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    title, caption = FIGURES[name]
    return f"## {title}\n\n![{title}]({name})\n\nMeasured ({announce(scale)}): {caption}\n"
