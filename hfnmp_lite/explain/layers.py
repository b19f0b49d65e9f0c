"""The layers that Grad-CAM can be asked on, by name."""

from __future__ import annotations

from torch import nn

from hfnmp_lite.files import InputError

LAYERS = {"map": ("p3", "p4", "p5"), "margin": ("c5",), "score": ("c5",)}
"""Response -> its layers. The logits come from c5 and never see the fusion p5, p4, p3."""


def need_layers(
    network: nn.Module, response: str, of: str, layer: str | None = None
) -> dict[str, list[nn.Module]]:
    """Return the modules whose outputs are the layer: {part of the attribution: modules}.

    The maps of one part's modules are added. Without a `layer`, the first that the response has.

    Raises
    ------
    InputError
        The response has no such layer, or the network has not.
    """
    known = LAYERS[response]
    name = known[0] if layer is None else layer
    every = tuple(dict.fromkeys(n for names in LAYERS.values() for n in names))
    if name not in every:
        raise InputError(f"layer '{name}' is unknown; expected one of {every}")
    if name not in known:
        why = "the logits never see the fusion" if name != "c5" else "the map is made by the fusion"
        raise InputError(
            f"layer '{name}' was asked for response '{response}', but {why}; expected {known}"
        )
    try:
        found = _c5(network) if name == "c5" else {"image": _level(network, name)}
    except AttributeError:
        raise InputError(
            f"Grad-CAM was asked of a {type(network).__name__}, which has no layer '{name}'; "
            "expected an HFN with one"
        ) from None
    if of == "image":
        return {"image": [module for modules in found.values() for module in modules]}
    if "pattern" not in found:
        raise InputError(
            f"Grad-CAM on '{name}' was asked of '{of}', but there both streams are one; ask of "
            "'image', or the margin on 'c5' of a network that fuses two streams"
        )
    return found if of == "streams" else {"pattern": found["pattern"]}


def _streams(network: nn.Module) -> dict[str, nn.Module]:
    if network.mode == "late":
        return {
            "image": network.image_network.image_stream,
            "pattern": network.pattern_network.image_stream,
        }
    if network.mode == "alone":
        return {"pattern": network.pattern_stream}
    two = network.streams == 2 and network.mode != "concat"
    return {"image": network.image_stream} | ({"pattern": network.pattern_stream} if two else {})


def _c5(network: nn.Module) -> dict[str, list[nn.Module]]:
    return {part: [stream.trunk.layer4] for part, stream in _streams(network).items()}


def _level(network: nn.Module, name: str) -> list[nn.Module]:
    """p5 is the mean of the laterals: their maps add up to its own, factors being in the gradient.

    Fusion at the top has p5 alone; late fusion has a pyramid for each network.
    """
    if name == "p5":
        return [stream.lateral5 for stream in _streams(network).values()]
    late = network.mode == "late"
    networks = [network.image_network, network.pattern_network] if late else [network]
    return [getattr(n.fusion, {"p4": "smooth4", "p3": "smooth3"}[name]) for n in networks]
