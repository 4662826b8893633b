"""What the loaders people use take of an adapter file: diffusers 0.42, measured on tiny pipelines
of each family, and ComfyUI, by its tables of names.

diffusers passes over what it does not know without an error as often as not; the tests load each
kind with the stock loader and count."""

from __future__ import annotations

from collections.abc import Sequence

from hubtools.models.registry import TARGETS
from hubtools.models.rows import Loader, TargetName
from hubtools.tensornames import KOHYA_PREFIXES, Part


def taken_by_diffusers(
    parts: Sequence[Part], others: Sequence[str], family: TargetName
) -> frozenset[str]:
    """Names of the tensors that `load_lora_weights` of a pipeline of `family` reads. `others` are
    those of the file that belong to no adapter. Halves are not looked at."""
    loader = TARGETS[family].layers.loader
    if any(part.style in ("loha", "lokr", "oft") for part in parts):
        return frozenset()
    # it leaves these out first, with a warning
    left = [part for part in parts if not part.name.endswith(".dora_scale")]
    if any(part.style == "kohya" or part.prefix in KOHYA_PREFIXES for part in left):
        return _of_kohya(left, others, loader)
    if loader.strict and any("lora" not in name for name in others):
        return frozenset()
    return _of_dotted(left, loader, f"{TARGETS[family].denoiser}.")


def _of_kohya(parts: Sequence[Part], others: Sequence[str], loader: Loader) -> frozenset[str]:
    prefixes = {part.prefix for part in parts}
    if loader.native and prefixes == {"diffusion_model."}:
        return frozenset(part.name for part in parts)
    if not loader.kohya or others:
        return frozenset()
    known = (*KOHYA_PREFIXES, "lora_transformer_") if loader.own_layers else KOHYA_PREFIXES
    if not prefixes <= set(known):
        return frozenset()  # one other name, and none is converted
    if loader.own_layers and not any(
        part.layer.startswith(loader.own_layers) or part.prefix == "lora_transformer_"
        for part in parts
    ):
        return frozenset()
    return frozenset(
        part.name for part in parts if not part.of_text or loader.encoders or part.role == "alpha"
    )


def _of_dotted(parts: Sequence[Part], loader: Loader, denoiser: str) -> frozenset[str]:
    alphas = [part for part in parts if part.role == "alpha"]
    default = any(part.adapter for part in parts)
    if loader.native and any(part.prefix == "diffusion_model." for part in parts):
        return frozenset(part.name for part in parts if part.prefix == "diffusion_model.")
    if alphas and loader.strict and not loader.native:
        return frozenset()  # "Invalid LoRA checkpoint"
    converted = loader.native and not loader.wrapped and (alphas or default)
    if converted:  # every name gets the prefix, those that have it too
        bare = all(not part.prefix and not part.wrapped for part in parts)
        return frozenset(part.name for part in parts) if bare else frozenset()
    if alphas and loader.strict:
        return frozenset()
    if any(part.wrapped for part in parts):
        fits = [p for p in parts if not p.prefix and p.layer.startswith(loader.wrapped or ("\0",))]
        return frozenset(part.name for part in fits)
    read = [
        part for part in parts if part.prefix in (denoiser, *loader.encoders) and not part.adapter
    ]
    return frozenset(part.name for part in _of_one_style(read))


def _of_one_style(parts: Sequence[Part]) -> list[Part]:
    """Where old names and peft's are mixed, those are lost that are not as the first is."""
    first = min(parts, key=lambda part: part.name, default=None)
    if first is None or first.style != "peft":
        return list(parts)
    return [part for part in parts if part.style in ("peft", "alpha")]


def taken_by_comfyui(parts: Sequence[Part], families: Sequence[TargetName]) -> frozenset[str]:
    """Names of the tensors that ComfyUI's tables know; `families` are those that they fit."""
    known = any(TARGETS[family].layers.loader.comfyui for family in families) or not families
    denoisers = {f"{TARGETS[family].denoiser}." for family in families if not known}
    down_and_up = any("down_blocks" in p.layer or "up_blocks" in p.layer for p in parts)
    return frozenset(
        part.name
        for part in parts
        if not part.wrapped
        and part.adapter in ("", "default")
        and (part.prefix or down_and_up)
        and not (part.role == "magnitude" and part.style == "peft")  # it knows `dora_scale` only
        and part.prefix not in denoisers
    )
