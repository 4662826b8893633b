"""`convert`, `export` and `merge` as functions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import Note, quiet
from hubtools.errors import UsageError
from hubtools.fences import keep_inside, make_folder
from hubtools.files import StrPath
from hubtools.front_edits import with_key
from hubtools.layout import CARD, CONVERTED, LORA_WEIGHTS, USUAL_STEMS
from hubtools.lorafile.provenance import Beside, Stated, base_model_of, base_named
from hubtools.rooted import Root
from hubtools.tinypeople import bundled

if TYPE_CHECKING:
    from hubtools.conversion.export import Exported
    from hubtools.conversion.formats import Format
    from hubtools.conversion.merge import Merged
    from hubtools.conversion.reduction import Precision


def export(
    lora: StrPath,
    format: Format,
    to: StrPath | None = None,
    *,
    dtype: Precision | None = None,
    rank: int | None = None,
    base_model: str | None = None,
    allow_pickle: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write a LoRA (a run folder, a file, a Hub id) as another program reads it, with alphas in its
    weights. `format`: diffusers, kohya, comfyui or peft. `to`: a file, of peft a folder; default
    beside you, by the LoRA's name. `dtype`: of its numbers; `rank`: at most so many a layer;
    `base_model`: where neither the LoRA nor its run tells whom it is for."""
    from hubtools.conversion.export import export as run
    from hubtools.models.targets import target_of

    source, family, named, _ = _file_of(lora)
    base = None
    if base_model and not Path(base_model).expanduser().exists():
        named = base_named(base_model) or named
    if base_model is not None and (base := target_of(bundled(base_model) or base_model)) is None:
        raise UsageError(
            f"What kind of model {base_model} is cannot be told.",
            hint="give a pipeline folder, or a Hub id of a known model",
        )
    if base_model is None and (own := bundled(named or "")) is not None:
        base = target_of(own)
    name = Path(str(lora)).name.removesuffix(source.suffix) or source.stem
    place = Path(to) if to else Path(f"{name}-{format}{'' if format == 'peft' else '.safetensors'}")
    if not to and format == "peft":
        keep_inside(place)
    return run(
        source, place, format=format, precision=dtype, rank=rank,
        base=base, family=family, named=named,
        base_place=base_model,
        allow_pickle=allow_pickle, overwrite=overwrite,
    )  # fmt: skip


def convert(
    lora: StrPath,
    to: StrPath | None = None,
    *,
    base_model: str | None = None,
    allow_pickle: bool = False,
    overwrite: bool = False,
) -> Exported:
    """`export` to the names that `load_lora_weights` of diffusers reads: mends files of other
    programs and damaged names. `to`: default the file in a folder `NAME-diffusers`, which
    can be published, beside a file, and of a run or a Hub id beside you; where that has no card,
    it gets one with the licence and the trigger that the card of the LoRA states."""
    if to is None:
        return _convert_to_folder(
            lora, base_model=base_model, allow_pickle=allow_pickle, overwrite=overwrite
        )
    return export(
        lora, "diffusers", to, base_model=base_model, allow_pickle=allow_pickle,
        overwrite=overwrite,
    )  # fmt: skip


def _convert_to_folder(lora: StrPath, *, overwrite: bool, **options: Any) -> Exported:
    """`convert` to the folder that it makes."""
    file = Path(lora).expanduser()
    whose = file.with_suffix("") if file.is_file() else file
    if whose.name in USUAL_STEMS:  # which says nothing of it
        whose = file.resolve().parent
    name = whose.resolve().name
    if not file.exists():  # a repository, and maybe one of its revisions
        name = name.partition("@")[0]
    name += CONVERTED
    folder = (file.parent if file.is_file() else Path()) / name
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder.", hint="give another place with --to", code="file-exists"
        )
    keep_inside(folder)
    told = _file_of(lora)[3]  # raises where there is none, before a folder is made
    made = not folder.is_dir()
    make_folder(folder)
    try:
        done = export(lora, "diffusers", folder / LORA_WEIGHTS, overwrite=overwrite, **options)
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()  # not if something is in it
        raise
    card = folder / CARD
    stated = () if os.path.lexists(card) else told
    front: bytes | None = None
    for key, value in stated:
        front = with_key(front, key, value, last=True)
    if front:
        with Root(folder) as root:
            root.write_over(CARD, front, None)
    return replace(done, stated=stated if front else ())


def _file_of(lora: StrPath) -> tuple[Path, str | None, str | None, Stated]:
    """Its file, the family of its base as manifests name it, and the base's name, if its run, its
    card, peft's configuration or its header tells; and what its card states."""
    from hubtools.inference.lora import resolve_lora, run_of
    from hubtools.models.targets import target_of

    path = Path(lora).expanduser()
    base: str | None = None
    stated: Stated = ()
    if not path.is_file():
        found = resolve_lora(str(lora))
        path, base, stated = found.path, found.base_model, found.stated
    stated = stated or Beside.of(path.parent).stated
    if (run := run_of(path)) is not None:
        return path, run.base_model.family, base_named(run.base_model.named), stated
    if path.is_file() and base is None:
        base = base_model_of(path)
    target = target_of(bundled(base) or base) if base else None
    family = target.support.name if target and target.support else None
    return path, family, base_named(base), stated


def merge(
    lora: str | Sequence[str],
    to: StrPath,
    base_model: str | None = None,
    *,
    base_config: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    dtype: Precision | None = None,
    note: Note = quiet,
) -> Merged:
    """Add LoRAs (each `source` or `source:weight`) to the weights of a base model (default the one
    that the LoRA names) and write it as the pipeline folder `to`. `dtype`: of the numbers of what
    is changed, default that of the base; the other arguments as in [train]."""
    from hubtools.conversion.merge import merge as run
    from hubtools.conversion.reduction import DTYPES
    from hubtools.inference.lora import check_loras, resolve_loras
    from hubtools.inference.project_base import no_base_named
    from hubtools.models.base import resolve_base

    found = resolve_loras([lora] if isinstance(lora, str) else list(lora))
    name = base_model or next((one.file.base_model for one in found if one.file.base_model), None)
    if name is None:
        raise no_base_named()
    if not Path(name).exists():
        name = str(bundled(name) or name)
    base = resolve_base(name, revision=revision, variant=variant, config=base_config, notify=note)
    check_loras(found, base.path_or_id, note)
    return run(base, found, to, precision=DTYPES[dtype] if dtype else None)
