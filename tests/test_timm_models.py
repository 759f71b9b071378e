import json
import warnings
from pathlib import Path

import pytest
import timm
import torch

import eoinas.models.timm_models  # noqa: F401
from eoinas import weights
from eoinas.errors import InputError
from eoinas.genotype import parse
from eoinas.metrics.complexity import parameters
from eoinas.models.imagenet import NetworkImageNet

ROOT = Path(__file__).parent.parent
CELLS = json.loads(Path(__file__).with_name("oracle.json").read_text())
PUBLISHED = "data/genotypes/eoinas_cifar.json"
CELL = parse(CELLS["cells"]["eoinas_cifar"]["genotype"], "oracle.json")
SMALL = {"genotype": CELL, "C": 4, "layers": 6, "num_classes": 5}
X = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", CELLS["cells"])
def test_parameters_as_published(name) -> None:
    with torch.device("meta"):
        network = timm.create_model("eoinas_imagenet", genotype=parse(CELLS["cells"][name]["genotype"], name))
    assert parameters(network) == CELLS["cells"][name]["imagenet_c48"]["params"]


def test_gdas_as_published() -> None:
    with torch.device("meta"):
        network = timm.create_model("eoinas_imagenet", genotype=parse(CELLS["cells"]["gdas_v1"]["genotype"], "gdas"), C=50)
    assert parameters(network) == CELLS["networks"]["gdas_v1_imagenet_c50_14_cells"]["params"]


def test_logits_are_those_of_the_network(tmp_path) -> None:
    network = NetworkImageNet(CELL, 4, 6, 5, 224)
    network.train()(torch.randn(2, 3, 224, 224))  # running statistics that are not the first ones
    weights.save(network, tmp_path / "whole.safetensors")
    network.auxiliary = None
    weights.save(network, tmp_path / "weights.safetensors")
    model = timm.create_model("eoinas_imagenet", checkpoint_path=str(tmp_path / "weights.safetensors"), **SMALL)
    expected = network.eval()(X)[0]
    assert torch.equal(model.eval()(X), expected)
    assert torch.equal(model.forward_head(model.forward_features(X)), expected)
    # What the stage writes has the auxiliary head too, which is left out.
    other = timm.create_model("eoinas_imagenet", checkpoint_path=str(tmp_path / "whole.safetensors"), **SMALL)
    assert torch.equal(other.eval()(X), expected)


def test_genotype_as_a_path(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    model = timm.create_model("eoinas_imagenet", genotype=PUBLISHED, C=4, layers=6)
    assert model.eval()(X).shape == (2, 1000)
    with pytest.raises(InputError, match=r"absent.json: no such file"):
        timm.create_model("eoinas_imagenet", genotype="absent.json")


def test_features_only() -> None:
    model = timm.create_model("eoinas_imagenet", features_only=True, **SMALL).eval()
    maps = model(X)
    assert model.feature_info.channels() == [4, 4, 16, 32, 64] == [each.shape[1] for each in maps]
    assert model.feature_info.reduction() == [4, 8, 8, 16, 32]
    assert [each.shape[2:] for each in maps] == [(96 // r, 64 // r) for r in model.feature_info.reduction()]


@pytest.mark.parametrize("indices", [(1, 3), (0,), (4,), (2,), (-1,), (0, 1)])
def test_features_by_index_are_the_networks(indices) -> None:
    whole = timm.create_model("eoinas_imagenet", **SMALL).eval()
    model = timm.create_model("eoinas_imagenet", features_only=True, out_indices=indices, **SMALL).eval()
    state = {name: value for name, value in whole.state_dict().items() if f"model.{name}" in model.state_dict()}
    model.model.load_state_dict(state)
    features, maps = whole.forward_intermediates(X)
    assert torch.equal(features, whole.forward_features(X))
    found = model(X)
    assert len(found) == len(indices) == len(model.feature_info.channels())
    for each, index, channels in zip(found, indices, model.feature_info.channels(), strict=True):
        assert torch.equal(each, maps[index])
        assert each.shape[1] == channels
    last = max(index % 5 for index in indices)
    assert len(model.model.cells) == [0, 0, 2, 4, 6][last]


def test_classifier() -> None:
    model = timm.create_model("eoinas_imagenet", **SMALL).eval()
    assert (model.get_classifier().out_features, model.num_classes, model.num_features) == (5, 5, 64)
    model.reset_classifier(7)
    assert model(X).shape == (2, 7)
    model.reset_classifier(0)
    assert torch.equal(model(X), model.forward_features(X).mean((2, 3)))
    assert torch.equal(model.forward_head(model.forward_features(X), pre_logits=True), model(X))
    model.reset_classifier(0, "")
    assert model(X).shape == (2, 64, 3, 2)
    bare = timm.create_model("eoinas_imagenet", **{**SMALL, "num_classes": 0}).eval()
    assert bare(X).shape == (2, 64)


def test_other_channels_and_gradient_checkpointing() -> None:
    model = timm.create_model("eoinas_imagenet", in_chans=1, **SMALL)
    x = X[:, :1]
    model(x).sum().backward()
    plain = [value.grad.clone() for value in model.parameters()]
    model.zero_grad()
    model.set_grad_checkpointing()
    model(x).sum().backward()
    assert all(torch.allclose(value.grad, one, atol=1e-4) for value, one in zip(model.parameters(), plain, strict=True))


def test_configuration_is_what_it_was_trained_with() -> None:
    model = timm.create_model("eoinas_imagenet", **SMALL)
    assert timm.is_model("eoinas_imagenet")
    config = timm.data.resolve_model_data_config(model)
    assert (config["input_size"], config["crop_pct"], config["interpolation"]) == ((3, 224, 224), 0.875, "bilinear")
    assert model.pretrained_cfg["first_conv"] == "stem0.0"
    assert model.get_submodule("stem0.0").in_channels == 3
    assert model.pretrained_cfg["classifier"] == "classifier"


def test_no_weights_to_download() -> None:
    with pytest.raises(RuntimeError):
        timm.create_model("eoinas_imagenet", pretrained=True, **SMALL)


def test_a_traced_model_is_right_for_other_sides_too() -> None:
    """In evaluation, with gradients enabled, as any other timm model; the trace is checked by running it again."""
    model = timm.create_model("eoinas_imagenet", **SMALL).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit itself
        traced = torch.jit.trace(model, X)
    for sides in ((96, 64), (64, 96), (100, 71)):
        x = torch.randn(3, 3, *sides)
        assert torch.allclose(traced(x), model(x), atol=1e-5), sides


def test_an_exported_model_has_dynamic_sides() -> None:
    model = timm.create_model("eoinas_imagenet", **{**SMALL, "layers": 3}).eval()
    batch, height, width = torch.export.Dim("batch"), torch.export.Dim("height", min=49), torch.export.Dim("width", min=49)
    exported = torch.export.export(model, (X,), dynamic_shapes=({0: batch, 2: height, 3: width},)).module()
    for shape in ((2, 3, 96, 64), (3, 3, 49, 130)):
        x = torch.randn(shape)
        assert torch.allclose(exported(x), model(x), atol=1e-5), shape
