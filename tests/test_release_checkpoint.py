"""The authors' checkpoints: outputs of the released network, and pickles that get nowhere."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from hfnmp_lite import cli, load_checkpoint, save_checkpoint
from hfnmp_lite.config import RunConfig
from hfnmp_lite.experiments.released import ReleasedExtractor, ReleasedNetwork
from hfnmp_lite.experiments.released_file import in_their_names, save_as_release
from hfnmp_lite.files import InputError


def images(n):
    """Patches of colours, so that channels differ."""
    return torch.nn.functional.interpolate(torch.rand(n, 3, 8, 8), size=(96, 96))


@pytest.fixture(scope="module")
def released():
    """Random weights, and statistics of batches, so that outputs depend on the images."""
    torch.manual_seed(5)
    extractor, network = ReleasedExtractor(), ReleasedNetwork("resnet50")
    for module in (*extractor.modules(), *network.modules()):
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        for _ in range(2):
            batch = images(3)
            network(batch, extractor(batch)[0])
        network.classifier.weight *= 20
    return extractor.eval(), network.eval()


@pytest.fixture(scope="module")
def file(released, tmp_path_factory):
    extractor, network = released
    path = tmp_path_factory.mktemp("release") / "best.ckpt"
    save_as_release(path, extractor, network)
    return path


@pytest.fixture(scope="module")
def content(released):
    """The same entries, each of one number, so that a file takes kilobytes."""
    extractor, network = released
    state = in_their_names(network)
    for number, (name, tensor) in enumerate(state.items()):
        state[name] = torch.full((), number % 7, dtype=tensor.dtype).expand(tensor.shape)
    return {
        "val_metrics": {"AUC": np.float64(0.9)},
        "model_state": [extractor.state_dict(), state],
    }


def test_outputs_are_those_of_the_released_network(released, file):
    extractor, network = released
    detector = load_checkpoint(file)
    assert not detector.training
    assert detector.threshold is None
    assert sum(p.numel() for p in detector.extractor.parameters()) == 351
    assert sum(p.numel() for p in detector.network.parameters()) == 60_946_307
    rgb = images(3)
    bgr = rgb.flip(1)  # what the release was fed
    with torch.no_grad():
        pattern, _ = extractor(bgr)
        logits, live_map = network(bgr, pattern)
        out = detector(rgb)
    torch.testing.assert_close(detector.pattern(rgb), pattern, rtol=0, atol=1e-5)
    torch.testing.assert_close(out.logits, logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(out.map, live_map, rtol=0, atol=1e-5)
    score = (live_map.mean((1, 2, 3)) + logits.softmax(1)[:, 1]) / 2
    torch.testing.assert_close(out.score, score, rtol=0, atol=1e-5)
    with torch.no_grad():  # the order of the channels is seen by the network
        other = detector(bgr)
    assert (other.logits - out.logits).abs().max() > 0.01
    assert (other.map - out.map).abs().max() > 0.01


def test_its_config_names_its_size_and_it_can_be_kept_as_ours(file, tmp_path):
    detector = load_checkpoint(file)
    assert RunConfig.from_dict(detector.config).size == 256
    save_checkpoint(tmp_path / "ours.safetensors", detector, detector.config)
    again = load_checkpoint(tmp_path / "ours.safetensors")
    assert again.network.settings == detector.network.settings
    assert torch.equal(again.network.fusion.smooth3.weight, detector.network.fusion.smooth3.weight)


def test_variants_of_the_format_that_occur(content, tmp_path):
    """As before torch 1.6; from DataParallel; without counts of batches; halves; no decoder."""
    torch.save(content, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    bare = [
        {f"module.{k}": v for k, v in part.items() if not k.endswith("num_batches_tracked")}
        for part in content["model_state"]
    ]
    torch.save({"model_state": bare}, tmp_path / "parallel.pth")
    first, second = (
        load_checkpoint(tmp_path / name).state_dict() for name in ("old.ckpt", "parallel.pth")
    )
    for name, tensor in first.items():
        assert name.endswith("num_batches_tracked") or torch.equal(tensor, second[name])
    extractor, network = content["model_state"]
    floats = {k: v for k, v in network.items() if v.is_floating_point()}
    double = {k: v.flatten()[0].double().expand(v.shape) for k, v in floats.items()}
    short = {k: v.bfloat16() if v.is_floating_point() else v for k, v in extractor.items()}
    torch.save({"model_state": [short, {**network, **double}]}, tmp_path / "mixed.ckpt")
    for name, tensor in load_checkpoint(tmp_path / "mixed.ckpt").state_dict().items():
        assert tensor.dtype == first[name].dtype
        torch.testing.assert_close(tensor, first[name], rtol=2**-8, atol=2**-8)
    encoder = {k: v for k, v in extractor.items() if k.startswith("encoder")}
    torch.save({"model_state": [encoder, network]}, tmp_path / "bare.ckpt")
    assert load_checkpoint(tmp_path / "bare.ckpt").state_dict().keys() == first.keys()
    top = content["model_state"][1]
    pair = [top[f"fpn.fpn_{s}.toplayer2.bias"] for s in ("rgb", "tex")]
    assert torch.equal(first["network.fusion.smooth3.bias"], sum(pair) / 2)


class Mischief:
    def __init__(self, call, *arguments):
        self.call = call, arguments

    def __reduce__(self):
        return self.call


def spoiled(content):
    """Name -> what is saved, and words that the refusal must hold."""
    extractor, network = content["model_state"]
    key = "fpn.fpn_rgb.toplayer1.weight"
    without = {k: v for k, v in network.items() if k != key}
    return {
        "number": (3, "model_state"),
        "no-state": ({"epoch": 1}, "model_state"),
        "one-part": ({"model_state": [extractor]}, "model_state"),
        "last": ({"detector": {}, "optimizers": {}}, "run's directory"),
        "missing": ({"model_state": [extractor, without]}, "smooth4"),
        "no-heads": ({"model_state": [extractor, {key: network[key]}]}, "smooth4"),
        "unknown": ({"model_state": [extractor, {**network, "fpn.extra": torch.ones(1)}]}, "extra"),
        "swapped": ({"model_state": [network, extractor]}, "is no checkpoint of the released"),
        "no-state-dict": ({"model_state": [[1], [2]]}, "no state dict"),
        "shape": (
            {"model_state": [extractor, {**network, "cls_heads.bias": torch.zeros(3)}]},
            "classifier.bias",
        ),
        "nan": (
            {"model_state": [extractor, {**network, "cls_heads.bias": torch.full((2,), np.nan)}]},
            "not finite",
        ),
        "whole-numbers": (
            {"model_state": [extractor, {**network, "cls_heads.bias": torch.zeros(2).long()}]},
            "expected floats",
        ),
        "complex": (
            {"model_state": [extractor, {**network, "cls_heads.bias": torch.zeros(2) * 1j}]},
            "expected floats",
        ),
        "view": (  # kilobytes that declare 160 GB
            {"model_state": [extractor, {**network, key: torch.zeros(1).expand(200000, 200000)}]},
            "declares 40,0",
        ),
        "half-view": (
            {"model_state": [{"encoder.0.weight": torch.zeros(1).half().expand(10**10)}, network]},
            "declares 10,000,000,000",
        ),
        "float32": ({**content, "val_metrics": np.float32(0.5)}, "no weights need"),
        "array": ({"model_state": np.zeros(3)}, "asks for"),
        "system": ({"model_state": Mischief(os.system, "touch mischief")}, "asks for"),
        "metrics": (
            {**content, "val_metrics": Mischief(eval, "open('mischief', 'w')")},
            "asks for",
        ),
    }


def test_what_is_no_such_checkpoint_is_refused_in_one_line(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (what, words) in spoiled(content).items():
        torch.save(what, f"{name}.ckpt")
        with pytest.raises(InputError) as refused:
            load_checkpoint(f"{name}.ckpt")
        assert words in str(refused.value), (name, str(refused.value))
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "mischief").exists()


def test_pickles_of_any_kind_execute_nothing(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mischief = Mischief(os.system, "touch mischief")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / f"{protocol}.ckpt").write_bytes(pickle.dumps(mischief, protocol))
    torch.save(mischief, "legacy.ckpt", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", bytes(10**7))
    whole = file.read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.ckpt").touch()
    for path in tmp_path.glob("*.ckpt"):
        with pytest.raises(InputError) as refused:
            load_checkpoint(path)
        assert path.name in str(refused.value)
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "mischief").exists()


def test_from_the_command_line_it_scores_and_is_judged_without_a_threshold(file, tmp_path, capsys):
    images = tmp_path / "frames"
    images.mkdir()
    lines = ["path,domain,subject,presentation,live,attack_type"]
    rng = np.random.default_rng(0)
    for number in range(4):
        picture = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(picture).save(images / f"{number}.png")
        kind = "" if number % 2 else "print"
        lines.append(f"frames/{number}.png,desk,p{number},v{number},{number % 2},{kind}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    assert cli.main(["predict", str(file), str(images / "0.png"), "--no-crop"]) == 0
    assert "  -  " in capsys.readouterr().out  # no verdict
    judged = ["evaluate", str(file), "--manifest", str(tmp_path / "manifest.csv")]
    assert cli.main([*judged, "--domain", "desk"]) == 0
    said = capsys.readouterr().out
    assert "holds no threshold" in said
    assert "HTER at the source threshold" not in said
    assert "AUC" in said
