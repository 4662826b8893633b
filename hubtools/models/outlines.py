"""What is known of bases by their configuration files alone: layers, weights, and what passes over
them keep in memory and compute, without PyTorch.

`outlines.json` is made by `tools/make_outlines.py`, which rehearses each base (see rehearsal.py)
at a few sizes. Memory and work are polynomials of the pictures' sides, the batch and the rank, and
are kept as such: {letters: factor}, e.g. {"": 4, "bwh": 96} is 4 + 96 * b * w * h. `w` and `h`
count units of `UNIT` pixels, `b` pictures, `r` ranks; of two polynomials the first is that of a
single picture. `within`: modes of which the polynomial holds only from so many units on, and up to
such a rank. A base that is built otherwise is not known.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from hubtools.files import json_within
from hubtools.modelfiles import read_json
from hubtools.models.families.protocol import BaseInfo

TABLE = Path(__file__).parent / "outlines.json"
UNIT = 64  # what most denoisers halve their way down to a whole number of cells
# Pixels by which sides may differ where tokens are not padded to some number: two latent cells.
_CELLS = 16

Polynomial = Mapping[str, int]

# What says nothing of shapes, though it differs from base to base.
NEUTRAL = frozenset(
    {
        "_name_or_path", "architectures", "attention_dropout", "bos_token_id",
        "chunk_size_feed_forward", "classifier_dropout", "dropout_rate", "dtype", "eos_token_id",
        "force_upcast", "gradient_checkpointing", "hidden_act", "id2label", "initializer_factor",
        "initializer_range", "is_encoder_decoder", "label2id", "latents_mean", "latents_std",
        "layer_types", "max_window_layers", "model_type", "n_positions", "output_attentions",
        "output_hidden_states", "output_past", "pad_token_id", "problem_type", "return_dict",
        "scaling_factor", "shift_factor", "sliding_window", "task_specific_params", "torch_dtype",
        "transformers_version", "use_cache", "use_sliding_window",
    }
)  # fmt: skip
# What changes no number of a language model's weights: places that are computed, token ids.
_OF_LANGUAGE = frozenset(
    {
        "attn_logit_softcapping", "final_logit_softcapping", "fullatt_block_indexes",
        "hidden_activation", "image_size", "image_token_id", "image_token_index",
        "max_position_embeddings", "projector_hidden_act", "query_pre_attn_scalar", "rms_norm_eps",
        "rope_parameters", "tokens_per_second", "use_bidirectional_attention", "video_token_id",
        "vision_end_token_id", "vision_feature_layer", "vision_start_token_id", "window_size",
    }
)  # fmt: skip
# The same of single classes: what follows from other values, and the side for which one was made.
_OF_KIND: dict[str, Collection[str]] = {
    "T5EncoderModel": {
        "decoder_start_token_id", "dense_act_fn", "is_gated_act", "layer_norm_epsilon",
        "num_decoder_layers", "tie_word_embeddings",
    },
    "CLIPTextModel": {"layer_norm_eps"},
    "CLIPTextModelWithProjection": {"layer_norm_eps"},
    "Gemma2Model": _OF_LANGUAGE,
    "Mistral3ForConditionalGeneration": _OF_LANGUAGE,
    "Qwen2_5_VLForConditionalGeneration": _OF_LANGUAGE,
    "Qwen3ForCausalLM": _OF_LANGUAGE,
    "Qwen3Model": _OF_LANGUAGE,
    "Qwen3VLModel": _OF_LANGUAGE,
    "UNet2DConditionModel": {"sample_size"},
    "ZImageTransformer2DModel": {"axes_lens"},
    "AutoencoderKL": {"sample_size"},
    "AutoencoderKLFlux2": {"sample_size"},
}  # fmt: skip


@dataclass(frozen=True)
class Denoiser:
    """A denoiser whose usual layers get a LoRA. `layers`: ((numbers out, numbers in), how many) of
    these; `sorts`: (sort, how many layers, numbers of the LoRA a rank); `weights`: bytes of its
    own; `fewer`: (numbers, rows) of its layers that can be held in fewer bits; `kept`, `flops`: of
    a forward pass, quantised or not."""

    layers: tuple[tuple[tuple[int, int], int], ...]
    sorts: tuple[tuple[Any, int, int], ...]
    weights: int
    fewer: tuple[int, int]
    kept: Polynomial | list[Polynomial]
    flops: Polynomial
    sides: range  # of pixels, that both may have
    ranks: range

    @property
    def counts_tokens(self) -> bool:
        """True if a picture's shape says nothing, only how many tokens it is."""
        kept = self.kept if isinstance(self.kept, list) else [self.kept]
        told = (*kept, self.flops)
        return all(term.count("w") == term.count("h") for one in told for term in one)

    def lora_shapes(self, rank: int) -> list[tuple[int, int]]:
        """Shapes of all parameters of a LoRA."""
        return [
            shape
            for (wide, deep), count in self.layers
            for shape in ((rank, deep), (wide, rank))
            for _ in range(count)
        ]


@dataclass(frozen=True)
class Vae:
    """`numbers` of its weights; bytes of encoding and of decoding a picture in float32."""

    numbers: int
    encoding: Polynomial
    decoding: Polynomial


def denoiser_of(
    folder: Path, prefix: str, info: BaseInfo, *, half: bool, checkpointing: bool
) -> Denoiser | None:
    """That of the pipeline in `folder`, in float32 or half precision; None if it is not known."""
    found = table()["denoisers"].get(denoiser_key(folder, prefix, info))
    mode = ("half" if half else "single") + ("-checkpointing" if checkpointing else "")
    if found is None or found["kept"].get(mode) is None:
        return None
    layers = tuple(((wide, deep), count) for wide, deep, count in found["layers"])
    weights = found["weights"]["half" if half else "single"]
    by, most = found.get("by", 1) * UNIT, found.get("most", 64) * UNIT
    step = _CELLS if prefix == "transformer" and found.get("least") == found.get("by") == 1 else by
    first, highest = found.get("within", {}).get(mode, (found.get("least", 1), sys.maxsize))
    sides, ranks = range(first * by, most + 1, step), range(1, highest + 1)
    sorts = tuple((sort, count, numbers) for sort, count, numbers in found["sorts"])
    numbers, rows = found["fewer"]
    return Denoiser(
        layers, sorts, weights, (numbers, rows), found["kept"][mode], found["flops"], sides, ranks
    )


def vae_of(folder: Path, info: BaseInfo) -> Vae | None:
    """The VAE of the pipeline in `folder`; None if it is not known."""
    found = table()["vaes"].get(vae_key(folder, info))
    return None if found is None else Vae(found["numbers"], found["encoding"], found["decoding"])


def numbers_of(folder: Path, name: str) -> int | None:
    """How many numbers the text encoder `name` has; None if it is not known."""
    found: int | None = table()["texts"].get(component_key(folder, name))
    return found


def value(
    polynomial: Polynomial | list[Polynomial],
    width: int,
    height: int,
    count: int = 1,
    rank: int = 0,
    beside: int = 0,
) -> int:
    """Of pictures of so many pixels; `beside`: pixels of those that each is made from, which are
    further tokens of its sequence."""
    if isinstance(polynomial, list):  # of a picture alone, and of several
        polynomial = polynomial[min(count, 2) - 1]
    letters = {
        letter: Fraction(number, UNIT if letter in "wh" else 1)
        for letter, number in (("w", width), ("h", height), ("b", count), ("r", rank))
    }
    letters["h"] += Fraction(beside, width * UNIT)
    whole = Fraction(0)
    for term, factor in polynomial.items():
        part = Fraction(factor)
        for letter in term:
            part *= letters[letter]
        whole += part
    return round(whole)


# --- what a base is known by ---------------------------------------------------------------------


def denoiser_key(folder: Path, prefix: str, info: BaseInfo) -> str:
    """By its configuration, its usual layers, and how long captions and cells are."""
    told = [sorted(info.targets), info.caption_tokens, info.cell_bytes, info.latent_factor]
    return component_key(folder, prefix, told)


def vae_key(folder: Path, info: BaseInfo) -> str:
    """By its configuration, and how large cells are."""
    return component_key(folder, "vae", [info.cell_bytes, info.latent_factor])


def component_key(folder: Path, name: str, more: object = None) -> str:
    """By what its configuration says otherwise than its class does unasked."""
    said = read_json(folder / "model_index.json").get(name)
    kind = str(said[1]) if isinstance(said, list) and len(said) == 2 else ""
    usual = table()["usual"].get(kind)
    if usual is None:
        return ""
    try:
        own = json_within(folder / name / "config.json")
    except (OSError, ValueError):
        return ""
    text = json.dumps([kind, _otherwise(own, usual, kind), more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def telling(usual: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Of what a class takes for given, what says something of shapes."""
    return {
        key: telling(said, kind) if isinstance(said, dict) else said
        for key, said in usual.items()
        if key not in NEUTRAL and key not in _OF_KIND.get(kind, ())
    }


def _otherwise(own: object, usual: Mapping[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, normal in telling(usual, kind).items():
        said = own.get(key, normal) if isinstance(own, dict) else normal
        if isinstance(normal, dict) and isinstance(said, dict):
            if inner := _otherwise(said, normal, kind):
                found[key] = inner
        elif said != normal and not (said is None and normal is False):
            found[key] = said
    return found


@cache
def table() -> dict[str, Any]:
    """`outlines.json`."""
    read: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
    return read
