"""ImageNet, or what stands in for it at this scale: checked, with a manifest. Usage: python -m stages.data_imagenet SCALE"""

from eoinas import command, params
from eoinas.data import imagenet_prepare
from eoinas.data.imagenet import ImagenetDataParams


def main(scale: str) -> None:
    imagenet_prepare.prepare(f"data/prepared/{scale}/imagenet", params.read_settings(ImagenetDataParams, scale, "imagenet_data"))


if __name__ == "__main__":
    command.run(main)
