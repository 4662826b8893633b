"""The LoRA files of a release in half precision: planned, written, and told in `run.json`."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hubtools.conversion.halving import Half as Precision
from hubtools.conversion.halving import halve, is_full
from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.files import human_bytes
from hubtools.layout import RUN_MANIFEST
from hubtools.lorafile.look import ADAPTERS
from hubtools.manifest import RunManifest, described
from hubtools.publish.classify import Half, Item, PrunePlan
from hubtools.rooted import Root
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
    facts: bytes | None,
) -> None:
    """Put LoRA files (`halves`, by name) and a `run.json` with `facts` in the place of what is
    there, of which copies are made first in the folder `kept`. `new`: the names that the LoRAs had
    and get. A kill leaves the folder with a LoRA and a `run.json` at every moment, and what is done
    again is done with the same result. Raises `HubtoolsError` for a LoRA that changed meanwhile."""
    copied = {old: root.copy(old, f"{kept}/{old}") for old, _ in new}
    if facts is not None:
        root.copy(RUN_MANIFEST, f"{kept}/{RUN_MANIFEST}")
        root.write(RUN_MANIFEST, facts)
    for old, target in new:
        facts_of = root.stat(old)
        mode = None if facts_of is None else stat.S_IMODE(facts_of.st_mode)
        with root.replacing(target, mode=mode) as out, halves[target].open("rb") as made:
            shutil.copyfileobj(made, out)
            if root.fingerprint(old) != copied[old]:
                raise HubtoolsError(
                    f"{root.path / old} has changed meanwhile; it stays as it is.",
                    hint="`hubtools prune --undo` takes back what else was done",
                    code="file-changed",
                )
        if old != target:
            root.unlink(old)


def new_facts(plan: PrunePlan) -> bytes | None:
    """`run.json` with the facts of the LoRA in half precision; None where it says nothing of it."""
    try:
        manifest = RunManifest.read(plan.root)
    except HubtoolsError:
        return None
    lora = manifest.lora
    for item in plan.halved:
        half = item.half
        if lora is not None and half is not None and lora.sha256 == half.made_of.sha256:
            facts = lora.model_copy(update={"sha256": half.sha256, "bytes": half.bytes})
            return _bytes(with_lora(plan.root, manifest, facts))
    return None


def earlier_facts(root: Root, now: str, was: str, halves: Iterable[str]) -> bytes | None:
    """`run.json` as it is `now`, with the LoRA that it had before (in the file `was`), whatever
    else came since; None if it is about another LoRA than one of `halves` (SHA-256)."""
    place = root.path / now
    found = described(RunManifest, root.read(now), place, "move it aside and undo again")
    before = described(RunManifest, root.read(was), root.path / was, "move it aside")
    if found.lora is None or found.lora.sha256 not in set(halves):
        return None
    return _bytes(found.model_copy(update={"lora": before.lora, "seal": before.seal}))


def _bytes(manifest: RunManifest) -> bytes:
    return (manifest.model_dump_json(indent=2) + "\n").encode()


__all__ = ["earlier_facts", "exchange", "halved", "new_facts", "only_halves", "written"]
