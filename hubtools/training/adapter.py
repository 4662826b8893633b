"""The LoRA itself: adding it to a denoiser, writing it, and proving that it reads back."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import UsageError
from hubtools.lorafile.look import METADATA_KEY
from hubtools.models.families.protocol import Model, family_for
from hubtools.models.seeds import seed_of
from hubtools.models.tensors import dump_tensors
from hubtools.rooted import Root
from hubtools.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Tensor, nn


def add_lora(denoiser: nn.Module, settings: TrainSettings, alpha: float) -> dict[str, nn.Parameter]:
    """Put a LoRA on the layers `settings.target_modules` names; answers its parameters by name.

    They are float32 whatever the denoiser is: in bf16 an update of 1e-4 is rounded away. A starts
    as peft starts it (Kaiming uniform), but from a generator of each layer's own, so that neither
    precision nor device nor the order of layers changes it; B starts at zero. Raises `UsageError`
    if a target names no layer.
    """
    import torch
    from peft import LoraConfig

    for target in settings.target_modules:
        if not any(
            name == target or name.endswith(f".{target}") for name, _ in denoiser.named_modules()
        ):
            raise UsageError(
                f"target_modules: no layer of the denoiser is called {target!r}.",
                hint="usual are to_k, to_q, to_v, to_out.0; also ff.net.0.proj, ff.net.2",
                code="bad-setting",
            )
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(settings.target_modules),
    )
    try:
        denoiser.add_adapter(config)  # type: ignore[operator]
    except ValueError as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"target_modules: {first}", code="bad-setting") from None
    parameters = {}
    for name, parameter in sorted(denoiser.named_parameters()):
        if "lora_" not in name:
            continue
        parameter.data = parameter.data.to(torch.float32)
        parameter.requires_grad_(True)
        if parameter.device.type != "meta":
            _initialise(name, parameter, settings.seed)
        parameters[name] = parameter
    return parameters


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
    """The LoRA in float32, under the names that the family publishes."""
    from peft import get_peft_model_state_dict

    own: dict[str, Tensor] = get_peft_model_state_dict(model.denoiser)
    state = family_for(model.pipeline).convert_lora(own, "diffusers")
    return {name: tensor.float() for name, tensor in state.items()}


def write_lora(
    root: Root, name: str, model: Model, settings: TrainSettings, alpha: float, step: int
) -> None:
    """Write the LoRA for publishing, atomically; equal LoRAs give equal bytes.

    The header holds only what every version of peft understands, so that old ones load it too.
    """
    facts: dict[str, Any] = {
        "r": settings.rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": settings.lora_dropout,
        "target_modules": sorted(settings.target_modules),
        "bias": "none",
        "peft_type": "LORA",
    }
    entry = {f"{model.prefix}.{key}": value for key, value in facts.items()}
    metadata = {
        METADATA_KEY: json.dumps(entry, indent=2, sort_keys=True),
        "hubtools_step": str(step),
    }
    tensors = lora_tensors(model)
    with root.replacing(name) as file:
        dump_tensors(file, tensors, metadata)


def slug_of(run_dir: Path) -> str:
    """The run's name, fit for a published weight file: diffusers overlooks files whose names hold
    certain words."""
    slug = re.sub(r"[^a-z0-9]+", "-", run_dir.name.lower()).strip("-")
    for word in ("checkpoint", "optimizer", "scheduler"):
        slug = slug.replace(word, word[:5])
    return slug or "lora"
