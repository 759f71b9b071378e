"""A classification data set, or what stands in for it at this scale, as arrays. Usage: python -m stages.data SCALE DATA"""

from eoinas import command, params
from eoinas.data import imageset, prepare


def main(scale: str, data: str) -> None:
    settings = params.read_settings(prepare.DataParams, scale, f"data/{data}")
    found = prepare.prepare(settings, f"datasets.{data}")
    imageset.save(f"data/prepared/{scale}/images/{data}", found, prepare.KINDS[settings.source])


if __name__ == "__main__":
    command.run(main)
