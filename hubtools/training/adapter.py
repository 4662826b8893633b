"""The LoRA itself: adding it to a denoiser, writing it, and proving that it reads back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import UsageError
from hubtools.lorafile.look import METADATA_KEY
from hubtools.models.families.protocol import Model, family_for
from hubtools.models.seeds import seed_of
from hubtools.models.tensors import dump_tensors
from hubtools.rooted import Root
from hubtools.settings import TrainSettings
from hubtools.training.layers import (
    ADAPTER,
    PRESETS,
    Size,
    chosen_layers,
    chosen_text_layers,
)
from hubtools.training.texts import TEXT_LAYERS, called, trained_texts, within
from hubtools.training.written import written_lora

if TYPE_CHECKING:
    from torch import Tensor, nn

_MAGNITUDE = ".lora_magnitude_vector."  # of a DoRA, as peft calls it


def add_lora(denoiser: nn.Module, settings: TrainSettings, alpha: float) -> dict[str, nn.Parameter]:
    """Put a LoRA on the layers `settings.target_modules` names; answers its parameters by name.
    `alpha`: of all layers that have none of their own.

    They are float32 whatever the denoiser is: in bf16 an update of 1e-4 is rounded away. A starts
    as peft starts it (Kaiming uniform), but from a generator of each layer's own, so that neither
    precision nor device nor the order of layers changes it; B starts at zero. Raises `UsageError`
    if a target names no layer.
    """
    return _put_on(denoiser, chosen_layers(denoiser, settings, alpha), settings, alpha)


def add_text_lora(
    encoders: Mapping[str, nn.Module],
    settings: TrainSettings,
    alpha: float,
    unread: Sequence[str] = (),
) -> dict[str, nn.Parameter]:
    """Put a LoRA on the attentions of text encoders, {component: CLIP}, in the same way; answers
    its parameters as `text_encoder.text_model...`. Layers whose names begin with one of `unread`
    get none. Raises `UsageError` if a pattern of ranks or alphas that begins with text_encoder fits
    no layer."""
    ends = tuple(f".{layer}" for layer in TEXT_LAYERS)
    layers = {
        (component, name): layer
        for component, encoder in encoders.items()
        for name, layer in encoder.named_modules()
        if name.endswith(ends) and not called(component, name).startswith(tuple(unread))
    }
    told = {called(*place): layer for place, layer in layers.items()}
    sizes = chosen_text_layers(told, settings, alpha)
    parameters: dict[str, nn.Parameter] = {}
    for component, encoder in encoders.items():
        own = {name: sizes[called(of, name)] for of, name in layers if of == component}
        parameters |= _put_on(encoder, own, settings, alpha, component)
    return parameters


def _put_on(
    model: nn.Module,
    sizes: Mapping[str, Size],
    settings: TrainSettings,
    alpha: float,
    component: str | None = None,
) -> dict[str, nn.Parameter]:
    """Its parameters by name, of a text encoder as `component` is called."""
    import torch
    from peft import LoraConfig

    others = {name: size for name, size in sizes.items() if size != Size(settings.rank, alpha)}
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=_one_of(sizes),
        rank_pattern={_one_of(names): rank for rank, names in _by(others, "rank").items()},
        alpha_pattern={_one_of(names): one for one, names in _by(others, "alpha").items()},
        use_rslora=settings.use_rslora,
        # of text encoders diffusers loads no magnitudes
        use_dora=settings.use_dora and component is None,
    )
    try:
        model.add_adapter(config)  # type: ignore[operator]
    except ValueError as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"target_modules: {first}", code="bad-setting") from None
    parameters = {}
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" not in name:
            continue
        told = name if component is None else called(component, name)
        parameter.data = parameter.data.to(torch.float32)
        parameter.requires_grad_(True)
        if parameter.device.type == "meta":
            pass
        elif _MAGNITUDE in name:
            _measure(model.get_submodule(name.partition(_MAGNITUDE)[0]), parameter)
        else:
            _initialise(told, parameter, settings.seed)
        parameters[told] = parameter
    return parameters


def _one_of(names: Iterable[str]) -> str:
    """A pattern of peft that fits these layers and no other."""
    return f"^({'|'.join(map(re.escape, names))})"


def _by(sizes: Mapping[str, Size], key: str) -> dict[Any, list[str]]:
    """{rank or alpha: the layers that have it}."""
    found: dict[Any, list[str]] = {}
    for name, size in sizes.items():
        found.setdefault(getattr(size, key), []).append(name)
    return found


def _measure(layer: Any, magnitude: nn.Parameter) -> None:
    """How large each output of the base is, in float32: with half precision's, the first step would
    not begin at the base."""
    import torch

    weight = layer.get_base_layer().weight.detach().float()
    nothing = torch.zeros((), device=weight.device)
    sizes = layer.lora_magnitude_vector[ADAPTER].get_weight_norm(weight, nothing, 0.0)
    with torch.no_grad():
        magnitude.copy_(sizes)


def _initialise(name: str, parameter: nn.Parameter, seed: int) -> None:
    import torch

    if "lora_B" in name:
        torch.nn.init.zeros_(parameter)
        return
    generator = torch.Generator("cpu").manual_seed(seed_of("lora", seed, name))
    # on the CPU first: other devices draw other numbers
    fresh = torch.empty(parameter.shape, dtype=torch.float32)
    torch.nn.init.kaiming_uniform_(fresh, a=math.sqrt(5), generator=generator)
    with torch.no_grad():
        parameter.copy_(fresh)


def lora_tensors(model: Model) -> dict[str, Tensor]:
    """The LoRA in float32, under the names that the family publishes. What layers multiply it by is
    in the weights: it acts alike in programs that read no alpha."""
    state = family_for(model.pipeline).convert_lora(_own_tensors(model.denoiser), "diffusers")
    texts = {
        called(component, name): tensor
        for component, encoder in trained_texts(model).items()
        for name, tensor in _own_tensors(encoder).items()
    }
    if texts and all(".lora_A." not in name for name in state):  # older names, here as there
        from diffusers.utils import convert_state_dict_to_diffusers

        texts = convert_state_dict_to_diffusers(texts)
    return dict(state) | texts


def _own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Those of a module under peft's names, scaled."""
    from peft import get_peft_model_state_dict

    own: dict[str, Tensor] = get_peft_model_state_dict(module)
    return {name: _scaled(name, tensor.float(), module) for name, tensor in own.items()}


def _scaled(name: str, tensor: Tensor, denoiser: nn.Module) -> Tensor:
    layer, _, half = name.partition(".lora_B.")
    scale = scale_of(denoiser.get_submodule(layer)) if half else 1.0
    return tensor if scale == 1 else tensor * scale


def scale_of(layer: Any) -> float:
    """What a layer with a LoRA multiplies it by at weight 1."""
    alpha, rank = layer.lora_alpha[ADAPTER], layer.r[ADAPTER]
    return float(alpha / (math.sqrt(rank) if layer.use_rslora[ADAPTER] else rank))


def write_lora(
    root: Root,
    name: str,
    model: Model,
    settings: TrainSettings,
    step: int,
    note: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Write the LoRA for publishing, atomically; equal LoRAs give equal bytes.

    The header holds only what every version of peft understands, so that old ones load it too. A
    file that lies there and that somebody has changed is kept and told to `note`.
    """
    parts = {model.prefix: _facts(model.denoiser, settings, settings.target_modules)}
    for component, encoder in trained_texts(model).items():
        parts[component] = _facts(encoder, settings, _text_targets(encoder))
    entry = {
        f"{part}.{key}": value for part, facts in parts.items() for key, value in facts.items()
    }
    metadata = {
        METADATA_KEY: json.dumps(entry, indent=2, sort_keys=True),
        "hubtools_step": str(step),
    }
    tensors = lora_tensors(model)
    with written_lora(root, name, note) as file:
        dump_tensors(file, tensors, metadata)


def _text_targets(encoder: nn.Module) -> Sequence[str]:
    """The last words of the layers that have a LoRA; their names, if some with such words have
    none."""
    names = [name for name, _ in encoder.named_modules() if name.endswith(TEXT_LAYERS)]
    trained = [n for n in names if hasattr(encoder.get_submodule(n), "lora_A")]
    return TEXT_LAYERS if trained == names else [within(name) for name in trained]


def _facts(module: Any, settings: TrainSettings, targets: Sequence[str]) -> dict[str, Any]:
    """What the header says of one part."""
    return {
        "r": settings.rank,
        "lora_alpha": settings.rank,  # see `lora_tensors`
        "lora_dropout": settings.lora_dropout,
        "target_modules": sorted(targets),
        "bias": "none",
        "peft_type": "LORA",
    } | _more_facts(module, settings, targets)


def _more_facts(denoiser: Any, settings: TrainSettings, targets: Sequence[str]) -> dict[str, Any]:
    """What the header says of a LoRA of several ranks, of layers that are not named by their last
    words, and of a DoRA."""
    ranks = {
        within(name): layer.r[ADAPTER]
        for name, layer in denoiser.named_modules()
        if hasattr(layer, "lora_A") and ADAPTER in layer.lora_A
    }
    dora = settings.use_dora and targets is settings.target_modules
    found: dict[str, Any] = {"use_dora": True} if dora else {}
    if any("*" in word or word in PRESETS or word.startswith("^") for word in targets):
        found["target_modules"] = sorted(ranks)
    others = {name: rank for name, rank in ranks.items() if rank != settings.rank}
    if others:
        own = {_alone(name, ranks): rank for name, rank in sorted(others.items())}
        found |= {"rank_pattern": own, "alpha_pattern": own}
    return found


def _alone(name: str, names: Iterable[str]) -> str:
    """A name as a pattern of peft, which would also fit layers that end so."""
    return f"^{name}" if any(other.endswith(f".{name}") for other in names) else name


def slug_of(run_dir: Path) -> str:
    """The run's name, fit for a published weight file: diffusers overlooks files whose names hold
    certain words."""
    slug = re.sub(r"[^a-z0-9]+", "-", run_dir.name.lower()).strip("-")
    for word in ("checkpoint", "optimizer", "scheduler"):
        slug = slug.replace(word, word[:5])
    return slug or "lora"
