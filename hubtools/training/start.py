"""The LoRA that a run starts from (`init_from`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from hubtools.conversion.adapter import Adapter, read_adapter
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.inference.lora import LoraFile, resolve_lora
from hubtools.licensing.resolve import license_of_source
from hubtools.manifest import StartedFrom
from hubtools.models.targets import target_of
from hubtools.project import Project
from hubtools.training.adapter import scale_of
from hubtools.training.layers import PRESETS
from hubtools.training.texts import layer_of

if TYPE_CHECKING:
    from torch import nn

    from hubtools.models.families.protocol import Model


@dataclass(frozen=True)
class Start:
    """What is recorded of it, and its layers."""

    facts: StartedFrom
    adapter: Adapter

    def check(self, parameters: Mapping[str, nn.Parameter], prefix: str) -> None:
        """Raise `HubtoolsError` unless it has just the layers and shapes of `parameters`, those of
        the denoiser that diffusers calls `prefix`."""
        name = self.facts.name
        wanted = _halves(parameters)
        layers = {key.removeprefix(f"{prefix}."): one for key, one in self.adapter.layers.items()}
        trains = any(layer.startswith("text_encoder") for layer in wanted)
        if self.of_text(prefix) and not trains:
            raise HubtoolsError(
                f"init_from: {name} changes a text encoder too, which this run leaves as it is.",
                hint="--train-text-encoder, or start from a LoRA of the denoiser alone",
                code="not-supported",
            )
        if trains and not self.of_text(prefix):
            raise HubtoolsError(
                f"init_from: {name} changes no text encoder, and this run trains one.",
                hint="leave --train-text-encoder out",
                code="not-supported",
            )
        dora = any("magnitude" in one for one in wanted.values())
        if dora != any(one.magnitude is not None for one in layers.values()):
            raise HubtoolsError(
                f"init_from: {name} is a {'LoRA' if dora else 'DoRA'}, and this run trains a"
                f" {'DoRA' if dora else 'LoRA'}.",
                hint="leave --use-dora out" if dora else "--use-dora",
                code="not-supported",
            )
        if layers.keys() != wanted.keys():
            raise _other_layers(self.facts, set(layers), set(wanted))
        for layer, halves in wanted.items():
            found, own = layers[layer], halves["lora_A"].shape
            if found.rank != own[0]:
                ranks = sorted({one.rank for one in layers.values()})
                word = f"--rank {ranks[0]}" if len(ranks) == 1 else "--rank, and --rank-pattern"
                raise HubtoolsError(
                    f"init_from: {name} has rank {found.rank} in {layer}, and this run rank"
                    f" {own[0]}.",
                    hint=f"{word}; or change its rank first: hubtools export --rank",
                    code="not-supported",
                )
            if found.down.shape != own or found.up.shape != halves["lora_B"].shape:
                raise HubtoolsError(
                    f"init_from: {name} has other widths than this base in {layer}: it was trained"
                    f" on {self.facts.base_model or 'another base model'}.",
                    hint=_own_base(self.facts),
                    code="not-supported",
                )

    def of_text(self, prefix: str) -> bool:
        """True if it changes something besides the denoiser."""
        return any(not key.startswith(f"{prefix}.") for key in self.adapter.layers)

    def put(self, parameters: Mapping[str, nn.Parameter], model: Model) -> None:
        """Give `parameters` of `model` its weights: at the strength that the run's alpha has, they
        do what they did in the file."""
        import torch

        with torch.no_grad():
            for layer, halves in _halves(parameters).items():
                named = f"{model.prefix}.{layer}"
                found = self.adapter.layers.get(named) or self.adapter.layers[layer]
                share = found.scale / scale_of(layer_of(model, layer))
                halves["lora_A"].copy_(found.down)
                halves["lora_B"].copy_(found.up if share == 1 else found.up.float() * share)
                if found.magnitude is not None:
                    size = halves["magnitude"]
                    size.copy_(found.magnitude.reshape(size.shape))


def find_start(project: Project, folder: Path) -> Start | None:
    """The LoRA of `train.init_from` for the base whose configuration lies in `folder`; None if
    there is none. Names of sd-scripts and peft are read too.

    Raises `HubtoolsError` for what is no LoRA of that kind of base, or damaged."""
    named = project.train.init_from
    if named is None:
        return None
    place = project.to_draw_from("train", "init_from", named, "trained")
    file = resolve_lora(named if place is None else str(place))
    adapter = read_adapter(file.path, target_of(folder))
    if sha256_of(file.path) != file.sha256:
        raise HubtoolsError(
            f"{file.path} has changed while it was read.", hint="start again", code="file-changed"
        )
    return Start(_facts(file), adapter)


def _facts(file: LoraFile) -> StartedFrom:
    repo = file.name if file.of_hub else None
    license = license_of_source(repo, _folder_of(file), file.base_model)
    return StartedFrom(
        name=file.name,
        repo=repo,
        file=file.path.name,
        sha256=file.sha256,
        step=file.step,
        base_model=file.base_model,
        license=license.id if license else None,
        license_name=license.name if license else None,
        license_link=license.link if license else None,
    )


def _folder_of(file: LoraFile) -> Path | None:
    """Where a card of a LoRA on this disk would lie."""
    if file.of_hub:
        return None
    parent = file.path.absolute().parent
    return parent.parent if parent.name == "snapshots" else parent


def _halves(parameters: Mapping[str, nn.Parameter]) -> dict[str, dict[str, nn.Parameter]]:
    """{layer: {lora_A, lora_B, perhaps magnitude: parameter}}."""
    found: dict[str, dict[str, nn.Parameter]] = {}
    for name, parameter in parameters.items():
        layer, _, rest = name.rpartition(".lora_")
        half = "magnitude" if rest.startswith("magnitude") else f"lora_{rest[0]}"
        found.setdefault(layer, {})[half] = parameter
    return found


def _own_base(facts: StartedFrom) -> str:
    named = quote(facts.base_model) if facts.base_model else "NAME, the one that it was trained on"
    return f"--base-model {named}"


def _other_layers(facts: StartedFrom, has: set[str], wanted: set[str]) -> HubtoolsError:
    name = facts.name
    ends = sorted({_quoted(_end(layer)) for layer in has})
    first = min(has ^ wanted)
    if {_end(layer) for layer in has} == {_end(layer) for layer in wanted}:
        return HubtoolsError(
            f"init_from: {name} was trained on {facts.base_model or 'another base model'}: it"
            f" changes {len(has)} layers, and of these kinds this base has {len(wanted)}.",
            hint=f"{_own_base(facts)}; `hubtools inspect` tells what the file says",
            code="not-supported",
        )
    whose = "only it has" if first in has else "it lacks"
    return HubtoolsError(
        f"init_from: {name} changes {len(has)} layers, this run {len(wanted)}: {whose} {first}.",
        hint=" ".join(f"--target-modules {end}" for end in ends[:12])
        if len(ends) <= 12
        else "name its layers with --target-modules: `hubtools inspect` tells them",
        code="not-supported",
    )


def _quoted(end: str) -> str:
    """An end of names as it is typed; one that is a word for many layers, as a pattern."""
    return quote(f"*.{end}" if end in PRESETS else end)


def _end(layer: str) -> str:
    """`to_q`, `to_out.0`, `net.0.proj`: what layers of one sort share."""
    parts = layer.split(".")
    return ".".join(parts[-2:]) if parts[-1].isdigit() else parts[-1]
