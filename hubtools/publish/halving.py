"""The LoRA files of a release in half precision: planned, written, and told in `run.json`."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hubtools.conversion.halving import Half as Precision
from hubtools.conversion.halving import halve, is_full
from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.files import human_bytes, json_bytes, json_value, sha256_of
from hubtools.layout import RUN_MANIFEST
from hubtools.lorafile.look import ADAPTERS
from hubtools.manifest import RunManifest, described
from hubtools.publish.classify import Half, Item, PrunePlan
from hubtools.rooted import Root
from hubtools.summed import JSON_SUM, json_was_changed, summed_json
from hubtools.training.runfolder import with_lora
from hubtools.weights import read_header


def halved(plan: PrunePlan, dtype: Precision) -> PrunePlan:
    """The plan with every LoRA that is kept in full precision written in `dtype`. Each is written
    once, beside the folder, to be measured. Raises `HubtoolsError` as `halve`."""
    with tempfile.TemporaryDirectory(prefix="hubtools-") as place:
        items = tuple(_planned(plan.root, item, dtype, Path(place)) for item in plan.items)
    return replace(plan, items=items)


def _planned(root: Path, item: Item, dtype: Precision, place: Path) -> Item:
    if item not in _full(root, [item]):
        return item
    done = halve(root / item.path, place / "half.safetensors", dtype)
    half = Half(dtype, done.bytes, done.sha256, done.made_of)
    reason = f"{item.reason}; in {dtype} {human_bytes(done.bytes)}, {done.made_of.words}"
    return replace(item, half=half, reason=reason)


def _full(root: Path, items: Iterable[Item]) -> list[Item]:
    """The LoRA files in full precision that are kept."""
    found = []
    for item in items:
        if item.verdict == "keep" and item.path.endswith(".safetensors"):
            header = read_header(root / item.path)
            if header.holds in ADAPTERS and is_full(header):
                found.append(item)
    return found


def only_halves(plan: PrunePlan) -> PrunePlan:
    """The part of a plan that writes LoRA files, and moves nothing else."""
    return replace(plan, items=plan.halved)


@contextmanager
def written(plan: PrunePlan) -> Iterator[Mapping[str, Path]]:
    """The files of the plan's LoRAs in half precision, by the names that they get. Raises
    `ChecksFailed` if one is not what the plan says."""
    with tempfile.TemporaryDirectory(prefix="hubtools-") as place:
        found = {}
        for number, item in enumerate(plan.halved):
            assert item.half is not None
            file = Path(place) / f"{number}.safetensors"
            dtype: Precision = "fp16" if item.half.dtype == "fp16" else "bf16"
            done = halve(plan.root / item.path, file, dtype)
            if done.sha256 != item.half.sha256:
                raise ChecksFailed(
                    f"{plan.root / item.path} in {dtype} is another file than the plan says.",
                    hint="make a new plan with --plan",
                    code="file-changed",
                )
            found[item.target or item.path] = file
        yield found


def exchange(
    root: Root,
    kept: str,
    new: Iterable[tuple[str, str]],
    halves: Mapping[str, Path],
    facts: tuple[bytes, bytes] | None,
) -> None:
    """Put LoRA files (`halves`, by name) and a `run.json` (its bytes `facts`: before, after) in the
    place of what is there, of which copies are made first in the folder `kept`. `new`: the names
    that the LoRAs had and get. A kill leaves the folder with a LoRA and a `run.json` at every
    moment, and what is done again is done with the same result. Raises `HubtoolsError` for a file
    that changed meanwhile."""
    copied = {old: root.copy_whole(old, f"{kept}/{old}") for old, _ in new}
    if facts is not None:
        before, after = facts
        root.copy_whole(RUN_MANIFEST, f"{kept}/{RUN_MANIFEST}")
        root.write_over(RUN_MANIFEST, after, before)
    for old, target in new:
        facts_of = root.stat(old)
        mode = None if facts_of is None else stat.S_IMODE(facts_of.st_mode)
        check = partial(_check_kept, root, old, copied[old])
        if old != target:
            check = partial(_check_new, root, target, halves[target], check)
        with (
            root.replacing(target, mode=mode, check=check) as out,
            halves[target].open("rb") as made,
        ):
            shutil.copyfileobj(made, out)
        if old != target:
            root.unlink(old, check=partial(_check_kept, root, old, copied[old]))


def _check_kept(root: Root, name: str, copied: str) -> None:
    if root.fingerprint(name) != copied:
        raise HubtoolsError(
            f"{root.path / name} has changed meanwhile; it stays as it is.",
            hint="`hubtools prune --undo` takes back what else was done",
            code="file-changed",
        )


def _check_new(root: Root, target: str, half: Path, check: Callable[[], None]) -> None:
    check()
    if root.exists(target) and root.fingerprint(target) != sha256_of(half):
        raise HubtoolsError(
            f"{root.path / target} has appeared meanwhile; it stays as it is.",
            hint="move it away; `hubtools prune --undo` takes back what else was done",
            code="file-changed",
        )


def new_facts(root: Root, plan: PrunePlan) -> tuple[bytes, bytes] | None:
    """`run.json`, and the same with the facts of the LoRA in half precision; None where it says
    nothing of it."""
    try:
        manifest = RunManifest.read(plan.root)
        data = root.read(RUN_MANIFEST)
    except (HubtoolsError, FileNotFoundError):
        return None
    lora = manifest.lora
    for item in plan.halved:
        half = item.half
        if lora is not None and half is not None and lora.sha256 == half.made_of.sha256:
            facts = lora.model_copy(update={"sha256": half.sha256, "bytes": half.bytes})
            return data, _about(data, with_lora(plan.root, manifest, facts))
    return None


def _earlier_facts(root: Root, data: bytes, was: str, halves: Iterable[str]) -> bytes | None:
    """`run.json` with these bytes, and with the LoRA that it had before (in the file `was`),
    whatever else came since; None if it is about another LoRA than one of `halves` (SHA-256) and
    that one."""
    place = root.path / RUN_MANIFEST
    found = described(RunManifest, data, place, "move it aside and undo again")
    before = described(RunManifest, root.read(was), root.path / was, "move it aside")
    if found.lora == before.lora and found.seal == before.seal:
        return data  # an undo that was killed has written it
    if found.lora is None or found.lora.sha256 not in set(halves):
        return None
    return _about(data, before)


def _about(data: bytes, manifest: RunManifest) -> bytes:
    """The bytes of a `run.json` with the LoRA of `manifest`; all else that it says stays, and so
    does a sum by which it is known that a person has changed it."""
    there = json_value(data)
    ours = JSON_SUM in there and not json_was_changed(json_bytes(there))
    now = json_bytes(
        {key: value for key, value in there.items() if not (ours and key == JSON_SUM)}
        | manifest.model_dump(mode="json", include={"lora", "seal"})
    )
    return summed_json(now) if ours else now


class Written(NamedTuple):
    """What has taken the place of a file: its name, its SHA-256, and that of the file ("" in a list
    that does not say it)."""

    name: str
    sha256: str
    was: str


class Taken(NamedTuple):
    """What has taken the place of a file that comes back, and goes; no name where nothing has.
    `mark` is that of when it was looked at; without a name, of the file that is back already.
    `facts` of a `run.json` that has changed since: (its bytes, those that it gets)."""

    name: str
    mark: tuple[int, ...] | None = None
    facts: tuple[bytes, bytes] | None = None


NOTHING = Taken("")


def taken_back(root: Root, listed: Mapping[str, Written], now: str, was: str) -> Taken:
    """What has taken the place of the file `was`, which is `now` in the trash. `listed`: by the
    name that it had. Raises `HubtoolsError` if it is another file than that, or if an undo that was
    killed had exchanged the two and the original is gone since."""
    if was not in listed:
        return NOTHING
    new, digest, original = listed[was]
    mark = root.mark(new)
    kept = root.fingerprint(now)
    if new == was and kept == digest:  # killed between exchanging the two and removing this one
        if mark is None:
            raise _gone(root, now, was)
        return Taken("", mark)
    if mark is None:
        return NOTHING
    found = root.fingerprint(new) if root.is_file(new) else None
    if found == digest:
        return Taken(new, mark)
    if found is not None and found == kept:
        return NOTHING  # killed between copying it to another disk and removing it
    if new == was and found is not None and found == original:
        raise _saved(root, now, was)
    if new == RUN_MANIFEST and found is not None:
        data = root.read(new)
        facts = _earlier_facts(root, data, now, [one.sha256 for one in listed.values()])
        if facts is not None:
            return Taken(new, mark, (data, facts))
    raise changed(root, new)


def _gone(root: Root, now: str, was: str) -> HubtoolsError:
    return HubtoolsError(
        f"{root.path / was} had come back, and is gone since; {root.path / now} is the one that"
        " took its place.",
        hint="move the original back to its name and undo again; if there is none any more, move"
        " that file there",
        code="file-changed",
    )


def _saved(root: Root, now: str, was: str) -> HubtoolsError:
    return HubtoolsError(
        f"{root.path / was} is back, and {root.path / now} is none of hubtools': somebody has"
        " saved it under that name in the instant in which the two changed places, or has changed"
        " it in the trash.",
        hint="move it out of the trash and undo again",
        code="file-changed",
    )


def changed(root: Root, name: str) -> HubtoolsError:
    """The error for a file that is not the one that hubtools has written there."""
    return HubtoolsError(
        f"{root.path / name} is another file now than the one that was moved there.",
        hint="move it aside and undo again",
        code="file-changed",
    )


__all__ = [
    "NOTHING",
    "Written",
    "changed",
    "exchange",
    "halved",
    "new_facts",
    "only_halves",
    "taken_back",
    "written",
]
