"""The network of Fig. 6(b) as a timm model, to be put where any other goes.

    import eoinas.models.timm_models  # registers it
    timm.create_model("eoinas_imagenet", genotype="data/genotypes/eoinas_cifar.json", num_classes=10)
    timm.create_model("eoinas_imagenet", genotype=genotype, features_only=True, out_indices=(1, 3))
    timm.create_model("eoinas_imagenet", genotype=genotype, checkpoint_path="results/paper/imagenet/eoinas/weights.safetensors")

Weights and their names are ``NetworkImageNet``'s. Shapes: B images, C channels of a node in the first cell, K classes.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.utils.checkpoint
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, register_model
from timm.models._features import feature_take_indices
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas import genotype as genotypes
from eoinas.genotype import Genotype
from eoinas.models.imagenet import NetworkImageNet

default_cfgs = {
    "eoinas_imagenet": {
        "input_size": (3, 224, 224),
        "interpolation": "bilinear",
        "crop_pct": 224 / 256,
        "mean": IMAGENET_DEFAULT_MEAN,
        "std": IMAGENET_DEFAULT_STD,
        "num_classes": 1000,
        "pool_size": (7, 7),
        "first_conv": "stem0.0",
        "classifier": "classifier",
    }
}


class EoinasImagenet(NetworkImageNet):
    """``NetworkImageNet`` without auxiliary head, whose forward gives the logits alone.

    Its feature maps are the two stem outputs and the last output at each further resolution: strides 4, 8, 8, 16 and 32, that is
    before the first cell, after the cells up to each reduction, and at the end.

    Args:
        genotype: both cells, or the path of a genotype JSON.
        C, layers: as of ``NetworkImageNet`` (choice D35).
        num_classes: K; 0: no classifier, the pooled features come out.
        in_chans: channels of the images.
        global_pool: "avg", or "" for unpooled features where there is no classifier.
        drop_rate: dropout before the classifier.

    Raises:
        InputError: the genotype's file is missing or holds none.
    """

    def __init__(
        self,
        genotype: Genotype | Path | str,
        C: int = 48,
        layers: int = 14,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        cell = genotype if isinstance(genotype, Genotype) else genotypes.load(genotype)
        super().__init__(cell, C, layers, max(num_classes, 1), auxiliary=False)
        if in_chans != 3:
            first = self.stem0[0]
            self.stem0[0] = nn.Conv2d(in_chans, first.out_channels, 3, 2, padding=1, bias=False)
        self.num_features = self.head_hidden_size = self.classifier.in_features
        self.in_chans, self.drop_rate, self.grad_checkpointing = in_chans, drop_rate, False
        # The cells whose output is the last one at its resolution.
        self.taps = (layers // 3 - 1, 2 * layers // 3 - 1, layers - 1)
        self.feature_info = [
            {"num_chs": C, "reduction": 4, "module": "stem0"},
            {"num_chs": C, "reduction": 8, "module": "stem1"},
            *(
                {"num_chs": self.cells[tap].out_channels, "reduction": reduction, "module": f"cells.{tap}"}
                for tap, reduction in zip(self.taps, (8, 16, 32), strict=True)
            ),
        ]
        self.reset_classifier(num_classes, global_pool)

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new classifier for other classes, 0 for none."""
        if global_pool is not None:
            if global_pool not in ("", "avg"):
                raise ValueError(f"global_pool '{global_pool}': one of 'avg' and ''")
            self.global_pool = global_pool
        self.num_classes = num_classes
        if num_classes and not self.global_pool:
            raise ValueError("a classifier needs global_pool 'avg'")
        if num_classes != getattr(self.classifier, "out_features", 0):
            self.classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        elif not num_classes:
            self.classifier = nn.Identity()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Recompute each cell in the backward pass instead of keeping what it computed."""
        self.grad_checkpointing = enable

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """Layers for timm's layer-wise learning rates."""
        return {"stem": r"^stem\d", "blocks": r"^cells\.(\d+)"}

    def forward_features(self, x: Tensor) -> Tensor:
        """[B, in_chans, H, W] to [B, num_features, H / 32, W / 32]."""
        return self._run(x, len(self.cells))[0]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Features to logits [B, K], or to pooled features [B, num_features]."""
        if self.global_pool:
            x = x.mean((2, 3))
        x = F.dropout(x, self.drop_rate, self.training)
        return x if pre_logits else self.classifier(x)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in_chans, H, W] to logits [B, K]."""
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The feature maps of ``feature_info`` that ``indices`` names, and the last features; as timm's models have it."""
        if output_fmt != "NCHW":
            raise ValueError("output_fmt must be NCHW")
        chosen, last = feature_take_indices(len(self.feature_info), indices)
        features, maps = self._run(x, self._cells_up_to(last) if stop_early or intermediates_only else len(self.cells))
        taken = [maps[index] for index in chosen]
        return taken if intermediates_only else (features, taken)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the cells after the last of the feature maps, and the classifier."""
        chosen, last = feature_take_indices(len(self.feature_info), indices)
        del self.cells[self._cells_up_to(last) :]
        if last < len(self.feature_info) - 1:
            self.num_features = self.head_hidden_size = self.feature_info[last]["num_chs"]
        if prune_head or last < len(self.feature_info) - 1:
            self.reset_classifier(0, "")
        return chosen

    def load_state_dict(self, state_dict: dict[str, Tensor], strict: bool = True, assign: bool = False) -> NamedTuple:
        """As of any module; the auxiliary head that a training leaves in its weights is not needed here."""
        kept = {name: value for name, value in state_dict.items() if not name.startswith("auxiliary.")}
        return super().load_state_dict(kept, strict, assign)

    def _cells_up_to(self, feature: int) -> int:
        """How many cells it takes to make this feature map; the first two are the stem's."""
        return 0 if feature < 2 else self.taps[feature - 2] + 1

    def _run(self, x: Tensor, stop: int) -> tuple[Tensor, list[Tensor]]:
        """The last output after ``stop`` cells, and the feature maps on the way."""
        s0, s1 = self.stem(x)
        maps = [s0, s1]
        for index, cell in enumerate(self.cells[:stop]):
            if self.grad_checkpointing and self.training:
                out = torch.utils.checkpoint.checkpoint(cell, s0, s1, use_reentrant=False)
            else:
                out = cell(s0, s1)
            s0, s1 = s1, out
            if index in self.taps:
                maps.append(s1)
        return s1, maps


@register_model
def eoinas_imagenet(pretrained: bool = False, **kwargs: object) -> nn.Module:
    """C = 48 and 14 cells (choice D35); there are no weights to download."""
    return build_model_with_cfg(EoinasImagenet, "eoinas_imagenet", pretrained, feature_cfg={"feature_cls": "getter"}, **kwargs)
