"""Plans of shards as files: what `shard --plan` writes and `shard --from-plan` does, or refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.packing.plan import ENDING, Format, PackingPlan, ShardPlan
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.findings import plural
from hubtools.plans import SavedPlan, no_plan, read_plan, root_of
from hubtools.plans.fields import number, only, text
from hubtools.rooted import LeadsOut, parts_of

_KEYS = ("action", "target", "split", "first", "rows", "bytes")


@dataclass(frozen=True)
class Wanted:
    """What a plan says: which form the shards have, how large they may be, and each of them."""

    format: Format
    max_shard_size: int | None
    operations: tuple[Mapping[str, Any], ...]

    def check(self, plan: PackingPlan) -> None:
        """Raises `HubtoolsError` unless a plan made now writes those shards and no other."""
        if _operations(plan.shards) != self.operations:
            raise HubtoolsError(
                f"{plan.root} would now be packed into other shards than the plan says; nothing was"
                " written.",
                hint="make a new plan: another version of hubtools may pack otherwise",
                code="other-version",
            )


def _operations(shards: Sequence[ShardPlan]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "action": "write",
            "target": shard.name,
            "split": shard.split,
            "first": shard.first,
            "rows": shard.rows,
            "bytes": shard.pictures,
        }
        for shard in shards
    )


def save_plan(
    plan: PackingPlan, path: Path, made_from: Mapping[str, str], max_shard_size: int | None
) -> None:
    """Write the plan. `made_from`: the state of the folder from before it was looked at. Raises
    `HubtoolsError` if something that is no plan is there."""
    options = {"format": plan.format, "max_shard_size": max_shard_size}
    root, name = root_of(plan.root, path), plan.root.resolve().name
    operations = _operations(plan.shards)
    SavedPlan("shard", root, name, None, made_from, options, operations).save(path)


def load_plan(root: Path, plan: StrPath | SavedPlan) -> Wanted:
    """Read a saved plan for the dataset at `root`. Raises `HubtoolsError` if the file is none, if
    it contradicts itself, or if any file of the folder is another than it was made from."""
    saved = read_plan(plan, "shard")
    wanted = wanted_of(saved)
    saved.check_folder(root)
    return wanted


def wanted_of(saved: SavedPlan) -> Wanted:
    """What the operations of an envelope say. Raises `HubtoolsError` if that cannot be."""
    try:
        only(saved.options, ("format", "max_shard_size"))
        format, limit = text(saved.options, "format"), saved.options["max_shard_size"]
        if format not in ENDING:
            raise ValueError(f"format is {format!a:.80}")
        if limit is not None and number(saved.options, "max_shard_size") < 1:
            raise ValueError("max_shard_size is 0")
        for operation in saved.operations:
            only(operation, _KEYS)
            if operation["action"] != "write":
                raise ValueError(f"{operation['action']!a:.80} is no action")
            parts_of(text(operation, "target"))
            text(operation, "split")
            for key in ("first", "rows", "bytes"):
                number(operation, key)
        for name, count in Counter(op["target"] for op in saved.operations).items():
            if count > 1:
                raise ValueError(f"it names {name!r} {count} times")
    except LeadsOut as error:
        raise no_plan(saved.path, "shard", error.message) from None
    except (ValueError, KeyError, TypeError) as error:
        raise no_plan(saved.path, "shard", error) from None
    return Wanted(format, limit, saved.operations)


def would(saved: SavedPlan) -> str:
    """What a plan does, for the question whether it is to be trusted."""
    return f"write {plural(len(wanted_of(saved).operations), 'shard')}"


def lines_of(saved: SavedPlan) -> list[str]:
    """All that a plan says, to be read."""
    return [
        f"write {operation['target']}  ({operation['rows']} rows)"
        for operation in wanted_of(saved).operations
    ]
