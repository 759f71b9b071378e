"""Check all of params.yaml before anything runs on it. Usage: python -m stages.check_params SCALE"""

from eoinas import command, files, params
from eoinas.data import cityscapes, prepare
from eoinas.data.imagenet import ImagenetDataParams
from eoinas.data.images import SplitParams
from eoinas.models.segmentation import SegNetworkParams
from eoinas.train import candidates, classify, imagenet, search_cifar, search_seg, segment, standalone

SECTIONS = {
    "cifar10": prepare.DataParams,
    "cifar100": prepare.DataParams,
    "split": SplitParams,
    "search": search_cifar.SearchCifarParams,
    "derive": candidates.DeriveParams,
    "retrain": classify.RetrainParams,
    "standalone": standalone.StandaloneParams,
    "imagenet_data": ImagenetDataParams,
    "imagenet": imagenet.ImagenetParams,
    "cityscapes_data": cityscapes.CityscapesDataParams,
    "seg_search": search_seg.SegSearchParams,
    "seg_network": SegNetworkParams,
    "seg_pretrain": imagenet.RecipeParams,
    "seg_train": segment.SegTrainParams,
}


def check(scale: str) -> None:
    """Raise InputError where params.yaml has a mistake at the top level or in the scale's block."""
    params.top()
    params.known_blocks(scale, SECTIONS)
    for name, section in SECTIONS.items():
        params.load(section, scale, name)


def main(scale: str) -> None:
    check(scale)
    # Constant on purpose: what depends on it is not run again when a parameter changes that it does not use.
    files.write_text(f"results/{scale}/params_checked.txt", "all parameters are known and in range\n")


if __name__ == "__main__":
    command.run(main)
