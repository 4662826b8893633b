"""A base model in a single file becomes a pipeline folder in the cache, once: each component is
read by diffusers' converters, and written; what the file lacks is that of the pipeline it is like.

    <cache>/bases/<digest of file and pipeline>/model_index.json, unet/, vae/, ...
    <cache>/sums/<digest of a path>.json    the hash of a file, for as long as that stays as it is
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, first_line, require_extra
from hubtools.files import human_bytes, json_bytes, read_within, sha256_of, write_bytes
from hubtools.hub.alone import opened_alone
from hubtools.hub.errors import is_of_machine
from hubtools.kept import read_kept, write_kept
from hubtools.layout import cache_dir
from hubtools.modelfiles import check_links, check_pipeline, components_of, is_index, read_json
from hubtools.models.configs import check_configs
from hubtools.models.singles import WITHIN, SingleFile
from hubtools.quiet import hush
from hubtools.shelves import BASES, MARK, hold

_IN_USE: dict[Path, int | None] = {}
_VERSION = 1  # grows by one when the way from file to folder changes
_INDEX = "model_index.json"
_SCHEDULER = "scheduler/scheduler_config.json"
# Of a pipeline folder, what says how its components are made: everything but weights.
CONFIGS = ("model_index.json", "*/*.json", "*/*.txt", "*/*.model", "*/*.jinja")
_LONGEST = 100_000_000  # bytes of a configuration file; a tokenizer has up to 20 MB
_DAY = 86_400.0
_WRITTEN = ".unpacking-"  # first letters of folders that a component is written to


def unpacked_folder(single: SingleFile, like: Path, commit: str | None) -> Path:
    """The folder in the cache for this file, with the configuration of the pipeline in `like`
    (of this commit, unless it is a folder of the user's); `unpack` puts the weights there."""
    if commit is None:
        for place in (like, *(one for one in like.iterdir() if one.is_dir())):
            check_links(place, str(place), like)
    files = sorted(
        path for pattern in CONFIGS for path in like.glob(pattern) if not is_index(path.name)
    )
    contents = {path.relative_to(like).as_posix(): read_within(path, _LONGEST) for path in files}
    contents[_SCHEDULER] = _scheduler(single, contents.get(_SCHEDULER, b"{}"))
    digest = hashlib.sha256(f"{_VERSION} {digest_of(single.path)} {commit}\n".encode())
    for path, content in contents.items():
        digest.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
    if commit is None:
        for file in (one for part in lacking(single, like) for one in _weights(like / part)):
            facts = file.stat()
            digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    folder = cache_dir() / BASES / digest.hexdigest()
    if folder not in _IN_USE:
        _IN_USE[folder] = hold(folder)  # until this process ends
    for path, content in contents.items():
        place = folder / path
        if not place.is_file() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place, content)
    return folder


def lacking(single: SingleFile, like: Path) -> tuple[str, ...]:
    """Components with weights, of the pipeline in `like`, that the file has none of."""
    return tuple(
        part
        for part, value in components_of(read_json(like / _INDEX)).items()
        if (kind := str((*value, None, None)[1] or ""))
        and _is_model(like / part)
        and not _holds(single, like, part, kind)
    )


def unpack(
    single: SingleFile, folder: Path, lacks: Callable[[tuple[str, ...]], Path], shown: str
) -> None:
    """Put the weights into the folder of `unpacked_folder`, unless they are there. `lacks` fetches
    what the file has none of: it is given components and answers the folder that holds them.
    `shown`: what people call the base.

    Each component is in memory by itself. A kill leaves what was whole. Raises `HubtoolsError` if
    the file does not fit the configuration, or if the disk is too small."""
    mark = folder / MARK
    if mark.is_file() and _is_whole(folder):
        with suppress(OSError):  # when it was used last, for whoever tidies up
            os.utime(mark)
        return
    require_extra("train", "Opening a base model in a single file")
    check_pipeline(folder, shown)  # before anything is written by its names, or made
    check_configs(folder, shown)
    absent = lacking(single, folder)
    if absent:
        _take(lacks(absent), folder, absent)
    parts = {
        part: kind
        for part, kind in components_of(read_json(folder / _INDEX)).items()
        if kind and kind[1] and _is_model(folder / part) and part not in absent
    }
    for left in folder.glob(f"{_WRITTEN}*"):  # by a kill
        if time.time() - left.stat().st_mtime > _DAY:
            shutil.rmtree(left, ignore_errors=True)
    _check_room(single, folder)
    hush()
    try:
        _convert(single, folder, parts)
    except HubtoolsError:
        raise
    except Exception as error:  # whatever the file is, the converters trip over it in many ways
        if is_of_machine(error):
            raise
        raise HubtoolsError(
            f"{shown} could not be opened as {single.like} is: {first_line(error)}",
            hint="name the pipeline that it was made from with --base-config, a Hub id or a folder",
            code="file-damaged",
        ) from error
    write_bytes(mark, json_bytes({"file": single.path.name, "of others": absent}))


def digest_of(path: Path) -> str:
    """Hex SHA-256 of the file."""
    facts = path.stat()
    now = [facts.st_size, facts.st_mtime_ns, facts.st_ino]
    of = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()
    place = cache_dir() / "sums" / f"{of}.json"
    try:
        before = json.loads(read_kept(place) or b"{}")
    except ValueError:
        before = {}
    if isinstance(before, dict) and before.get("of") == now:
        return str(before.get("sha256"))
    found = sha256_of(path)
    write_kept(place, [json_bytes({"of": now, "sha256": found})])
    return found


def _scheduler(single: SingleFile, content: bytes) -> bytes:
    """The configuration of the scheduler, with what the file says of what it predicts."""
    said: dict[str, Any] = {}
    if single.velocity:
        said["prediction_type"] = "v_prediction"
    if single.zero_snr:
        said |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return json_bytes(json.loads(content) | said) if said else content


def _is_model(folder: Path) -> bool:
    """True for a component with weights."""
    return (folder / "config.json").is_file()


def _holds(single: SingleFile, like: Path, part: str, kind: str) -> bool:
    config = read_json(like / part / "config.json")
    return single.holds(part, kind, config.get("hidden_size"))


def _is_whole(folder: Path) -> bool:
    parts = components_of(read_json(folder / _INDEX))
    return all(any(_weights(folder / part)) for part in parts if _is_model(folder / part))


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _take(source: Path, folder: Path, parts: Iterable[str]) -> None:
    """The weights of these components, which take no room a second time where that can be."""
    for part in parts:
        indexes = (path for path in (source / part).glob("*.json") if is_index(path.name))
        for path in (*_weights(source / part), *indexes):
            place = folder / part / path.name
            place.unlink(missing_ok=True)
            try:
                place.hardlink_to(os.path.realpath(path))
            except OSError:  # another disk, or one without such links
                shutil.copyfile(path, place)


def _check_room(single: SingleFile, folder: Path) -> None:
    needed, free = single.path.stat().st_size, shutil.disk_usage(folder).free
    if needed > free:
        raise HubtoolsError(
            f"{single.path} needs {human_bytes(needed)} as a folder in the cache, where"
            f" {human_bytes(free)} are free.",
            hint="free some space, or set HUBTOOLS_CACHE to a folder on another disk",
            code="disk-full",
        )


def _convert(single: SingleFile, folder: Path, parts: dict[str, list[Any]]) -> None:
    from safetensors.torch import load_file

    tensors = load_file(single.path)
    names = any(name.startswith(WITHIN) for name in tensors)
    if "unet" in parts and not names:
        tensors = {f"{WITHIN}{name}": tensor for name, tensor in tensors.items()}
    for part, (library, kind, *_) in parts.items():
        module = _opened(single, dict(tensors), folder, part, str(library), str(kind))
        with tempfile.TemporaryDirectory(prefix=_WRITTEN, dir=folder) as written:
            module.save_pretrained(written, safe_serialization=True)
            for path in Path(written).iterdir():
                if path.name != "config.json":
                    path.replace(folder / part / path.name)
        del module


def _opened(
    single: SingleFile, tensors: dict[str, Any], folder: Path, part: str, library: str, kind: str
) -> Any:
    import diffusers
    import torch
    import transformers
    from diffusers.loaders import single_file_utils as converters

    dtype = getattr(torch, single.precision)
    with opened_alone(str(single.path)), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if library == "diffusers":
            if part != "vae" and part != "unet":  # some converters know no other names
                tensors = {name.removeprefix(WITHIN): one for name, one in tensors.items()}
            return getattr(diffusers, kind).from_single_file(
                tensors, config=str(folder), subfolder=part, torch_dtype=dtype
            )
        make = (
            converters.create_diffusers_t5_model_from_checkpoint
            if kind == "T5EncoderModel"
            else converters.create_diffusers_clip_model_from_ldm
        )
        return make(
            getattr(transformers, kind), tensors, subfolder=part, config=str(folder),
            torch_dtype=dtype, local_files_only=True,
        )  # fmt: skip
