"""What a base model is a kind of: by its folder, by the Hub's cache, or by its name alone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hubtools.byname import named
from hubtools.causes import is_absent
from hubtools.files import StrPath, json_within
from hubtools.models.lookup import row_of_class
from hubtools.models.registry import DEFAULT_SIZE, TARGETS
from hubtools.models.rows import Target, TargetName


def target_of(base: StrPath) -> Target | None:
    """The target of a base model: a pipeline folder, a file with a whole model, or a Hub id,
    `owner/name` or `owner/name@revision` (its copy in the local cache is looked at, if there is
    one). None if nothing tells."""
    path = Path(base).expanduser()
    if path.is_file():
        single: Target | None = named("hubtools.models.singles:target_of_file")(path)
        return single
    folder = folder_of(base)
    if folder is not None and (found := _of_folder(folder)):
        return found
    text = str(base).lower().partition("@")[0]
    if text.count("/") != 1:
        return None  # a folder that tells nothing
    for row in reversed(
        TARGETS.values()
    ):  # names of younger models are made from those of older ones
        for pattern, size in row.ids:
            if re.search(pattern, text):
                return row._replace(size=size) if size else row
    return None


def widths_of(base: StrPath, row: Target) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What goes into the cross-attention of the UNet, and into a block of the transformer, of a
    base of the kind `row`: by its folder; by its name where that is no folder here, unless it calls
    itself tiny. Empty where nothing tells."""
    folder = folder_of(base)
    if folder is None:
        tiny = "tiny" in str(base).lower() or Path(base).expanduser().is_file()
        return ((), ()) if tiny else (row.layers.captions, row.layers.widths)
    config = _json(folder / row.denoiser / "config.json")
    if row.layers.captions:
        width = config.get("cross_attention_dim")
        return ((width,) if isinstance(width, int) else ()), ()
    heads, each = config.get("num_attention_heads"), config.get("attention_head_dim")
    known = isinstance(heads, int) and isinstance(each, int) and heads * each in row.layers.widths
    return (), row.layers.widths if known else ()


def chosen_target(name: TargetName | None, base: StrPath | None) -> Target | None:
    """The target that a setting names, else that of `base`; None if nothing tells."""
    if name is not None:
        return TARGETS[name]
    return target_of(base) if base else None


def size_of(target: Target | None) -> int:
    """Side in pixels of pictures for `target`: the one default of the training resolution."""
    return target.size if target else DEFAULT_SIZE


def divisor_of(target: Target | None) -> int:
    """What the sides of pictures for `target` are multiples of, in pixels."""
    return target.support.divisor if target and target.support else 8


def folder_of(base: StrPath) -> Path | None:
    """The folder of a pipeline: `base` itself, or the Hub's cache of that id, at the revision
    behind an @ if there is one. Nothing is asked of the Hub."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    id, _, revision = str(base).partition("@")
    if id.count("/") != 1:
        return None
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not cache:
        home = os.environ.get("HF_HOME")
        if not home:
            home = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
        cache = os.path.join(home, "hub")
    place = Path(cache).expanduser() / f"models--{id.replace('/', '--')}"
    commit = _commit_of(place, revision or "main")
    found = place / "snapshots" / commit if commit else None
    return found if found is not None and found.is_dir() else None


def _commit_of(place: Path, revision: str) -> str | None:
    """The commit that the cache of a repository knows as a branch, a tag or a pull request."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    if not all(part.strip(".") for part in revision.split("/")):
        return None  # no name of one
    try:
        return (place / "refs" / revision).read_text(encoding="ascii").strip() or None
    except OSError as error:
        if not is_absent(error):
            raise
        return None
    except ValueError:
        return None


def _of_folder(folder: Path) -> Target | None:
    kind = _json(folder / "model_index.json").get("_class_name")
    if not isinstance(kind, str):
        return None
    for row in row_of_class(kind):
        config = _json(folder / row.denoiser / "config.json")
        if row.marker is None or config.get(row.marker[0]) == row.marker[1]:
            return _sized(row, config, folder)
    return None


def _sized(target: Target, denoiser: dict[str, Any], folder: Path) -> Target:
    side, vae = denoiser.get("sample_size"), _json(folder / "vae" / "config.json")
    channels = vae.get("block_out_channels") or vae.get("encoder_block_out_channels")
    if isinstance(side, int) and isinstance(channels, list) and 0 < side <= 1024:
        return target._replace(size=side * 2 ** max(0, len(channels) - 1))
    return target


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json_within(path)
    except OSError as error:
        if not is_absent(error):  # it would be taken for another model
            raise
        return {}
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
