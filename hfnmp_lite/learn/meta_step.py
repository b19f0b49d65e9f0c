"""The meta-learning step: the extractor learns on domains that H was not just trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from hfnmp_lite.learn.losses import presentation_loss
from hfnmp_lite.model.network import HFN, Output

Batch = tuple[Tensor, Tensor]  # images (N, 3, H, W) in [0, 1], live (N,) int64
Loss = Callable[[Output, Tensor], Tensor]
ORDERS = ("alternating", "bilevel", "bilevel-first-order")


def meta_step(
    network: HFN,
    extractor: nn.Module,
    meta_test: Sequence[Batch],
    meta_train: Sequence[Batch],
    network_optimizer: Optimizer,
    extractor_optimizer: Optimizer,
    order: str = "alternating",
    inner_lr: float | None = None,
    loss: Loss = presentation_loss,
) -> dict[str, Tensor]:
    """Do one meta-learning iteration: a step of E per meta-test batch, then one of H.

    theta are the parameters of the network H, phi those of the extractor E.

    - "alternating" (*released code*): phi descends L(theta, phi; meta-test), then theta descends
      L(theta, phi; meta-train) / 2 through the new E. Every pass moves the running statistics.
    - "bilevel": phi descends L(theta'(phi), phi; meta-test), differentiated through the virtual
      steps theta'(phi) = theta - inner_lr * grad_theta L(theta, phi; meta-train) / 2; then theta
      takes its real step as above, the only pass that moves the running statistics.
    - "bilevel-first-order": the same with theta' a constant.

    Parameters
    ----------
    network, extractor : Module
        Both in train mode; the network has two streams.
    meta_test : sequence of batches
        K of (images (N, 3, H, W), live (N,) int64); E takes one step on each.
    meta_train : sequence of batches
        One for "alternating". In the bilevel orders the virtual steps run over them in turn, anew
        for every meta-test batch, and the real step uses the last.
    network_optimizer, extractor_optimizer : Optimizer
        Hold theta and phi.
    order, inner_lr, loss
        As above; `inner_lr` is by default each parameter's rate in `network_optimizer`.

    Returns detached 0-d tensors on the device, unscaled: "meta_test" (mean over its batches, before
    each step) and "meta_train" (of the real step). Raises ValueError for an unknown order, without
    a meta-test batch, and for a number of meta-train batches that the order cannot use.
    """
    if order not in ORDERS:
        raise ValueError(f"order '{order}' is unknown; expected one of {ORDERS}")
    if not meta_test:
        raise ValueError("meta_test is empty; expected K >= 1 batches")
    if not meta_train or (order == "alternating" and len(meta_train) != 1):
        expected = "exactly one batch" if order == "alternating" else "at least one batch"
        raise ValueError(f"meta_train holds {len(meta_train)} batches; '{order}' takes {expected}")
    groups = network_optimizer.param_groups
    rates = {p: g["lr"] if inner_lr is None else inner_lr for g in groups for p in g["params"]}
    test_losses = []
    for batch in meta_test:
        if order == "alternating":
            value = _extractor_loss(network, extractor, batch, loss)
        else:
            exact = order == "bilevel"
            value = _bilevel_loss(network, extractor, batch, meta_train, rates, exact, loss)
        _descend(extractor_optimizer, value)
        test_losses.append(value.detach())
    train_loss = network_step(network, extractor, meta_train[-1], network_optimizer, loss)
    return {"meta_test": torch.stack(test_losses).mean(), "meta_train": train_loss}


def network_step(
    network: HFN, extractor: nn.Module | None, batch: Batch, optimizer: Optimizer, loss: Loss
) -> Tensor:
    """Let H alone descend L / 2 on a batch, through an extractor without a graph; returns L."""
    images, live = batch
    with torch.no_grad():
        pattern = None if extractor is None else extractor(images)
    value = loss(network(images, pattern), live)
    _descend(optimizer, value / 2)
    return value.detach()


def _extractor_loss(network: HFN, extractor: nn.Module, batch: Batch, loss: Loss) -> Tensor:
    """L on a batch with a graph that reaches E alone: nothing is paid for H's gradients."""
    images, live = batch
    with torch.no_grad():
        seen = network.see(images)
    asked = [p for p in network.parameters() if p.requires_grad]
    try:
        network.requires_grad_(False)
        return loss(network.judge(seen, extractor(images)), live)
    finally:
        for parameter in asked:
            parameter.requires_grad_()


def _bilevel_loss(
    network: HFN,
    extractor: nn.Module,
    batch: Batch,
    meta_train: Sequence[Batch],
    rates: dict[Tensor, float],
    exact: bool,
    loss: Loss,
) -> Tensor:
    """L(theta'(phi), phi) on a meta-test batch; the running statistics of both modules stay."""
    theta = dict(network.named_parameters())
    phi = dict(extractor.named_parameters())
    buffers = {k: b.clone() for k, b in network.named_buffers()}
    extractor_buffers = {k: b.clone() for k, b in extractor.named_buffers()}

    def objective(parameters: dict[str, Tensor], images: Tensor, live: Tensor) -> Tensor:
        pattern = functional_call(extractor, (phi, extractor_buffers), (images,))
        return loss(functional_call(network, (parameters, buffers), (images, pattern)), live)

    adapted = theta
    for images, live in meta_train:
        value = objective(adapted, images, live) / 2
        # Without create_graph the gradients are constants, and theta' no longer depends on phi.
        gradients = torch.autograd.grad(
            value, list(adapted.values()), create_graph=exact, materialize_grads=True
        )
        steps = zip(adapted.items(), gradients, strict=True)
        adapted = {k: p - rates[theta[k]] * g for (k, p), g in steps}
    return objective(adapted, *batch)


def _descend(optimizer: Optimizer, value: Tensor) -> None:
    """Let the optimizer's parameters, and no others, take a step down `value`."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)  # "ce" leaves the map
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    optimizer.zero_grad()
