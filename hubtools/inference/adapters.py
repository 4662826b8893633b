"""Putting LoRAs into a pipeline, several at once, and taking them out again without a trace.

Measured with diffusers 0.42: loading a second LoRA silently makes it the only active one, and
`unload_lora_weights` after `fuse_lora` leaves the LoRA in the base. So adapters are always named
and set together, and what fusing adds is undone by putting the old weights back, since subtracting
it again would leave rounding errors behind (large ones in half precision).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from shlex import quote
from typing import Any

from hubtools.errors import HubtoolsError, first_line
from hubtools.files import open_regular
from hubtools.hub.errors import is_of_machine
from hubtools.inference.embeddings import Closed
from hubtools.inference.lora import LoraFile
from hubtools.lorafile.look import family_words, look
from hubtools.lorafile.settings import unfit_setting
from hubtools.modelfiles import SAFE
from hubtools.models.loading import denoiser_name, denoiser_of
from hubtools.models.quantised import is_quantised
from hubtools.models.registry import TEXT_ENCODERS
from hubtools.models.targets import target_of
from hubtools.tensornames import part_of
from hubtools.weights import read_header

_HALVES = {"down": "lora_A", "up": "lora_B", "magnitude": "lora_magnitude_vector"}
# Kept on the pipeline: {sha256: adapter name}, ((sha256, weight), ...), [(layer weight, its copy)]
_TEXT, _CLIP = TEXT_ENCODERS[0], "text_model."
_LOADED, _STATE, _SAVED = "_hubtools_loras", "_hubtools_lora_state", "_hubtools_unfused"


def apply_lora(pipeline: Any, lora: LoraFile, weight: float) -> None:
    """Load `lora` into `pipeline` once and set its strength; 0 gives exactly the bare base."""
    apply_loras(pipeline, [(lora, weight)])


def apply_loras(
    pipeline: Any, loras: Sequence[tuple[LoraFile, float]], *, fuse: bool = False
) -> bool:
    """Make `pipeline` draw with exactly these LoRAs at these weights (a LoRA of weight 0 takes no
    part); answers whether anything changed. What is loaded already is not loaded again.

    `fuse` adds them into the base's weights: each step is then as fast as without a LoRA, but
    changing a weight costs a pass over all layers, and pictures differ: in float32 in the last
    bit, in half precision, where the sums are rounded, to the eye.
    Raises `HubtoolsError` if a LoRA was trained for a model of another shape.
    """
    state = (tuple((lora.sha256, weight) for lora, weight in loras), fuse)
    if getattr(pipeline, _STATE, None) == state:
        return False
    unfuse(pipeline)
    names = _load(pipeline, [lora for lora, _ in loras])
    active = [(names[lora.sha256], weight) for lora, weight in loras if weight != 0]
    if not active:
        pipeline.disable_lora()
    else:
        pipeline.enable_lora()
        pipeline.set_adapters([name for name, _ in active], [weight for _, weight in active])
        if fuse:
            _fuse(pipeline, [name for name, _ in active])
    setattr(pipeline, _STATE, state)
    return True


def remove_loras(pipeline: Any) -> None:
    """Take out what `apply_loras` has put in, if it has: the bare base is left, bit for bit."""
    unfuse(pipeline)
    if getattr(pipeline, _LOADED, None):
        pipeline.unload_lora_weights()
    setattr(pipeline, _LOADED, {})
    setattr(pipeline, _STATE, None)


@contextmanager
def in_place_of_training(pipeline: Any, lora: LoraFile) -> Iterator[None]:
    """Draw with `lora` instead of the adapter that is being trained, for the while."""
    trained = {
        name: getattr(pipeline, name).active_adapters() for name in pipeline.get_list_adapters()
    }
    apply_lora(pipeline, lora, 1.0)
    try:
        yield
    finally:
        with _without_complaints():
            pipeline.delete_adapters(list(getattr(pipeline, _LOADED).values()))
        setattr(pipeline, _LOADED, {})
        setattr(pipeline, _STATE, None)
        for component, names in trained.items():
            getattr(pipeline, component).set_adapter(names)


def unfuse(pipeline: Any) -> None:
    """Undo `fuse`; the LoRAs stay loaded. Must come before unloading."""
    saved = getattr(pipeline, _SAVED, None)
    if not saved:
        return
    import torch

    pipeline.unfuse_lora(components=_components(pipeline))
    with torch.no_grad():
        for weight, copy in saved:
            weight.copy_(copy)
    setattr(pipeline, _SAVED, [])
    setattr(pipeline, _STATE, None)


def _fuse(pipeline: Any, names: list[str]) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    saved = []
    for component in _components(pipeline):
        for module in getattr(pipeline, component).modules():
            if isinstance(module, BaseTunerLayer):
                weight = module.get_base_layer().weight
                # beside the model, not on the device: it may be full
                saved.append((weight, weight.detach().to("cpu", copy=True)))
    setattr(pipeline, _SAVED, saved)
    pipeline.fuse_lora(components=_components(pipeline), adapter_names=names)


def _components(pipeline: Any) -> list[str]:
    """Parts of the pipeline that carry a LoRA: the denoiser, perhaps text encoders."""
    return list(pipeline.get_list_adapters())


def _load(pipeline: Any, loras: Sequence[LoraFile]) -> dict[str, str]:
    """Load what is missing, delete what is not wanted; gives the adapter name of every hash."""
    loaded: dict[str, str] = dict(getattr(pipeline, _LOADED, None) or {})
    wanted = {lora.sha256 for lora in loras}
    stale = [sha256 for sha256 in loaded if sha256 not in wanted]
    if stale and len(stale) == len(loaded):
        remove_loras(pipeline)
        loaded = {}
    elif stale:
        with _without_complaints():
            pipeline.delete_adapters([loaded.pop(sha256) for sha256 in stale])
    for lora in loras:
        if lora.sha256 in loaded:
            continue
        name = f"hubtools_{lora.sha256[:16]}"
        try:
            _load_one(pipeline, lora, name)
        except BaseException:
            # half a LoRA must not stay
            pipeline.unload_lora_weights()
            setattr(pipeline, _LOADED, {})
            setattr(pipeline, _STATE, None)
            raise
        loaded[lora.sha256] = name
    setattr(pipeline, _LOADED, loaded)
    setattr(pipeline, _STATE, None)
    return loaded


def _load_one(pipeline: Any, lora: LoraFile, name: str) -> None:
    if not lora.path.name.endswith(SAFE):  # diffusers chooses by the name how to open a file
        raise HubtoolsError(
            f"The LoRA {lora.path} has no name that ends in {SAFE}.",
            hint="rename it",
            code="wrong-kind",
        )
    header = read_header(lora.path)
    unfit = unfit_setting(header.metadata, header.tensors)
    if unfit is not None:
        raise HubtoolsError(
            f"The LoRA {lora.source} is not loaded: {unfit}.",
            hint="`hubtools convert` writes it anew, with settings of its own",
            code="unsafe-file",
        )
    hint = "use the base model it was trained on (--base-model)"
    with _without_complaints():
        try:
            with _closed_to_words(pipeline, lora), _without_widening(pipeline):
                # without the last one diffusers opens a .bin beside it when this cannot be read
                pipeline.load_lora_weights(
                    str(lora.path.parent),
                    weight_name=lora.path.name,
                    adapter_name=name,
                    use_safetensors=True,
                )
        except HubtoolsError:
            raise
        except Exception as error:  # diffusers and peft trip over what does not fit in many ways
            if is_of_machine(error):
                raise
            said = first_line(error)
            if "size mismatch" in said:
                said, hint = _other_widths(pipeline, lora), _own_base(lora)
            raise HubtoolsError(
                f"The LoRA {lora.source} does not fit the base model: {said}",
                hint=hint,
                code="not-supported",
            ) from error
    if name not in (pipeline.get_list_adapters().get(denoiser_name(pipeline)) or []):
        raise HubtoolsError(
            f"The LoRA {lora.source} changes nothing in this base model's denoiser.",
            hint=hint,
            code="not-supported",
        )
    _keep_exact(pipeline, lora, name)


def _other_widths(pipeline: Any, lora: LoraFile) -> str:
    """What the LoRA is for, and what this base is."""
    place = lora.path
    whose = family_words(look(partial(open_regular, place), place.stat().st_size).families)
    base = str(getattr(pipeline, "name_or_path", ""))
    target = target_of(base) if base else None
    title = f", {target.title}" if target is not None else ""
    on = f", trained on {lora.base_model}" if lora.base_model else ""
    return (
        f"it is one for {whose or 'another kind of model'}{on}, and this base{title}, has layers of"
        " other widths."
    )


def _own_base(lora: LoraFile) -> str:
    if lora.base_model:
        return f"--base-model {quote(lora.base_model)}, which it was trained on"
    return (
        "--base-model: the one that it was trained on; `hubtools inspect` tells what the file says"
    )


def _keep_exact(pipeline: Any, lora: LoraFile, name: str) -> None:
    """Put the numbers of a DoRA back as they are in its file. In half precision diffusers rounds
    them, and with them the size of each output, by up to a 256th: of all that the layer does, not
    of what the LoRA changes. In float32 they are used as they were trained."""
    import torch
    from safetensors import safe_open

    with safe_open(lora.path, "pt") as file:
        parts = [part for part in map(part_of, file.keys()) if part is not None]
        doras = {(part.prefix, part.layer) for part in parts if part.role == "magnitude"}
        for part in parts:
            module = getattr(pipeline, part.prefix.rstrip("."), None)
            half = _HALVES.get(part.role)
            if module is None or isinstance(module, Closed):  # let go: prompts are read
                continue
            if half is None or (part.prefix, part.layer) not in doras:
                continue
            # transformers has no `text_model` around some CLIPs from 5.6 on
            layer = part.layer if hasattr(module, "text_model") else part.layer.removeprefix(_CLIP)
            kept = getattr(module.get_submodule(layer), half)[name]
            told = file.get_tensor(part.name).reshape(kept.weight.shape)
            kept.weight.data = told.to(kept.weight.device, torch.float32)


@contextmanager
def _without_widening(pipeline: Any) -> Iterator[None]:
    """FLUX.1's loader looks whether a LoRA is for fewer channels than the base has, by weights that
    a quantised layer has none of; one that was trained on this base is not."""
    looks = "_maybe_expand_lora_state_dict"
    if not hasattr(pipeline, looks) or not is_quantised(denoiser_of(pipeline)):
        yield
        return
    setattr(pipeline, looks, lambda transformer, lora_state_dict: lora_state_dict)
    try:
        yield
    finally:
        delattr(pipeline, looks)


@contextmanager
def _closed_to_words(pipeline: Any, lora: LoraFile) -> Iterator[None]:
    """What a LoRA says of text encoders is passed over where they are let go: the prompts were read
    with it (`inference.staged`)."""
    if not any(isinstance(getattr(pipeline, name, None), Closed) for name in TEXT_ENCODERS):
        yield
        return

    def pass_over(state: dict[str, Any], *args: Any, prefix: str = "", **options: Any) -> None:
        if not lora.of_text and any(name.startswith(f"{prefix or _TEXT}.") for name in state):
            raise HubtoolsError(
                f"The LoRA {lora.source} changes a text encoder by tensors of unknown names.",
                hint="convert it to the names of diffusers",
                code="not-supported",
            )

    pipeline.load_lora_into_text_encoder = pass_over
    try:
        yield
    finally:
        del pipeline.load_lora_into_text_encoder


@contextmanager
def _without_complaints() -> Iterator[None]:
    """A LoRA of the denoiser alone is the usual case, which diffusers calls a reason for a bug
    report; two LoRAs are what was asked for, which peft warns of. Only those lines are kept
    back."""

    class Quiet(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            said = record.getMessage()  # an error follows what was unsuccessful
            return "No LoRA keys associated to" not in said and " was unsuccessful" not in said

    quiet = Quiet()
    loggers = [
        logging.getLogger(f"diffusers.loaders.{name}")
        for name in ("lora_base", "lora_pipeline", "peft")
    ]
    for logger in loggers:
        logger.addFilter(quiet)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            # what does not fit is an error, and what lacks layers is told before
            warnings.filterwarnings("ignore", "While injecting the PEFT adapters")
            warnings.filterwarnings("ignore", "Adapter .* was active which is now deleted")
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(quiet)
