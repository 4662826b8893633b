"""The cases of `fuzz.py`: what is made, what is done with it, and what must be true then."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import folders, heavy, metadata, pictures, shapes, states, texts
from hostile.crowd import crowd
from hubtools.dataset.caption.planner import plan_captions
from hubtools.dataset.edits.journal import purge
from hubtools.dataset.edits.journal_files import journals
from hubtools.dataset.edits.load_tables import load_table
from hubtools.dataset.edits.pixels import EDITS, LOSSLESS, Refused, edited, shown
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.remedies import UNSAFE
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.loaders.source import TROUBLE
from hubtools.dataset.metadata import parse_metadata
from hubtools.dataset.packing.unpack import unshard
from hubtools.dataset.packing.write import shard
from hubtools.dataset.pictures.header import trusted_format
from hubtools.dataset.pictures.private import exif
from hubtools.dataset.pictures.private.scrub import scrub
from hubtools.dataset.validate import validate
from hubtools.dataset.workers.guarded import run_guarded, scan_one
from hubtools.dataset.workers.pool import Failure
from hubtools.errors import HubtoolsError
from hubtools.findings import to_json, to_text
from hubtools.project import load_project
from hubtools.reporting.github import to_github
from hubtools.settings import DatasetSettings

Case = Callable[[random.Random, Path], None]


class Broken(AssertionError):
    """A promise that was not kept."""


def promise(kept: bool, what: str) -> None:
    """Raise `Broken` unless it was kept."""
    if not kept:
        raise Broken(what)


def printable(text: str, what: str) -> None:
    """A text that any terminal can be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Broken(f"{what} cannot be printed: {text!a:.300}") from None
    odd = [mark for mark in text if ord(mark) < 32 and mark not in "\n\t"]
    promise(not odd, f"{what} holds control characters: {text!a:.300}")


# --- one case of each kind -----------------------------------------------------------------------


def picture(random: random.Random, place: Path) -> None:
    """The bytes of a picture file: looked at, scrubbed, edited."""
    data = pictures.hostile(random)
    (place / "picture").write_bytes(data)
    facts = scan_one(data, "x.png")
    promise("crashed" not in (facts.problem or ""), f"{facts.problem}")
    promise(facts == scan_one(data, "x.png"), "two looks differ")
    for text in (facts.problem, facts.kind, facts.owner, facts.profile, facts.mode):
        printable(text or "", "a fact")
    trouble = run_guarded(TROUBLE, data)
    promise(not isinstance(trouble, Failure), f"{trouble}")
    try:
        cleaned, removed = scrub(data)
    except exif.Damaged as error:
        printable(str(error), "a reason")
    else:
        promise(bool(removed) or cleaned == data, "changed, and says nothing was removed")
        with contextlib.suppress(exif.Damaged):
            promise(scrub(cleaned)[0] == cleaned, "scrubbing twice is not scrubbing once")
    edits = random.sample(sorted(EDITS - {"copy"}), random.randint(1, 2))
    try:
        changed, proof = edited(data, edits)
    except Refused as error:
        printable(str(error), "a reason")
        promise("crashed" not in str(error), f"{edits}: {error}")
        return
    if set(edits) <= LOSSLESS:
        promise(proof is not None, f"{edits}: not proven")
        same = not trusted_format(data) or shown(data) == proof == shown(changed)
        promise(same, f"{edits}: other pixels")
    else:
        promise(scan_one(changed, "x.png").kind is None, f"{edits}: no picture comes of it")


def table(random: random.Random, place: Path) -> None:
    """The bytes of a metadata file: read, repaired, written."""
    name, data = metadata.hostile(random)
    (place / name).write_bytes(data)
    found = parse_metadata(Entry(name, len(data), 0), data)
    for trouble in found.troubles:
        str(trouble.message).encode("utf-8", "backslashreplace")
        promise(trouble.line is None or trouble.line >= 1, "a line before the first")
        promise(trouble.column is None or trouble.column >= 1, "a column before the first")
    doubt = random.random() < 0.5
    made = load_table(name, data, caption="text", resolve_doubt=doubt)
    if made.form == "parquet" or made.locked is not None:
        return
    text = made.render()
    text.decode("utf-8")
    again = load_table(name, text, caption="text", resolve_doubt=doubt)
    promise(again.locked is None, f"what was written cannot be read: {again.locked}")
    promise(again.render() == text, "repairing twice is not repairing once")
    old = [record.values for record in made.records if not record.raw]
    new = [record.values for record in again.records if not record.raw]
    promise(len(new) >= len(old), "records are lost in writing")


def folder(random: random.Random, place: Path) -> None:
    """A folder of all that: validated, fixed, undone, captioned, sharded."""
    root = place / "set"
    folders.hostile(random, root)
    settings = DatasetSettings(
        trigger=random.choice([None, "tok", "(x) ☃", "a.b*"]),
        caption_column=random.choice(["text"] * 4 + ["prompt", "file_name", "image"]),
        license=random.choice([None, "mit", "no such\nthing"]),
        near_radius=random.choice([6, 6, -1, 0]),
        mirrored_copies=random.random() < 0.2,
    )
    report = validate(root, settings, resolution=16)
    for render in (to_text, to_json, to_github):
        printable(render(report), render.__name__)
    promise(json.loads(to_json(report))["ok"] == report.ok, "the JSON says something else")
    again = validate(root, settings, resolution=16)
    promise(to_json(again) == to_json(report), "two validations differ")
    _fixed(random, root, settings)
    with contextlib.suppress(HubtoolsError):
        plan = plan_captions(root, settings, template="{trigger|x}, {stem}", trigger_insert=True)
        for line in plan.diff():
            printable(line, "a caption's diff")
    _sharded(random, root, place)


def _fixed(random: random.Random, root: Path, settings: DatasetSettings) -> None:
    before = folders.snapshot(root)
    unsafe = random.sample(sorted(UNSAFE), random.choice([0, 0, 1, 3, len(UNSAFE)]))
    try:
        plan = plan_fix(root, settings, unsafe=unsafe, resolution=16)
        for line in plan.diff():
            printable(line, "a diff")
        printable(json.dumps(plan.to_dict()), "a plan")
        promise(folders.snapshot(root) == before, "planning has changed something")
        done = fix(root, settings, unsafe=unsafe, resolution=16)
    except HubtoolsError as error:
        promise(bool(error.message), "an error without a word")
        promise(folders.snapshot(root) == before, "a fix that failed has changed something")
        return
    after = folders.snapshot(root)
    kept = {
        folders.content(path)
        for journal in journals(root)
        for path in (journal.place / "originals").rglob("*")
    }
    lost = [name for name, data in before.items() if data not in {*after.values(), *kept}]
    promise(not lost, f"lost: {lost!a:.300}")
    left = plan_fix(root, settings, unsafe=unsafe, resolution=16).operations
    promise(not left, f"after a fix there is more: {[op.line for op in left]!a:.400}")
    if done.journal is not None:
        undo_fix(root)
        now = folders.snapshot(root)
        promise(now == before, f"undone, and not the same: {_apart(before, now)!a:.300}")
        purge(root)


def _apart(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def _sharded(random: random.Random, root: Path, place: Path) -> None:
    format: Any = random.choice(["parquet", "webdataset"])
    packed, back = place / "packed", place / "back"
    before = folders.snapshot(root)
    try:
        done = shard(root, packed, format=format, max_shard_size=random.choice([None, 2000]))
        unshard(packed, back)
    except HubtoolsError as error:
        promise(bool(error.message), "an error without a word")
    else:
        for name, data in folders.snapshot(back).items():
            told = "metadata" in name or name == "README.md"
            promise(told or before.get(name) == data, f"came back as something else: {name!a}")
        promise(bool(done.rows), "shards without rows")
    promise(folders.snapshot(root) == before, "sharding has changed the folder")


def bomb(random: random.Random, place: Path) -> None:
    """A folder with a small file that announces a picture of gigabytes."""
    root = place / "set"
    root.mkdir()
    lines = []
    for number in range(random.choice([1, 1, 2])):
        name = f"{number}.{random.choice(['png', 'png', 'jpg', 'webp'])}"
        (root / name).write_bytes(heavy.hostile(random))
        lines.append(json.dumps({"file_name": name, "text": "a large one"}))
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    settings = DatasetSettings()
    report = validate(root, settings, resolution=16, exhibits=True)
    promise("crashed" not in to_text(report), "a decoder has crashed")
    _fixed(random, root, settings)


def settings(random: random.Random, place: Path) -> None:
    """A hubtools.toml."""
    (place / "hubtools.toml").write_bytes(texts.toml(random))
    try:
        load_project(place / "hubtools.toml")
    except HubtoolsError as error:
        printable(f"{error.message} {error.hint}", "a sentence")


def _typed(words: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout, stderr; to an output that takes UTF-8 only."""
    from hubtools.cli.main import run

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    before = sys.stdin
    with (
        open(os.devnull) as nobody,  # noqa: PTH123
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        sys.stdin = nobody
        try:
            code = run(words)
        finally:
            sys.stdin = before
        out.flush(), err.flush()
    said, told = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    promise("bug in hubtools" not in told, f"{words}: {told!a:.600}")
    promise(code in (0, 1, 2, 3), f"{words}: exit code {code}")
    promise(
        "Error" in told or code in (0, 3), f"{words}: code {code} without a word: {told!a:.300}"
    )
    return code, said, told


def typed(random: random.Random, place: Path) -> None:
    """The same folders through the command line."""
    root = place / "set"
    folders.hostile(random, root)
    format = random.choice(["human", "json", "agent", "quiet"])
    words = random.choice(
        [
            ["validate", str(root)],
            ["fix", str(root), "--dry-run"],
            ["fix", str(root), "--yes"],
            ["inspect", str(root), "--all"],
            ["caption", str(root), "--template", "x {stem}", "--dry-run"],
            ["shard", str(root), "--to", str(place / "packed")],
        ]
    )
    code, said, told = _typed([*words, "--format", format])
    printable(said, "the output")
    printable(told, "the messages")
    if format == "json" and code in (0, 3) and said:
        json.loads(said)


def state(random: random.Random, place: Path) -> None:
    """A folder with somebody else's `.hubtools`: whatever is typed, nothing beside it changes."""
    home = states.home(place)
    root = place / "set"
    states.a_set(random, root)
    if random.random() < 0.4:
        states.a_run(root)
    if random.random() < 0.6:
        for words in (["fix", str(root), "--yes"], ["prune", str(root), "--apply"]):
            _typed(words)
        states.spoil(random, root / ".hubtools")
    if random.random() < 0.6:
        states.forge(random, root)
    if random.random() < 0.6:
        states.link(random, root)
    before = states.whole(home)
    for words in states.commands(random, root, _typed):
        _typed(words)
        after = states.whole(home)
        promise(after == before, f"{words} has touched {_apart(before, after)}")
        odd = {path.name for path in place.iterdir()} - {"set", "home", "plan.json"}
        promise(not odd, f"{words} has left {odd} beside the folder")


def shape(random: random.Random, place: Path) -> None:
    """A dataset of one extreme shape: time in proportion to the bytes, memory within bounds."""
    root, name = place / "set", random.choice(sorted(shapes.SHAPES))
    shapes.SHAPES[name](root, random.choice([1_000, 100_000, 1_000_000, 3_000_000]))
    begun = time.monotonic()
    for words in (["validate", str(root)], ["fix", str(root), "--dry-run"]):
        _typed([*words, "--format", "quiet"])
    promise(
        time.monotonic() - begun < 120 * crowd(),
        f"{name} takes {time.monotonic() - begun:.0f} seconds",
    )


KINDS: dict[str, tuple[Case, int]] = {
    "picture": (picture, 60),
    "table": (table, 40),
    "folder": (folder, 6),
    "settings": (settings, 6),
    "typed": (typed, 3),
    "bomb": (bomb, 1),
    "state": (state, 8),
    "shape": (shape, 1),
}
