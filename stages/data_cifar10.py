"""CIFAR-10, or what stands in for it at this scale, as arrays. Usage: python -m stages.data_cifar10 SCALE"""

from eoinas import command, params
from eoinas.data import imageset, prepare


def main(scale: str) -> None:
    settings = params.load(prepare.DataParams, scale, "cifar10")
    imageset.save(f"data/prepared/{scale}/cifar10", prepare.prepare(settings, f"{scale}.cifar10"), settings.kind)


if __name__ == "__main__":
    command.run(main)
