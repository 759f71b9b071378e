"""The auxiliary tower (Sec. IV-C and IV-D): a second, early classifier that only training sees.

Shapes: B images, C channels, f the side of the square feature map, K classes.
"""

import torch
from torch import nn

from eoinas.errors import InputError


class AuxiliaryHead(nn.Module):
    """[B, C, f, f] to logits [B, K]: average pool to 2x2, 1x1 convolution to 128, 2x2 convolution to 768, linear.

    The pool's kernel is ceil(5 f / 8) and its stride f - kernel: 5 and 3 for CIFAR (f = 8), 5 and 2 for ImageNet (f = 7),
    the field's numbers, and 2x2 out for any other f too.

    Args:
        C: channels of the feature map.
        classes: K.
        side: f.
        image_size: side of the input image in pixels, for the message.
        second_bn: BatchNorm after the 2x2 convolution. Published ImageNet parameter counts exist with and without it.

    Raises:
        InputError: the feature map is smaller than 4x4.
    """

    def __init__(self, C: int, classes: int, side: int, image_size: int, second_bn: bool = True) -> None:
        super().__init__()
        if side < 4:
            raise InputError(
                f"images of {image_size}x{image_size} are too small for the auxiliary head: "
                f"it needs a feature map of 4x4 and gets {side}x{side}; use larger images or no auxiliary head"
            )
        kernel = -(-5 * side // 8)
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(kernel, side - kernel, count_include_pad=False),
            nn.Conv2d(C, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768) if second_bn else nn.Identity(),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))  # [B, 768, 1, 1] to [B, K]
