"""Open the weights of a base model."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from hubtools.chats import bound
from hubtools.errors import HubtoolsError, first_line, require_extra
from hubtools.hub.alone import is_kept, opened_alone, unchanged
from hubtools.hub.errors import is_of_machine
from hubtools.modelfiles import components_of, read_json
from hubtools.models.attention import make_lean
from hubtools.models.base import Base, check_base, fetch_base
from hubtools.models.blame import component_of
from hubtools.models.device import checked_device
from hubtools.models.lookup import texts_of
from hubtools.models.registry import DENOISERS, TEXT_ENCODERS
from hubtools.models.rows import Support
from hubtools.models.seen_text import PROCESSORS, SeenText
from hubtools.quiet import hush

# A tokenizer that claims to read more tokens than this was told no length.
_NO_LENGTH = 10**9

# Where pipelines name one as their tokenizer.
_PROCESSORS = ("PixtralProcessor", "AutoProcessor")

Part = Literal["text", "picture", "denoiser"]
"""What is opened, used and let go by itself: tokenizers and text encoders; VAE and the checker of
what it decodes; the denoiser."""

ALL_PARTS: tuple[Part, ...] = get_args(Part)


def part_of(component: str) -> Part | None:
    """The part that a component of a pipeline belongs to; None for what is always there."""
    if component in DENOISERS:
        return "denoiser"
    if component.startswith(("text_encoder", "tokenizer", "processor")):
        return "text"
    if component in ("vae", "safety_checker", "feature_extractor", "image_encoder"):
        return "picture"
    return None


def load_pipeline(
    base: Base,
    *,
    dtype: str = "float32",
    device: str | None = None,
    variant: str | None = None,
    safety_checker: bool = True,
    denoiser_dtype: str | None = None,
    text_dtype: str | None = None,
    parts: Collection[str] = ALL_PARTS,
    given: Mapping[str, Any] | None = None,
) -> Any:
    """A diffusers pipeline of `base` on `device` (default the best there is).

    `dtype`: float32, float16 or bfloat16; `denoiser_dtype` and `text_dtype`: others for
    the denoiser and the text encoders.
    `safety_checker=False` leaves the base's checker out. Only components of `parts`, or named
    among them, are opened; `given` ones are taken as they are and stay where they are.
    Raises `HubtoolsError` if files are missing or damaged, or would run code (see
    `fetch_base`), `UsageError` if there is no such device.
    """
    require_extra("train", "Drawing pictures")

    hush()
    import diffusers
    import torch

    device = checked_device(device)
    options: dict[str, Any] = {"torch_dtype": getattr(torch, dtype), "trust_remote_code": False}
    if not base.allow_pickle:
        options["use_safetensors"] = True
    if variant or base.variant:
        options["variant"] = variant or base.variant
    if not safety_checker:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    folder = fetch_base(base)
    given = given or {}
    others = {base.support.denoiser: denoiser_dtype}
    others |= {name: text_dtype for name in texts_of(base.support) if name in TEXT_ENCODERS}
    if any(others.values()):  # not by way of float32: that would take twice the memory and time
        options["torch_dtype"] = {
            "default": options["torch_dtype"],
            **{name: getattr(torch, one) for name, one in others.items() if one},
        }
    for name in _closed(folder, parts):
        options[name] = None
        if name == "safety_checker":
            options["requires_safety_checker"] = False
    _check_classes(folder, base.shown)
    absent = left_out(folder, base.support)
    options |= dict.fromkeys(absent)
    try:
        with (
            unchanged(folder, f"The base model {base.shown}"),
            opened_alone(f"The base model {base.shown}", allow_pickle=base.allow_pickle),
            warnings.catch_warnings(),
        ):
            if not is_kept(folder):
                check_base(base, folder)
            bare = _bare_tokenizers(folder, parts)
            options |= {**dict.fromkeys(bare), **given}
            # diffusers is renaming torch_dtype; both names work over the versions we support
            warnings.simplefilter("ignore", FutureWarning)
            pipeline = diffusers.DiffusionPipeline.from_pretrained(str(folder), **options)
    except ImportError as error:  # a scheduler of beta sigmas asks for scipy, which nobody brings
        raise HubtoolsError(
            f"The base model {base.shown} asks for a package that is not"
            f" installed: {first_line(error)}",
            hint="pip install the package that is named, and try again",
            code="missing-package",
        ) from error
    except Exception as error:  # whatever the files are, the libraries trip over it in many ways
        if is_of_machine(error):
            raise
        component = component_of(error)
        raise HubtoolsError(
            f"The base model {base.shown} could not be loaded"
            f"{f' (its {component})' if component else ''}: {first_line(error)}",
            hint="check --variant and --revision, or fetch the files again",
            code="file-damaged",
        ) from error
    if bare:
        pipeline.register_modules(**bare)
    for name in (base.support.denoiser, "vae", *texts_of(base.support), "scheduler"):
        wanted = part_of(name)
        if (wanted is None or wanted in parts) and getattr(pipeline, name, None) is None:
            if name in absent:
                continue
            raise HubtoolsError(
                f"The base model {base.shown} lacks its {name}.",
                hint="is the download complete, the folder whole?",
                code="file-not-found",
            )
    for reader in vars(pipeline).values():
        bound(reader, f"the base model {base.shown}")
    complete_tokenizers(pipeline)
    _check_words(pipeline, base.shown)
    pipeline.set_progress_bar_config(disable=True)
    denoiser = getattr(pipeline, base.support.denoiser, None)
    if denoiser is not None and base.support.denoiser not in given:
        make_lean(denoiser)
    # on the CPU all of it is there, which a walk through its modules would find
    return pipeline if given or device == "cpu" else pipeline.to(device)


def _check_classes(folder: Path, shown: str) -> None:
    """Raise `HubtoolsError` if a part is to be opened as a class that is none of a model, a
    scheduler, a tokenizer or a processor."""
    import diffusers
    import transformers
    from diffusers.pipelines.pipeline_loading_utils import LOADABLE_CLASSES

    for part, (name, kind, *_) in components_of(read_json(folder / "model_index.json")).items():
        library = {"diffusers": diffusers, "transformers": transformers}.get(name)
        found = getattr(library, str(kind), None)
        if library is None or found is None:
            continue  # of none, or unknown to this version: the library says it
        bases = [getattr(library, base, None) for base in LOADABLE_CLASSES[name]]
        fits = isinstance(found, type) and any(base and issubclass(found, base) for base in bases)
        if not fits and not getattr(found, "_backends", None):  # of a package that is not there
            raise HubtoolsError(
                f"The base model {shown} asks for {name}.{kind} as its {part}, which is no model,"
                " scheduler, tokenizer or processor.",
                hint="fetch its model_index.json again, or correct it",
                code="unsafe-file",
            )


def _check_words(pipeline: Any, shown: str) -> None:
    """Raise `HubtoolsError` if a tokenizer makes tokens that its text encoder has no vector for."""
    for name in ("", "_2", "_3", "_4"):
        tokenizer = getattr(pipeline, f"tokenizer{name}", None)
        encoder = getattr(pipeline, f"text_encoder{name}", None)
        if tokenizer is None or encoder is None:
            continue
        known = encoder.get_input_embeddings().num_embeddings
        if len(tokenizer) > known:
            raise HubtoolsError(
                f"The base model {shown} contradicts itself: its tokenizer{name} makes"
                f" {len(tokenizer):,} tokens, text_encoder{name}/config.json knows {known:,}"
                " (vocab_size).",
                hint="fetch both folders again, from one base",
                code="file-damaged",
            )


def _bare_tokenizers(folder: Path, parts: Collection[str]) -> dict[str, Any]:
    """The tokenizers of processors that would also prepare pictures, which asks for torchvision:
    words are all that is read here. What prepares texts with pictures in them without it."""
    if "text" not in parts:
        return {}
    from transformers import AutoTokenizer

    index = read_json(folder / "model_index.json")
    seen = {
        name: SeenText.from_folder(folder / name)
        for name, kind in components_of(index).items()
        if kind and kind[-1] in PROCESSORS
    }
    return seen | {
        name: AutoTokenizer.from_pretrained(folder / name, trust_remote_code=False)
        for name, kind in components_of(index).items()
        if kind and kind[-1] in _PROCESSORS and part_of(name) == "text"
    }


def _closed(folder: Path, parts: Collection[str]) -> list[str]:
    """Components of the pipeline in `folder` that are not to be opened."""
    names = components_of(read_json(folder / "model_index.json"))
    return [
        name
        for name in names
        if (part := part_of(name)) and part not in parts and name not in parts
    ]


def left_out(folder: Path, support: Support) -> tuple[str, ...]:
    """Components that the pipeline in `folder` does without, by its own word."""
    index = read_json(folder / "model_index.json")
    return tuple(name for name in support.optional if index.get(name) in (None, [None, None]))


def denoiser_name(pipeline: Any) -> str:
    """The name of the component that a pipeline draws with."""
    return next(name for name in DENOISERS if getattr(pipeline, name, None) is not None)


def denoiser_of(pipeline: Any) -> Any:
    """The module that a pipeline draws with."""
    return getattr(pipeline, denoiser_name(pipeline))


def dtypes_of(pipeline: Any) -> set[Any]:
    """The precisions of denoiser, VAE and text encoders."""
    parts = [getattr(pipeline, name, None) for name in (denoiser_name(pipeline), "vae")]
    parts += [getattr(pipeline, name, None) for name in TEXT_ENCODERS]
    return {part.dtype for part in parts if part is not None}


def complete_tokenizers(pipeline: Any) -> None:
    """Give each tokenizer whose files lack `model_max_length` that of its text encoder.

    transformers puts 10^30 in its place, and everything that pads to it fails.
    """
    for name in ("", "_2", "_3"):
        tokenizer = getattr(pipeline, f"tokenizer{name}", None)
        encoder = getattr(pipeline, f"text_encoder{name}", None)
        config = getattr(encoder, "config", None)
        reads = getattr(config, "max_position_embeddings", None)
        if tokenizer is not None and reads and tokenizer.model_max_length > _NO_LENGTH:
            tokenizer.model_max_length = int(reads)
