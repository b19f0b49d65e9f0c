"""What only a GPU can show. The authors had none: on a machine with one, run these first."""

import pytest
import torch

from hfnmp_lite.config import Machine, make_config
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.protocols import leave_one_out
from hfnmp_lite.experiments.card import measure_card
from hfnmp_lite.experiments.steps import Case
from hfnmp_lite.learn.compute import Compute
from hfnmp_lite.learn.fit import fit

DEVICE = "cuda"
DOMAINS = ("handheld", "mixed", "phone", "webcam")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.fixture(scope="module")
def protocol(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    return leave_one_out(presentations, "webcam", DOMAINS[:3])


def losses(protocol, folder, machine, **changes):
    config = make_config("smoke", "webcam", DOMAINS, validate_every=1, **changes)
    rows = []
    folder.mkdir(exist_ok=True)
    compute = Compute(machine)
    fit(
        config,
        protocol.training,
        protocol.validation,
        folder,
        progress=False,
        compute=compute,
        watch=rows.append,
    )
    return [row["meta_train"] for row in rows]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_gpu_learns_what_a_cpu_learns(protocol, tmp_path, precision, compiled):
    expected = losses(protocol, tmp_path / "cpu", Machine(accelerator="cpu"))
    machine = Machine(accelerator=DEVICE, precision=precision, compile=compiled)
    found = losses(protocol, tmp_path / "gpu", machine)
    assert found == pytest.approx(expected, rel=0.01 if precision == "32-true" else 0.1)


def test_a_step_is_queued_without_waiting_for_the_gpu(protocol, tmp_path):
    """CUDA raises where the host would wait, but for what a look at the validation set needs."""
    from hfnmp_lite.learn import fit as fit_module

    step, modes = fit_module._step, []

    def watched(*arguments):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(*arguments)
        finally:
            modes.append(torch.cuda.get_sync_debug_mode())
            torch.cuda.set_sync_debug_mode("default")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_module, "_step", watched)
        for precision in ("bf16-mixed", "16-mixed"):
            losses(protocol, tmp_path, Machine(accelerator=DEVICE, precision=precision))
    assert set(modes) == {2}


def test_the_card_is_measured():
    found = measure_card(Case("lite", 128, DEVICE), 3, outer_batches=(16,), progress=False)
    assert found["variants"]["ours"]["peak_memory_mb"] > 0
    assert 0 < found["outer_step"][0]["share_of_bf16_matmul_rate"] < 1
