"""Which LoRA file of a run folder is the run's, of all that lie there."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from shlex import quote

from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS, STATE_DIR
from hubtools.lorafile.companions import companions
from hubtools.lorafile.look import ADAPTERS
from hubtools.rooted import Root
from hubtools.runfolders.checkpoints import newest, steps_of
from hubtools.runfolders.trainers import (
    base_of_numbered,
    read_manifest,
    recognised,
    refuse_places,
)
from hubtools.runfolders.tree import files_below
from hubtools.weights import Header, Holds, read_header


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern fits a relative path, or its last part."""
    base = name.rpartition("/")[2]
    return any(fnmatchcase(name, p) or fnmatchcase(base, p) for p in patterns)


def lora_in(
    folder: Path, drop: Sequence[str] = (), adapters: Sequence[str] = ()
) -> tuple[str, str | None]:
    """`the_lora` of a folder that nothing is known of yet: (its path in it, with `/`; the name that
    it is published under if that differs)."""
    refuse_places(folder)
    with Root(folder) as root:
        headers = {
            name: read_header(root.opened(name))
            for name, facts in files_below(root)
            if name.endswith(".safetensors") and stat.S_ISREG(facts.st_mode)
        }
        return the_lora(root, headers, steps_of(root, headers), drop, adapters)


def holds_lora(folder: Path) -> bool:
    """True for a folder with an adapter at its top, or one that a trainer has left."""
    if not folder.is_dir():
        return False
    with Root(folder) as root:
        names = [n for n in root.list() if n.endswith(".safetensors") and root.is_file(n)]
        if any(read_header(root.opened(name)).holds in ADAPTERS for name in names):
            return True
    return recognised(folder) is not None


def the_lora(
    root: Root,
    headers: Mapping[str, Header],
    steps: Mapping[str, int | None],
    drop: Sequence[str],
    adapters: Sequence[str],
) -> tuple[str, str | None]:
    """(path of the LoRA to publish, name to publish it under if that differs). `adapters` are
    published beside it, and are it only where there is no other. Raises `HubtoolsError` if there is
    none, or several of which nothing tells which it is."""
    beside = {one.file for one in companions(headers, "", adapters) if one.kind == "adapter"}
    loras = [
        name
        for name, header in headers.items()
        if header.holds in ADAPTERS and not matches(name, drop)
    ]
    top = [name for name in loras if "/" not in name]
    if LORA_WEIGHTS in top:
        return LORA_WEIGHTS, None
    named = _named_by_manifest(root)
    if named in top:
        return named, None
    top = [name for name in top if name not in beside] or [*adapters][:1]
    if len(top) == 1:
        return top[0], None
    if (final := _final_of(top, steps)) is not None:
        return final, None
    if len(top) > 1:
        raise HubtoolsError(
            f"{root.path} holds several LoRA files: {', '.join(top)}.",
            hint="`hubtools convert FILE` makes a folder to publish of one of them; or drop all but"
            f" one (--drop PATTERN), or name the final one {LORA_WEIGHTS}; those that belong"
            f" together: --adapters {quote(top[0])} --adapters {quote(top[1])}",
            code="wrong-kind",
        )
    below = [name for name in loras if not name.startswith((f"{STATE_DIR}/",))] or loras
    if below:
        return newest(steps, below), LORA_WEIGHTS
    damaged = [name for name, header in headers.items() if header.holds is Holds.DAMAGED]
    hint = f"these are damaged: {', '.join(damaged[:3])}" if damaged else "train first"
    raise HubtoolsError(
        f"{root.path} holds no LoRA; nothing would be left to publish.",
        hint=hint,
        code="nothing-there",
    )


def _final_of(names: Sequence[str], steps: Mapping[str, int | None]) -> str | None:
    """The last of NAME-000010, NAME-000020, NAME as sd-scripts and ai-toolkit write them; None if
    the names are not of one such row."""
    bases = {base_of_numbered(name) or name for name in names}
    if len(bases) != 1:
        return None
    base = bases.pop()
    return base if base in names else newest(steps, names)


def _named_by_manifest(root: Root) -> str:
    lora = (read_manifest(root) or {}).get("lora")
    name = lora.get("file") if isinstance(lora, dict) else None
    return name if isinstance(name, str) else ""
