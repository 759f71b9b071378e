"""reports/performance/README.md, from what the benchmarks wrote: ``python -m benchmarks.report``."""

from benchmarks import timing, work
from eoinas import files, formats

ORDER = (
    "search_step",
    "seg_search_step",
    "bench_step",
    "calls",
    "operations",
    "retrain_step",
    "data_path",
    "loaders",
    "checkpoint_cost",
    "demo_time",
    "demo_wall",
    "growth",
)
HEAD = """# Performance

Written by `make bench`. Each section names the machine, its load and the settings. Times are medians with their quartiles; what
is compared takes turns, and ratios are taken within a turn. The plain versions stand in `benchmarks/reference.py`.
"""
ESTIMATE = """## GPU-hours of scale paper, an estimate

Counted, not measured: the floating-point operations of the real networks, by `benchmarks/work.py`, at a sustained {rate:g}
TFLOP/s, about what the paper's 12 days for ImageNet on a GTX 1080 Ti come to. Searches take longer, for launches of small kernels
bound them.
"""


def main() -> None:
    found = {name: formats.read_json(path) for name in ORDER if (path := timing.OUT / f"{name}.json").exists()}
    targets = [target for value in found.values() for target in value["targets"]]
    met = sum(target["met"] for target in targets)
    parts = [HEAD, f"## Targets: {met} of {len(targets)} met\n"]
    parts += ["\n".join(timing.table(timing.TARGET_COLUMNS, timing.target_rows(targets))) + "\n"]
    for name, value in found.items():
        parts.append(timing.markdown({**value, "targets": []}).rstrip() + "\n")
        if name == "growth":
            parts.append("![Time and memory of the search step against its size](growth.png)\n")
    parts += [ESTIMATE.format(rate=work.SUSTAINED), work.table(work.rows("paper")) + "\n"]
    files.write_text(timing.OUT / "README.md", "\n".join(parts))
    print(f"{timing.OUT / 'README.md'}: {met} of {len(targets)} targets met")


if __name__ == "__main__":
    main()
