"""One look at a weight file: what it is, whom it is for, and what loaders make of it. Without
torch: the header is read first, then the numbers of an adapter, a few megabytes at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, TypeGuard

from hubtools.lorafile.loaders import taken_by_comfyui, taken_by_diffusers
from hubtools.lorafile.values import Values, read_values
from hubtools.models.layers import families_of, widths_of_none
from hubtools.models.registry import DENOISERS, TARGETS
from hubtools.models.rows import Target, TargetName
from hubtools.tensornames import KOHYA_PREFIXES, Part, part_of
from hubtools.weights import Header, Holds, read_header

ADAPTERS = (Holds.LORA, Holds.LYCORIS)
# diffusers reads rank, alpha and targets from this header entry; without it a reloaded LoRA gets
# alpha = rank and acts at another strength.
METADATA_KEY = "lora_adapter_metadata"
# How names of a denoiser's tensors begin.
DENOISER_PREFIXES = tuple(f"{name}." for name in DENOISERS)
_MOST_METADATA = 1_000_000  # letters of that entry


@dataclass(frozen=True)
class Said:
    """Settings of peft: the content of an `adapter_config.json`."""

    content: Mapping[str, Any]

    def header_scale(self, prefix: str, layer: str, rank: int) -> float | None:
        """What a layer of that rank is multiplied by: its own alpha, else that of all, over the
        rank, or over its root (rsLoRA)."""
        own = _own_alpha(self.content.get("alpha_pattern"), layer)
        alpha = self.content.get("lora_alpha")
        if own is None and _is_number(alpha):
            own = float(alpha)
        return _scale(own, rank, self.content.get("use_rslora"))


def _own_alpha(patterns: Any, layer: str) -> float | None:
    """The alpha that peft's `alpha_pattern` has for a layer: the end of its name does, or the whole
    of it behind a ^."""
    for name, alpha in patterns.items() if isinstance(patterns, dict) else ():
        whole, plain = name.startswith("^"), name.removeprefix("^")
        fits = layer == plain if whole else f".{layer}".endswith(f".{plain}")
        if fits and _is_number(alpha):
            return float(alpha)
    return None


def _scale(alpha: float | None, rank: int, stable: Any) -> float | None:
    if alpha is None or not rank:
        return None
    return alpha / (math.sqrt(rank) if stable is True else rank)


@dataclass(frozen=True)
class Weights:
    """A .safetensors file that was looked at. `values` is None where its numbers were not read:
    it is no adapter and no embedding, or damaged."""

    header: Header
    bytes: int
    values: Values | None

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Its tensors that belong to an adapter."""
        return tuple(part for part in map(part_of, self.header.tensors) if part is not None)

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Names of those that do not."""
        return tuple(name for name in self.header.tensors if part_of(name) is None)

    @property
    def is_adapter(self) -> bool:
        """True for a LoRA and its relatives."""
        return self.header.holds in ADAPTERS

    @cached_property
    def kind(self) -> str:
        """What it is, in the field's words: lora, dora, loha, lokr, oft, embedding, whole model,
        ..."""
        styles = {part.style for part in self.parts}
        if self.header.holds is Holds.LYCORIS:
            return " and ".join(s for s in ("loha", "lokr", "oft") if s in styles)
        if self.header.holds is Holds.LORA:
            dora = any(part.role == "magnitude" for part in self.parts)
            return "dora" if dora else "lora"
        return {
            Holds.EMBEDDING: "embedding",
            Holds.MODEL: "whole model",
            Holds.FULL_WITH_LORA: "whole model with a lora inside",
            Holds.OPTIMIZER: "optimizer state",
        }.get(self.header.holds, "damaged")

    @cached_property
    def format(self) -> str | None:
        """How its tensors are named: diffusers, peft, kohya, native (`diffusion_model.`), bare;
        None if it is no adapter."""
        if not self.is_adapter:
            return None
        if any(part.wrapped for part in self.parts):
            return "peft"
        prefixes = self.prefixes
        if any(p in KOHYA_PREFIXES or p in ("lora_transformer_", "lycoris_") for p in prefixes):
            return "kohya"
        if "diffusion_model." in prefixes:
            return "native"
        return "diffusers" if any(prefixes) else "bare"

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """What the names begin with, before the layer; "" where there is no such beginning."""
        return tuple(sorted({part.prefix for part in self.parts}))

    @cached_property
    def families(self) -> tuple[TargetName, ...]:
        """The kinds of models that its names and widths fit; none if nothing tells."""
        shapes = {name: entry["shape"] for name, entry in self.header.tensors.items()}
        found = families_of(self.parts, shapes) if self.is_adapter else frozenset()
        return tuple(row.name for row in TARGETS.values() if row.name in found)

    @cached_property
    def strange_widths(self) -> tuple[int, ...]:
        """Widths of its layers if none of `families` has such: its base is none that is published,
        but a tiny one or somebody's own."""
        shapes = {name: entry["shape"] for name, entry in self.header.tensors.items()}
        return widths_of_none(self.parts, shapes, self.families)

    @cached_property
    def text_only(self) -> bool:
        """True for an adapter of text encoders and nothing else."""
        return bool(self.parts) and all(part.of_text for part in self.parts)

    @cached_property
    def ranks(self) -> tuple[int, ...]:
        """The ranks of its layers, each once."""
        entries = self.header.tensors
        found = {
            entries[p.name]["shape"][0]
            for p in self.parts
            if p.role == "down" and entries[p.name]["shape"]
        }
        found |= {
            entries[p.name]["shape"][0]
            for p in self.parts
            if p.role == "other"
            and p.name.endswith(("hada_w1_b", "lokr_w1_b", "lokr_w2_b"))
            and entries[p.name]["shape"]
        }
        return tuple(sorted(found))

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The last names of the layers it changes: `to_q`, `to_out.0`."""
        return tuple(sorted({_target(part.layer) for part in self.parts}))

    @cached_property
    def dtypes(self) -> tuple[str, ...]:
        """Formats of its numbers, as the header names them."""
        return tuple(sorted({entry["dtype"] for entry in self.header.tensors.values()}))

    @cached_property
    def alphas(self) -> tuple[float, ...]:
        """Alphas that stand beside the layers as tensors, each once."""
        numbers = self.values.numbers if self.values else {}
        return tuple(sorted({numbers[n] for n in numbers if n.endswith(".alpha")}))

    @cached_property
    def header_alphas(self) -> dict[str, float]:
        """`prefix.` -> alpha of the header, which diffusers reads and ComfyUI does not."""
        said = self._said
        found = {}
        for key, value in said.items():
            prefix, dot, word = key.rpartition(".")
            if (
                dot
                and word == "lora_alpha"
                and _is_number(value)
                and _is_number(said.get(f"{prefix}.r"))
            ):
                found[f"{prefix}."] = float(value)
        return found

    def header_scale(self, prefix: str, layer: str, rank: int) -> float | None:
        """What a layer of that rank is multiplied by, as the header says: its own alpha, else that
        of its part, over the rank, or over its root (rsLoRA)."""
        own = _own_alpha(self._said.get(f"{prefix}alpha_pattern"), layer)
        alpha = self.header_alphas.get(prefix) if own is None else own
        return _scale(alpha, rank, self._said.get(f"{prefix}use_rslora"))

    @cached_property
    def _said(self) -> dict[str, Any]:
        text = self.header.metadata.get(METADATA_KEY, "")
        if not text or len(text) > _MOST_METADATA:
            return {}
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}

    def strengths(self, *, header: bool) -> tuple[float, ...]:
        """alpha / rank of its layers, each once, ascending: what a loader multiplies them by at
        weight 1. `header`: it reads alphas there (diffusers does; ComfyUI takes 1 then)."""
        numbers = self.values.numbers if self.values else {}
        found = set()
        for part in self.parts:
            if part.role != "down":
                continue
            rank = next(iter(self.header.tensors[part.name]["shape"]), 0)
            scale = _scale(numbers.get(f"{stem_of(part)}.alpha"), rank, stable=False)
            if scale is None and header:
                scale = self.header_scale(part.prefix, part.layer, rank)
            found.add(1.0 if scale is None else scale)
        return tuple(sorted(found))

    @cached_property
    def layers(self) -> Mapping[str, frozenset[str]]:
        """The halves that each layer has: "down", "up"; without alphas and such."""
        found: dict[str, set[str]] = {}
        for part in self.parts:
            if part.role in ("down", "up"):
                found.setdefault(stem_of(part), set()).add(part.role)
        return {layer: frozenset(halves) for layer, halves in found.items()}

    @cached_property
    def halved(self) -> tuple[str, ...]:
        """Layers of which one half is missing."""
        return tuple(layer for layer, halves in self.layers.items() if len(halves) < 2)

    @cached_property
    def ups(self) -> tuple[str, ...]:
        """Names of the tensors that are zero before training (B, up)."""
        return tuple(
            p.name
            for p in self.parts
            if p.role == "up" or p.name.endswith((".hada_w2_a", ".lokr_w2", ".lokr_w2_a"))
        )

    @cached_property
    def idle(self) -> tuple[str, ...]:
        """Those of `ups` that are zero: their layers change nothing."""
        zero = self.values.zero if self.values else frozenset()
        return tuple(name for name in self.ups if name in zero)

    def taken(self, base: Target | None = None) -> frozenset[str]:
        """Names of the tensors that diffusers' `load_lora_weights` would use, of halves that have
        a partner. Without a base: of the family that takes most."""
        names: tuple[TargetName, ...] = self.families or tuple(row.name for row in TARGETS.values())
        families = (base.name,) if base is not None else names
        found = (taken_by_diffusers(self.parts, self.others, family) for family in families)
        return self._whole(max(found, key=len))

    def taken_by_comfyui(self, family: str | None = None) -> frozenset[str]:
        """The same of ComfyUI, as its tables of names tell. `family`: as in `fitting`."""
        return self._whole(taken_by_comfyui(self.parts, self.fitting(family)))

    def fitting(self, family: str | None) -> tuple[TargetName, ...]:
        """Those of `families` that belong to the family that manifests name so; all of them if none
        does, since the file's own names and widths go before."""
        fits = (TARGETS[name].support for name in self.families)
        found = zip(self.families, fits, strict=True)
        return tuple(n for n, s in found if s and s.name == family) or self.families

    def _whole(self, names: frozenset[str]) -> frozenset[str]:
        alone = set(self.halved)
        return frozenset(p.name for p in self.parts if p.name in names and stem_of(p) not in alone)

    def fits(self, base: Target) -> bool:
        """False if its names or widths are those of another kind of model than `base`."""
        denoisers = {p for p in self.prefixes if p in DENOISER_PREFIXES}
        if denoisers and denoisers != {f"{base.denoiser}."}:
            return False
        return not self.families or base.name in self.families


def look(opened: Callable[[], BinaryIO], size: int) -> Weights:
    """Look at the file that `opened` opens (twice); `size` in bytes. Raises `OSError` where it
    cannot be read."""
    header = read_header(opened())
    values = None
    if header.holds in (*ADAPTERS, Holds.EMBEDDING):
        values = read_values(opened(), header.tensors, header.start)
    return Weights(header, size, values)


def words_for(header: Header) -> str:
    """How people call what is in an adapter file: LoRA, DoRA, LoHa, LoKr, OFT."""
    kind = Weights(header, 0, None).kind
    known = {"lora": "LoRA", "dora": "DoRA", "loha": "LoHa", "lokr": "LoKr", "oft": "OFT"}
    return " and ".join(known.get(word, word) for word in kind.split(" and "))


def stem_of(part: Part) -> str:
    """The name of a tensor up to the half, alpha or magnitude: that of the layer it is for."""
    wrapped = "base_model.model." if part.wrapped else ""
    return f"{wrapped}{part.prefix}{part.layer}"


def _target(layer: str) -> str:
    first, dot, last = layer.rpartition(".")
    if not dot:  # kohya's, where every dot is an underscore
        return next((t for t in _FLAT if layer.endswith(t)), layer.rpartition("_")[2])
    return f"{first.rpartition('.')[2]}.{last}" if last.isdigit() else last


_FLAT = (
    "to_q", "to_k", "to_v", "to_out_0", "q_proj", "k_proj", "v_proj", "out_proj", "proj_in",
    "proj_out", "ff_net_0_proj", "ff_net_2", "attn_qkv", "attn_proj", "mlp_0", "mlp_2",
)  # fmt: skip


def _is_number(value: Any) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < 1e9  # nor infinite, nor NaN


def family_words(families: Iterable[TargetName]) -> str:
    """Families by their titles: "SDXL or Kolors"."""
    return " or ".join(TARGETS[name].title for name in families)


def same_names(families: Iterable[TargetName]) -> bool:
    """Whether a LoRA is written alike for all of these, so that nobody need say for which; False
    for none."""
    return len({TARGETS[name].support for name in families if TARGETS[name].support}) == 1
