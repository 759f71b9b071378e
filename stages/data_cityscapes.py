"""Cityscapes, or what stands in for it at this scale: checks and a manifest. Usage: python -m stages.data_cityscapes SCALE"""

from eoinas import command, params
from eoinas.data import cityscapes, cityscapes_check


def main(scale: str) -> None:
    settings = params.read_settings(cityscapes.CityscapesDataParams, scale, "cityscapes_data")
    cityscapes_check.prepare(settings, cityscapes.PREPARED.format(scale=scale))


if __name__ == "__main__":
    command.run(main)
