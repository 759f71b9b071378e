"""How the test errors of the retrained networks spread over their training runs."""

from pathlib import Path

from eoinas import params
from eoinas.report import load, plot, table
from eoinas.report.scale import announce

TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
COLOURS = {"eoinas": "#1f6fb4", "baseline": "#7f7f7f", "sss": "#d9822b", "random": "#2ca25f"}
GIVEN = "#8856a7"  # a genotype from a file


def fig_retrain(scale: str, path: Path | str) -> None:
    """Draw one panel a data set, one row an entry: a dot a run, a box for the quartiles, a diamond for the mean.

    Raises:
        InputError: a result is missing.
    """
    plot.style()
    import seaborn
    from matplotlib.figure import Figure

    entries = params.top().entries.cifar
    counts = [len(networks) for networks in entries.values()]
    figure = Figure(figsize=(11, 1.9 + 0.8 * sum(counts) + 0.7 * len(counts)), layout="constrained")
    panels = figure.subplots(len(counts), 1, height_ratios=[count + 0.6 for count in counts], squeeze=False)[:, 0]
    for axes, (data, networks) in zip(panels, entries.items(), strict=True):
        runs = {key: load.runs(scale, data, key) for key in networks}
        labels = {key: f"{table.name(entry)}\n{key}, n = {runs[key].n}" for key, entry in networks.items()}
        errors = [error for key in networks for error in runs[key].errors]
        rows = [labels[key] for key in networks for _ in runs[key].errors]
        palette = {labels[key]: COLOURS.get(entry.genotype, GIVEN) for key, entry in networks.items()}
        shared = {"x": errors, "y": rows, "hue": rows, "palette": palette, "legend": False, "ax": axes}
        seaborn.boxplot(**shared, width=0.55, fill=False, linewidth=1.2, showfliers=False)
        seaborn.swarmplot(**shared, size=5, alpha=0.75)
        means = [run.mean for run in runs.values()]
        axes.scatter(means, range(len(means)), marker="D", s=46, color="white", edgecolor="black", linewidth=1.3, zorder=5)
        images = " and ".join(dict.fromkeys(run.data for run in runs.values()))
        axes.set_title(f"{TITLES[data]} entries, trained and tested on {images}")
        axes.set(xlabel="test error after the last epoch (%)", ylabel="")
    figure.suptitle(
        f"Test errors of the retrained networks ({announce(scale)})\ndot: a training run, box: quartiles, diamond: mean",
        fontsize=13,
    )
    plot.save(figure, path)
