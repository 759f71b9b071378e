"""Table IV: the network of the segmentation search, built and read off. Usage: python -m stages.table_4 SCALE"""

from eoinas import command, files, params
from eoinas.metrics import structure
from eoinas.report.table_4 import Layer, table_4
from eoinas.train import search_seg


def main(scale: str) -> None:
    settings = params.read_settings(search_seg.SegSearchParams, scale, "seg_search")
    network = search_seg.build(settings)
    layers = [Layer(*stage) for stage in structure.stages_of(network, settings.crops.crop)]
    table = table_4(scale, layers, settings.crops.crop)
    files.write_text(f"reports/{scale}/table_4.md", table.markdown)
    files.write_text(f"reports/{scale}/table_4.csv", table.csv)


if __name__ == "__main__":
    command.run(main)
