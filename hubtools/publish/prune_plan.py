"""Plans of prunes as files: what `prune --plan` writes and `prune --from-plan` does, or refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.files import StrPath
from hubtools.findings import plural
from hubtools.layout import RUN_MANIFEST, WORK_DIR
from hubtools.lorafile.made_of import SHA256, MadeOf
from hubtools.plans import SavedPlan, no_plan, read_plan, root_of, state_of
from hubtools.plans.fields import number, only, optional, text
from hubtools.publish.classify import Half, Item, PrunePlan, Verdict
from hubtools.rooted import LeadsOut, parts_of

_KEYS = ("action", "path", "target", "bytes", "why")
_ACTIONS = {
    "keep": (Verdict.KEEP, False),
    "drop": (Verdict.DROP, True),
    "stay": (Verdict.DROP, False),
    "ask": (Verdict.ASK, False),
}


@dataclass(frozen=True)
class Replay:
    """A plan out of a file. `done`: the folder is as the plan would leave it."""

    plan: PrunePlan
    done: bool


def save_plan(
    plan: PrunePlan, path: Path, made_from: Mapping[str, str], options: Mapping[str, Any]
) -> None:
    """Write the plan. `made_from`: the state of the run folder from before it was classified;
    `options`: what was asked for. Raises `HubtoolsError` if something that is no plan is there."""
    operations = tuple(
        {
            "action": item.word,
            "path": item.path,
            "target": item.target,
            "bytes": item.bytes,
            "why": item.reason,
            **({"half": _half_of(item.half)} if item.half else {}),
        }
        for item in plan.items
        if item.path in made_from  # all but the plan itself, and what came since
    )
    root, name = root_of(plan.root, path), plan.root.resolve().name
    SavedPlan("prune", root, name, None, made_from, options, operations).save(path)


def _half_of(half: Half) -> dict[str, Any]:
    made_of = half.made_of
    return {
        "dtype": half.dtype,
        "bytes": half.bytes,
        "sha256": half.sha256,
        "made_of": {
            "sha256": made_of.sha256,
            "whole": made_of.whole,
            "worst": made_of.worst,
            "worst_layer": made_of.worst_layer,
        },
    }


def load_plan(root: Path, plan: StrPath | SavedPlan) -> Replay:
    """Read a saved plan for the run folder at `root`. Raises `HubtoolsError` if the file is none,
    if it contradicts itself, or if any file of the folder is another than it was made from."""
    saved = read_plan(plan, "prune")
    items = items_of(saved)
    weights = next((i.target for i in items if i.target and "/" not in i.target), "")
    found = PrunePlan(root, items, weights)
    changes = saved.changes(root)
    if not any(changes):
        return Replay(found, False)
    if _is_done(saved, root, found):
        return Replay(found, True)
    raise saved.changed(root, changes)


def items_of(saved: SavedPlan) -> tuple[Item, ...]:
    """What the operations of an envelope say. Raises `HubtoolsError` if that cannot be."""
    try:
        items = tuple(map(_item, saved.operations))
        _check_closed(items, saved.made_from)
    except LeadsOut as error:
        raise no_plan(saved.path, "prune", error.message) from None
    except (ValueError, KeyError, TypeError) as error:
        raise no_plan(saved.path, "prune", error) from None
    return items


def _item(operation: Mapping[str, Any]) -> Item:
    only(operation, (*_KEYS, "half") if "half" in operation else _KEYS)
    action, path = text(operation, "action"), text(operation, "path")
    if action not in _ACTIONS:
        raise ValueError(f"{action!a:.80} is no action")
    verdict, known = _ACTIONS[action]
    target = optional(operation, "target")
    for name in (path, target):
        if name is not None and WORK_DIR in parts_of(name):
            raise ValueError(f"{name!r} is hubtools' own")
    if target is not None and verdict is not Verdict.KEEP:
        raise ValueError(f"{path!r} is not kept, and has a target")
    if target is not None and not (_is_lora(path) and _is_lora(target)):
        raise ValueError(f"{path!r} would become {target!r}, and only LoRA files get other names")
    size, why = number(operation, "bytes"), text(operation, "why")
    half = _half(operation["half"]) if "half" in operation else None
    if half is not None and verdict is not Verdict.KEEP:
        raise ValueError(f"{path!r} is not kept, and is written in half precision")
    return Item(path, size, verdict, why, target, known, half)


def _is_lora(name: str) -> bool:
    """False also for a name that git, hubtools or another program looks for."""
    return name.endswith(".safetensors") and not any(p.startswith(".") for p in name.split("/"))


def _half(value: Any) -> Half:
    if not isinstance(value, dict) or not isinstance(value.get("made_of"), dict):
        raise ValueError("half is no description of a file")
    only(value, ("dtype", "bytes", "sha256", "made_of"))
    made_of = MadeOf(**value["made_of"])
    if not made_of.is_sound:
        raise ValueError("made_of is no description of a file")
    dtype = text(value, "dtype", re.compile("fp16|bf16"))
    return Half(dtype, number(value, "bytes"), text(value, "sha256", SHA256), made_of)


def _check_closed(items: tuple[Item, ...], made_from: Mapping[str, str]) -> None:
    """Raises `ValueError` unless each file that it was made from is named once, and no target lies
    where a file is, or in one, or where a file's folder is."""
    paths = [item.path for item in items]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"it names {twice!r} more than once")
    if odd := sorted(set(paths) - made_from.keys()):
        raise ValueError(f"{odd[0]!r} is not among the files that it was made from")
    targets = [item.target for item in items if item.target is not None]
    if len(set(targets)) < len(targets):
        raise ValueError("it keeps two files under one name")
    if len(top := [target for target in targets if "/" not in target]) > 1:
        raise ValueError(f"it keeps more than one LoRA at the top: {', '.join(top)}")
    for target in targets:
        parts = target.split("/")
        above = {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        if above & made_from.keys() or any(name.startswith(f"{target}/") for name in made_from):
            raise ValueError(f"{target!r} would take the place of another file")


def _is_done(saved: SavedPlan, root: Path, plan: PrunePlan) -> bool:
    """True if every file of the folder is as the plan would leave it."""
    after = dict(saved.made_from)
    for item in plan.moved:
        after.pop(item.path, None)
    for item in plan.kept:
        if item.target is not None:
            after[item.target] = after.pop(item.path)
        if item.half is not None:
            after[item.target or item.path] = item.half.sha256
    now = state_of(root, saved.path, git=True)
    if plan.halved and RUN_MANIFEST in now and RUN_MANIFEST in after:
        after[RUN_MANIFEST] = now[RUN_MANIFEST]  # it tells of the new LoRA
    return (plan.moved != () or plan.halved != ()) and now == after


def would(saved: SavedPlan) -> str:
    """What a plan does, for the question whether it is to be trusted."""
    items = items_of(saved)
    half = sum(item.half is not None for item in items)
    more = f", and write {plural(half, 'LoRA file')} in half precision" if half else ""
    return f"move {plural(sum(item.moves for item in items), 'file')} to the trash{more}"


def lines_of(saved: SavedPlan) -> list[str]:
    """All that a plan does, to be read."""
    return [
        f"{item.word:<4}  {item.path}"
        + (f" -> {item.target}" if item.target else "")
        + (f" in {item.half.dtype}" if item.half else "")
        for item in items_of(saved)
        if item.moves or item.target or item.half
    ]
