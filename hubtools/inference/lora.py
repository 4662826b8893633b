"""Which LoRA file a name means, and putting it into a pipeline."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, UsageError, is_unreachable
from hubtools.files import sha256_of
from hubtools.layout import LORA_WEIGHTS, RUN_MANIFEST, SNAPSHOTS_DIR, step_name
from hubtools.manifest import RunManifest
from hubtools.weights import Holds, read_header

ADAPTER = "hubtools"


@dataclass(frozen=True)
class LoraFile:
    """A LoRA that exists on this disk. `rank` is that of its first layer."""

    path: Path
    sha256: str
    rank: int
    step: int | None  # training step, if the file or its run says so
    source: str  # what the user typed
    base_model: str | None = None  # from its run, for when no base is named


def resolve_lora(
    source: str,
    *,
    revision: str | None = None,
    weight_name: str | None = None,
    step: int | None = None,
) -> LoraFile:
    """Find the LoRA `source`: a run folder (`step` chooses a snapshot), a .safetensors file, or a
    Hub repository `owner/name` (`owner/name@revision`).

    Raises `HubtoolsError` if there is none, if there are several and none is the obvious one, or
    if the file holds no LoRA.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return _file(path, source, None, None)
    if path.is_dir():
        return _folder(path, source, weight_name, step)
    if path.is_absolute() or source.startswith((".", "~")) or source.count("/") != 1:
        raise UsageError(
            f"The LoRA {source!r} is neither a file, nor a run folder, nor a Hub id.",
            hint="give runs/<name>, a .safetensors file or owner/name",
        )
    repo, _, at = source.partition("@")
    return _hub(repo, revision or at or None, weight_name, source)


def _folder(folder: Path, source: str, weight_name: str | None, step: int | None) -> LoraFile:
    manifest = None
    if (folder / RUN_MANIFEST).is_file():
        manifest = RunManifest.read(folder)
    base = manifest.base_model.id if manifest else None
    if step is not None:
        found = sorted((folder / SNAPSHOTS_DIR).glob(f"*-{step_name(step).replace('-', '')}*"))
        if not found:
            there = sorted(p.stem for p in (folder / SNAPSHOTS_DIR).glob("*.safetensors"))
            raise HubtoolsError(
                f"{folder} has no snapshot of step {step}.",
                hint=f"there are: {', '.join(there)}" if there else "the run kept no snapshots",
            )
        return _file(found[0], source, step, base)
    names = sorted(p.name for p in folder.glob("*.safetensors"))
    chosen = choose_weights(names, weight_name, str(folder))
    return _file(folder / chosen, source, manifest.steps_done if manifest else None, base)


def _hub(repo: str, revision: str | None, weight_name: str | None, source: str) -> LoraFile:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    base = None
    try:
        info = HfApi().model_info(repo, revision=revision)
    except Exception as error:
        if not is_unreachable(error):
            raise
        offline = True
        weight_name = weight_name or LORA_WEIGHTS
    else:
        offline = False
        names = [sibling.rfilename for sibling in info.siblings or ()]
        there = [n for n in names if n.endswith(".safetensors") and "/" not in n]
        weight_name = choose_weights(there, weight_name, repo)
        named = getattr(info.card_data, "base_model", None)
        base = named if isinstance(named, str) else None  # several say nothing
    try:
        file = hf_hub_download(repo, weight_name, revision=revision, local_files_only=offline)
    except LocalEntryNotFoundError as error:
        raise HubtoolsError(
            f"{repo} has no {weight_name} in the local cache, and the Hub cannot be reached.",
            hint="go online once, or give a file",
        ) from error
    return _file(Path(file), source, None, base)


def choose_weights(names: list[str], wanted: str | None, where: str) -> str:
    """The weight file among top-level `names`: `wanted`, else the usual name, else the only one.

    diffusers takes whichever comes first in the listing; that is not good enough here.
    """
    if wanted is not None:
        if wanted not in names:
            raise HubtoolsError(
                f"{where} has no file {wanted}.", hint=f"it has: {', '.join(names) or 'none'}"
            )
        return wanted
    if LORA_WEIGHTS in names:
        return LORA_WEIGHTS
    if len(names) == 1:
        return names[0]
    if not names:
        raise HubtoolsError(
            f"{where} holds no LoRA: there is no .safetensors file at its top level.",
            hint="train first, or give the file itself",
        )
    raise HubtoolsError(
        f"{where} holds several weight files and none is called {LORA_WEIGHTS}.",
        hint=f"choose with --weight-name: {', '.join(names)}",
    )


def _file(path: Path, source: str, step: int | None, base: str | None) -> LoraFile:
    header = read_header(path)
    if header.holds is Holds.DAMAGED:
        raise HubtoolsError(
            f"{path} is not a safetensors file.", hint="it may be cut off; fetch it again"
        )
    if header.rank is None:
        raise HubtoolsError(
            f"{path} holds no LoRA: none of its {len(header.tensors)} tensors is one.",
            hint="a full model is a base, not a LoRA: give it as --base-model",
        )
    return LoraFile(path, sha256_of(path), header.rank, step, source, base)


def apply_lora(pipeline: Any, lora: LoraFile, weight: float) -> None:
    """Load `lora` into `pipeline` once and set its strength; 0 gives exactly the bare base.

    Raises `HubtoolsError` if the LoRA was trained for a model of another shape.
    """
    if getattr(pipeline, "_hubtools_lora", None) != lora.sha256:
        remove_lora(pipeline)
        with _without_text_encoder_complaint():
            try:
                pipeline.load_lora_weights(
                    str(lora.path.parent), weight_name=lora.path.name, adapter_name=ADAPTER
                )
            except (RuntimeError, ValueError, KeyError) as error:
                first = str(error).strip().splitlines()[0]
                raise HubtoolsError(
                    f"The LoRA {lora.source} does not fit the base model: {first}",
                    hint="use the base model it was trained on (--base-model)",
                ) from None
        if ADAPTER not in (pipeline.get_list_adapters().get("unet") or []):
            raise HubtoolsError(
                f"The LoRA {lora.source} changes nothing in this base model's denoiser.",
                hint="use the base model it was trained on (--base-model)",
            )
        pipeline._hubtools_lora = lora.sha256
    if weight == 0:
        pipeline.disable_lora()
    else:
        pipeline.enable_lora()
        pipeline.set_adapters([ADAPTER], [weight])


def remove_lora(pipeline: Any) -> None:
    """Take out what `apply_lora` has put in, if it has."""
    if getattr(pipeline, "_hubtools_lora", None) is not None:
        pipeline.unload_lora_weights()
        pipeline._hubtools_lora = None


@contextmanager
def _without_text_encoder_complaint() -> Iterator[None]:
    """A LoRA of the denoiser alone is the usual case; diffusers calls it a reason for a bug
    report. Only that line is kept back."""

    class Quiet(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            return "No LoRA keys associated to" not in record.getMessage()

    quiet = Quiet()
    loggers = [
        logging.getLogger(f"diffusers.loaders.{name}") for name in ("lora_base", "lora_pipeline")
    ]
    for logger in loggers:
        logger.addFilter(quiet)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(quiet)
