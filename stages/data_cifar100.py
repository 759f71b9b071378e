"""CIFAR-100, or what stands in for it at this scale, as arrays. Usage: python -m stages.data_cifar100 SCALE"""

from eoinas import command, params
from eoinas.data import imageset, prepare


def main(scale: str) -> None:
    settings = params.load(prepare.DataParams, scale, "cifar100")
    imageset.save(f"data/prepared/{scale}/cifar100", prepare.prepare(settings, f"{scale}.cifar100"), settings.kind)


if __name__ == "__main__":
    command.run(main)
