"""Names of tensors in adapter files, as trainers write them: the one reader of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Style = Literal["peft", "old", "kohya", "loha", "lokr", "oft", "alpha"]
Role = Literal["down", "up", "mid", "magnitude", "alpha", "other"]

# What stands between the layer and the half of its LoRA; the order is that of looking.
_MARKS: tuple[tuple[str, Style, Role], ...] = (
    (".lora_A", "peft", "down"),
    (".lora_B", "peft", "up"),
    (".lora_magnitude_vector", "peft", "magnitude"),
    (".lora.down", "old", "down"),
    (".lora.up", "old", "up"),
    ("_lora.down", "old", "down"),
    ("_lora.up", "old", "up"),
    (".lora_linear_layer.down", "old", "down"),
    (".lora_linear_layer.up", "old", "up"),
    (".lora_down", "kohya", "down"),
    (".lora_up", "kohya", "up"),
    (".lora_mid", "kohya", "mid"),
    (".dora_scale", "kohya", "magnitude"),
    (".hada_", "loha", "other"),
    (".lokr_", "lokr", "other"),
    (".oft_", "oft", "other"),
)
# From long to short where one begins another.
_PREFIXES = (
    "text_encoder_3.", "text_encoder_2.", "text_encoder.", "unet.", "transformer.",
    "diffusion_model.", "lora_unet_", "lora_transformer_", "lora_te1_", "lora_te2_", "lora_te3_",
    "lora_te_", "lycoris_",
)  # fmt: skip
WRAPPED = "base_model.model."
TEXT_PREFIXES = ("text_encoder", "lora_te")
KOHYA_PREFIXES = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_", "lora_te3_")


@dataclass(frozen=True)
class Part:
    """One tensor of an adapter. `layer` is the path of the layer it changes, without `prefix`
    (`unet.`, `lora_unet_`; empty if there is none). `wrapped`: peft's `base_model.model.` stands
    before or behind the prefix. `adapter` is a name between half and `weight`, as `default`."""

    name: str
    prefix: str
    layer: str
    style: Style
    role: Role
    wrapped: bool = False
    adapter: str = ""

    @property
    def of_text(self) -> bool:
        """True for a tensor of a text encoder."""
        return self.prefix.startswith(TEXT_PREFIXES)


def part_of(name: str) -> Part | None:
    """What a tensor of this name is in an adapter file; None if it is none of those."""
    for mark, style, role in _MARKS:
        at = name.rfind(mark)
        rest = name[at + len(mark) :]
        if at < 0 or (role != "other" and rest[:1] not in ("", ".")):
            continue
        adapter = "" if role == "other" else rest.removesuffix(".weight").strip(".")
        if adapter in ("weight", "bias"):
            adapter = ""
        return _placed(name, name[:at], style, role, adapter)
    if name.endswith(".alpha"):
        return _placed(name, name.removesuffix(".alpha"), "alpha", "alpha", "")
    return None


def _placed(name: str, path: str, style: Style, role: Role, adapter: str) -> Part:
    wrapped = path.startswith(WRAPPED)
    path = path.removeprefix(WRAPPED)
    prefix = next((p for p in _PREFIXES if path.startswith(p)), "")
    path = path[len(prefix) :]
    if path.startswith(WRAPPED):
        wrapped, path = True, path.removeprefix(WRAPPED)
    return Part(name, prefix, path, style, role, wrapped, adapter)


_WORDS = ("clip_l", "clip_g", "t5", "emb_params", "bundle_emb", "string_to_param")


def is_embedding(name: str, shape: list[int]) -> bool:
    """True for new tokens as pivotal tuning and textual inversion write them: (tokens, width)."""
    if name.startswith(_WORDS):
        return len(shape) in (1, 2)
    bare = name.startswith("<") and name.endswith(">")
    return bare and len(shape) in (1, 2)
