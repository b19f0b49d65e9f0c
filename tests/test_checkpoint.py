"""Checkpoints: what is saved is what is loaded, and foreign files do nothing."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from hfnmp_lite import (
    HFN,
    Detector,
    LocalBinaryPattern,
    MetaPatternExtractor,
    load_checkpoint,
    save_checkpoint,
)
from hfnmp_lite.files import InputError
from hfnmp_lite.model.checkpoint import load_trunk_weights


def detectors():
    torch.manual_seed(0)
    mp = Detector(MetaPatternExtractor(), HFN(normalise_image=False))
    lbp = Detector(LocalBinaryPattern(points=6, radius=2.0, method="uniform"), HFN())
    return [mp, lbp, Detector(None, HFN(streams=1))]


@pytest.mark.parametrize("detector", detectors(), ids=["mp", "lbp", "rgb"])
def test_round_trip(detector, tmp_path):
    detector = detector.to(memory_format=torch.channels_last)
    detector.threshold = 0.123456789
    detector.train()(torch.rand(3, 3, 64, 64))  # running statistics that are not the initial ones
    detector.eval()
    save_checkpoint(tmp_path / "model.safetensors", detector, {"seed": 3})
    x = torch.rand(2, 3, 64, 64)
    for path in (tmp_path, tmp_path / "model.safetensors"):
        loaded = load_checkpoint(path)
        assert not loaded.training
        assert loaded.threshold == detector.threshold
        assert loaded.config == {"seed": 3}
        with torch.no_grad():
            torch.testing.assert_close(loaded(x).score, detector(x).score, rtol=0, atol=1e-6)


def test_the_same_detector_is_the_same_bytes(tmp_path):
    written = set()
    for _ in range(12):  # the library orders metadata anew in every file
        save_checkpoint(tmp_path / "model.safetensors", detectors()[0], {"sources": ["à", "b"]})
        written.add((tmp_path / "model.safetensors").read_bytes())
    (content,) = written
    assert int.from_bytes(content[:8], "little") % 8 == 0, "the numbers are not aligned"


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_trunk_starts_from_torchvisions_weights(tmp_path, suffix):
    from torchvision.models import resnet18

    theirs = resnet18().eval()
    path = tmp_path / f"weights.{suffix}"
    state = theirs.state_dict()
    save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
    network = HFN(trunk="resnet18").eval()
    load_trunk_weights(network, path)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x)))))
        expected = theirs.layer4(theirs.layer3(theirs.layer2(expected)))
        for stream in (network.image_stream, network.pattern_stream):
            assert torch.equal(stream.trunk(x)[2], expected)
    for wrong in (HFN(), HFN(trunk="resnet50")):
        with pytest.raises(InputError, match="no weights of the trunk"):
            load_trunk_weights(wrong, path)
    torch.save({"a": Mischief()}, tmp_path / "bad.pth")
    for name in ("bad.pth", "none.pth"):
        with pytest.raises(InputError, match=name):
            load_trunk_weights(network, tmp_path / name)


class Mischief:
    def __reduce__(self):
        return (open, ("mischief.txt", "w"))


def test_foreign_and_damaged_files_are_refused_and_execute_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = tmp_path / "good.safetensors"
    save_checkpoint(good, detectors()[0], {})
    (tmp_path / "pickle.ckpt").write_bytes(pickle.dumps(Mischief()))
    torch.save({"model_state": Mischief()}, tmp_path / "torch.ckpt")
    (tmp_path / "empty.safetensors").write_bytes(b"")
    (tmp_path / "cut.safetensors").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "huge.safetensors").write_bytes(b"\xff" * 64)
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    about = {"network": {"trunk": "lite"}, "pattern": {"name": "mp"}, "threshold": None}
    wrong = {
        "weights": about | {"config": {}},
        "trunk": about | {"config": {}, "network": {"trunk": "vgg"}},
        "argument": about | {"config": {}, "network": {"depth": 3}},
        "pattern": about | {"config": {}, "pattern": {"name": "os.system"}},
        "threshold": about | {"config": {}, "threshold": "high"},
        "incomplete": about,
    }
    for name, content in wrong.items():
        metadata = {"hfnmp_lite": "1", "about": json.dumps(content)}
        save_file({"a": torch.zeros(2)}, tmp_path / f"{name}.safetensors", metadata)
    files = [p for p in tmp_path.iterdir() if p != good]
    for path in [*files, tmp_path / "none.safetensors", tmp_path]:
        with pytest.raises(InputError) as raised:
            load_checkpoint(path)
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "mischief.txt").exists()
