"""A LoRA as its layers, whatever file it came in: read by the names of diffusers, peft, sd-scripts
(kohya) and ComfyUI, those that lost their beginning or carry an adapter's name included."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.conversion.checks import (
    check_kind,
    check_magnitude,
    check_shapes,
    settings_beside,
    shown,
)
from hubtools.errors import HubtoolsError, first_line, require_extra
from hubtools.files import open_regular
from hubtools.findings import plural
from hubtools.hub.errors import is_of_machine
from hubtools.lorafile.look import Weights, family_words, look, same_names
from hubtools.modelfiles import is_pickled
from hubtools.models.registry import TARGETS
from hubtools.models.rows import Target
from hubtools.models.singles import bases_of
from hubtools.quiet import hush
from hubtools.tensornames import Part, part_of

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

_COMFYUI = "diffusion_model."
MAGNITUDE = ".lora_magnitude_vector"  # as peft calls it


@dataclass(frozen=True)
class Layer:
    """The change of one layer at weight 1: `scale` times `up` (out, rank, ...) times `down` (rank,
    in, ...), both of them of linear layers or of convolutions. Of a DoRA `magnitude` (out,) is what
    each output of the changed layer is brought to (arXiv:2402.09353, equation 5)."""

    down: Tensor
    up: Tensor
    scale: float
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        """Of its two halves."""
        return int(self.down.shape[0])


@dataclass(frozen=True)
class Adapter:
    """A LoRA for models of `target`. `layers` by their names in a file of diffusers:
    `unet.mid_block...to_q`, `text_encoder.text_model...`. `mended`: what was wrong with the file's
    names; `base`: name of the base, where something besides its header tells; `whose`: where none
    is named, the models that it may be for, `strange_widths` if those have other ones."""

    target: Target
    layers: Mapping[str, Layer]
    metadata: Mapping[str, str]
    mended: tuple[str, ...] = ()
    base: str | None = None
    whose: str = ""
    strange_widths: tuple[int, ...] = ()


def read_adapter(
    path: Path,
    base: Target | None = None,
    *,
    family: str | None = None,
    allow_pickle: bool = False,
) -> Adapter:
    """Read the LoRA in the file at `path`; `base`: the kind of model that it is for; `family`: its
    name in manifests, where the file's own names and widths leave that open. `allow_pickle`: a
    `.bin` may be opened, tensors only.

    Raises `HubtoolsError` for what is no LoRA (a LoHa and its kin, a whole model), for one that is
    damaged or holds half layers, and for names that nobody knows."""
    require_extra("train", "Converting a LoRA")
    weights, tensors = _opened(path, allow_pickle)
    target = _target(path, weights, base, family)
    mended, names = _mended(weights, target)
    _check_names(path, weights, names)
    tensors = {names.get(name, name): tensor for name, tensor in tensors.items()}
    if _is_foreign(tensors):
        tensors = _by_diffusers(path, tensors, target)
        if any(name.startswith(_COMFYUI) for name in tensors):  # it knew them, but for that word
            mended += (f"{_COMFYUI} is taken for {target.denoiser}.",)
            own = f"{target.denoiser}."
            tensors = {name.replace(_COMFYUI, own, 1): one for name, one in tensors.items()}
    if weights.others:
        first = shown(weights.others[0])
        mended += (f"{plural(len(weights.others), 'tensor')} of no LoRA left out ({first})",)
    layers = layers_of(path, weights, tensors)
    known = tuple(f"{name}." for name in (target.denoiser, *target.components))
    lost = [name for name in layers if not name.startswith(known)]
    if lost or not layers:
        first = f" (the first is {lost[0]})" if lost else ""
        raise HubtoolsError(
            f"{path}: {len(lost)} of its {len(layers)} layers have names that belong to no part of"
            f" {target.title}{first}.",
            hint="name the base that it was trained on with --base-model",
            code="not-supported",
        )
    fits = () if base is not None else weights.fitting(family)
    whose = family_words(fits) if same_names(fits) else ""
    strange = weights.strange_widths if base is None else ()
    return Adapter(target, layers, weights.header.metadata, mended, None, whose, strange)


def read_layers(path: Path) -> tuple[Weights, Tensors, dict[str, Layer]]:
    """The LoRA in a .safetensors file under its own names, whatever base it is for. Raises
    `HubtoolsError` as `read_adapter`."""
    require_extra("train", "Writing a LoRA in half precision")
    weights, tensors = _opened(path, False)
    _check_names(path, weights, {})
    return weights, tensors, layers_of(path, weights, tensors)


def layers_of(path: Path, weights: Weights, tensors: Tensors) -> dict[str, Layer]:
    """The layers in the tensors of the file `path`, with the scales that its header says, or the
    configuration beside it."""
    said = settings_beside(path)
    return _layers(path, tensors, said.header_scale if said else weights.header_scale)


def _opened(path: Path, allow_pickle: bool) -> tuple[Weights, Tensors]:
    if is_pickled(path.name):
        if not allow_pickle:
            raise HubtoolsError(
                f"{path} is a pickle, which can run code.",
                hint="add --allow-pickle to have its tensors read, and nothing else of it",
                code="unsafe-file",
            )
        return _unpickled(path)
    from safetensors.torch import load_file

    weights = look(partial(open_regular, path), path.stat().st_size)
    check_kind(path, weights)
    return weights, load_file(path)


def _unpickled(path: Path) -> tuple[Weights, Tensors]:
    """The tensors of a pickle, by PyTorch's reader that makes nothing but tensors."""
    import tempfile

    import torch
    from safetensors.torch import save_file

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the protocol that it is in
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if is_of_machine(error):
            raise
        raise HubtoolsError(
            f"{path} holds more than tensors, or is damaged: {first_line(error)}",
            hint="ask for it as .safetensors",
            code="unsafe-file",
        ) from error
    tensors = {
        str(name): one.contiguous().clone()
        for name, one in (found.items() if isinstance(found, dict) else ())
        if isinstance(one, torch.Tensor) and _is_stored(one)
    }
    with tempfile.TemporaryDirectory() as folder:  # so that one reader judges both
        file = Path(folder) / "weights.safetensors"
        save_file(tensors, file)
        weights = look(partial(open_regular, file), file.stat().st_size)
    check_kind(path, weights)
    return weights, tensors


def _is_stored(tensor: Tensor) -> bool:
    """True for one whose numbers all lie in the file: not sparse, and not one number that claims to
    be very many."""
    import torch

    plain = tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_complex()
    return (
        plain
        and tensor.device.type == "cpu"
        and (tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes())
    )


def _target(path: Path, weights: Weights, base: Target | None, family: str | None) -> Target:
    fits = [TARGETS[name] for name in weights.fitting(family) if TARGETS[name].support]
    if base is not None:
        if not weights.fits(base):
            whose = family_words(weights.families) or "another kind of model"
            raise HubtoolsError(
                f"{path} is a LoRA for {whose}, and the base is {base.title}.",
                hint="name the base that it was trained on",
                code="not-supported",
            )
        return base
    if not same_names(row.name for row in fits):
        title = family_words(weights.families)
        raise HubtoolsError(
            f"{path} does not tell what model it is for{f': it may be {title}' if title else ''}.",
            hint=f"name the base: --base-model {bases_of(weights.families)}",
            code="not-supported",
        )
    return fits[0]


def _mended(weights: Weights, target: Target) -> tuple[tuple[str, ...], dict[str, str]]:
    """What is wrong with the names, and new ones for those."""
    names: dict[str, str] = {}
    said: dict[str, None] = {}
    bare = weights.format == "bare" or (
        weights.format == "peft" and all(not part.prefix for part in weights.parts)
    )
    for part in weights.parts:
        name = part.name
        if part.wrapped:
            said["peft's base_model.model. is taken off"] = None
            name = name.replace("base_model.model.", "", 1)
        if part.adapter:
            said[f"the adapter's name .{part.adapter} is taken out"] = None
            name = name.replace(f".{part.adapter}", "", 1)
        if bare and not part.prefix:
            said[f"{target.denoiser}. is put before the names"] = None
            name = f"{target.denoiser}.{name}"
        names[part.name] = name
    return tuple(said), names


def _is_foreign(tensors: Mapping[str, Any]) -> bool:
    """True for names that diffusers has to translate."""
    parts = [part for part in map(part_of, tensors) if part is not None]
    return any(
        part.prefix.startswith(("lora_", "lycoris_", "diffusion_model.")) or part.style == "kohya"
        for part in parts
    )


def _by_diffusers(path: Path, tensors: Tensors, target: Target) -> Tensors:
    """The same under the names of diffusers, by the reader of the family's pipeline."""
    assert target.support is not None
    hush()
    import diffusers

    reader = getattr(diffusers, target.support.pipelines[0]).lora_state_dict
    options: dict[str, Any] = {}
    if target.denoiser == "unet":
        options["unet_config"] = _Config(_UNET)
    elif target.name == "flux":
        options["return_alphas"] = True
    try:
        found = reader(dict(tensors), **options)
    except Exception as error:
        if is_of_machine(error):
            raise
        raise HubtoolsError(
            f"{path} has names that diffusers does not know for {target.title}:"
            f" {first_line(error)}",
            hint="name the base that it was trained on with --base-model",
            code="not-supported",
        ) from error
    state, alphas = (found[0], found[1]) if isinstance(found, tuple) else (found, None)
    import torch

    state = dict(state) | _magnitudes(tensors, reader, options)
    for name, alpha in (alphas or {}).items():
        place = name.removesuffix(".alpha")
        part = part_of(place)  # some are named by the half that they stand for
        if part is not None:
            place = f"{part.prefix}{part.layer}"
        state[f"{place}.alpha"] = torch.tensor(float(alpha))
    return dict(state)


def _magnitudes(tensors: Tensors, reader: Callable[..., Any], options: dict[str, Any]) -> Tensors:
    """The magnitudes of a DoRA (`dora_scale`), which the reader leaves out, under its names: it is
    given numbers in the place of weights, and tells by them which layer it has called what."""
    import torch

    found = {name: tensor for name, tensor in tensors.items() if name.endswith(".dora_scale")}
    if not found:
        return {}
    places = list(found)
    numbered = {name: one for name, one in tensors.items() if not name.endswith(".alpha")}
    for name in list(numbered):
        part = part_of(name)
        place = f"{part.prefix}{part.layer}.dora_scale" if part is not None else ""
        if part is None or place not in found:
            del numbered[name]
        elif part.role == "up":
            numbered[name] = torch.full(numbered[name].shape, float(places.index(place)))
    told = reader(numbered, **options)
    named = {}
    for name, tensor in (told[0] if isinstance(told, tuple) else told).items():
        part = part_of(name)
        if part is not None and part.role == "up":
            stem = f"{part.prefix}{part.layer}"
            named[f"{stem}{MAGNITUDE}"] = found[places[int(tensor.flatten()[0])]]
    return named


_UNET = {"layers_per_block": 2}


class _Config(dict[str, Any]):
    """The configuration of a UNet as far as names are made of it."""

    __getattr__ = dict.__getitem__


def _check_names(path: Path, weights: Weights, names: Mapping[str, str]) -> None:
    """Raise `HubtoolsError` for two tensors that are one half of one layer, and for biases: one of
    them would be lost."""
    seen: set[tuple[str, str]] = set()
    for part in weights.parts:
        new = part_of(names.get(part.name, part.name)) or part
        place = f"{new.prefix}{_plain(new)}"
        if part.name.endswith(".bias"):
            raise HubtoolsError(
                f"{path} has biases (the first is {shown(part.name)}), which no LoRA of two halves"
                " a layer has.",
                hint="train it without lora_bias",
                code="not-supported",
            )
        if (place, part.role) in seen:
            raise HubtoolsError(
                f"{path} holds more than one LoRA: {shown(place)} is there twice.",
                hint="save each adapter as a file of its own",
                code="not-supported",
            )
        seen.add((place, part.role))


def _layers(
    path: Path, tensors: Tensors, header: Callable[[str, str, int], float | None]
) -> dict[str, Layer]:
    halves: dict[str, dict[str, Tensor]] = {}
    names: dict[str, tuple[str, str]] = {}
    for name, tensor in tensors.items():
        part = part_of(name)
        if part is None or part.role not in ("down", "up", "alpha", "magnitude"):
            continue
        place = f"{part.prefix}{_plain(part)}"
        halves.setdefault(place, {})[part.role] = tensor
        names[place] = part.prefix, part.layer
    layers = {}
    for place, found in sorted(halves.items()):
        if not {"down", "up"} <= found.keys():
            continue
        down, up = _counted(found["down"]), _counted(found["up"])
        check_shapes(path, place, down, up)
        rank = down.shape[0]
        if "alpha" in found and found["alpha"].numel() == 1:
            scale: float | None = float(found["alpha"]) / rank
        else:
            scale = header(*names[place], rank)
        magnitude = found.get("magnitude")
        if magnitude is not None:
            check_magnitude(path, place, up, magnitude)
            magnitude = _counted(magnitude).flatten()
        layers[place] = Layer(down, up, 1.0 if scale is None else scale, magnitude)
    return layers


def _counted(tensor: Tensor) -> Tensor:
    """The same in numbers that can be multiplied."""
    import torch

    plain = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    return tensor if tensor.dtype in plain else tensor.to(torch.float32)


def whole_name(layer: str) -> str:
    """The name of a layer of a CLIP, with the `text_model` that transformers has around it no more
    since 5.6."""
    return f"text_model.{layer}" if layer.startswith("encoder.layers.") else layer


def _plain(part: Part) -> str:
    """The layer's own name: older files of diffusers name the processor of an attention."""
    layer = part.layer.replace(".processor.", ".")
    if part.of_text:
        layer = whole_name(layer)
        stem, _, last = layer.rpartition(".")
        return f"{stem}.{_OF_TEXTS[last]}" if last in _OF_TEXTS else layer
    # a layer may really be called so: `attn.to_out` of FLUX.2's single blocks
    old = layer != part.layer and layer.endswith(".to_out")
    return f"{layer}.0" if old else layer


_OF_TEXTS = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
