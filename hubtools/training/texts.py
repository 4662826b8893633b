"""Text encoders that are trained beside the denoiser: which they are, and their names.

A CLIP's layers are called as files of LoRAs call them, `text_encoder.text_model.encoder...`,
whatever the installed version of transformers does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hubtools.models.families.protocol import BaseInfo, Model
from hubtools.models.registry import TEXT_ENCODERS
from hubtools.train_settings import TrainSettings

if TYPE_CHECKING:
    from torch import nn

# The linear layers of a CLIP's attentions: what diffusers' scripts and kohya's train of it.
TEXT_LAYERS = ("k_proj", "out_proj", "q_proj", "v_proj")
_WITHIN = "text_model."


def trained_of(info: BaseInfo, settings: TrainSettings) -> tuple[str, ...]:
    """The text encoders that are to be trained."""
    return info.clips if settings.train_text_encoder else ()


def called(component: str, name: str) -> str:
    """A layer or parameter of a text encoder as files call it; transformers has no `text_model`
    around some CLIPs from 5.6 on."""
    return f"{component}.{_WITHIN}{within(name)}"


def within(name: str) -> str:
    """A name in a text encoder without what some versions have around it."""
    return name.removeprefix(_WITHIN)


def layer_of(model: Model, name: str) -> nn.Module:
    """The layer of the denoiser, or of a text encoder that is trained, by its name in states."""
    component, _, inner = name.partition(".")
    encoder = trained_texts(model).get(component)
    if encoder is None:
        return model.denoiser.get_submodule(name)
    return encoder.get_submodule(inner if hasattr(encoder, "text_model") else within(inner))


def trained_texts(model: Model) -> dict[str, nn.Module]:
    """The text encoders that have a LoRA, by the names of their components."""
    found = ((name, getattr(model.pipeline, name, None)) for name in TEXT_ENCODERS)
    return {
        name: encoder
        for name, encoder in found
        if encoder is not None and getattr(encoder, "_hf_peft_config_loaded", False)
    }


def trained_modules(model: Model) -> list[Any]:
    """The denoiser and those text encoders."""
    return [model.denoiser, *trained_texts(model).values()]


@contextmanager
def without_lora(model: Model) -> Iterator[None]:
    """While it lasts all of them are the base's. Only the switch of each layer is turned: peft's
    `disable_adapters` also goes through all modules again and asks every parameter for no gradient,
    which takes 1 % of a step with prior preservation in a small base."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [
        layer
        for one in trained_modules(model)
        for layer in one.modules()
        if isinstance(layer, BaseTunerLayer) and not layer.disable_adapters
    ]
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


@contextmanager
def at_rest(model: Model) -> Iterator[None]:
    """While it lasts nothing is dropped out."""
    before = [(module, module.training) for module in trained_modules(model)]
    for module, _ in before:
        module.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.train(training)
