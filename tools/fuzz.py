"""Throw hostile bytes and names at the dataset commands, and hold them to what they promise.

    python tools/fuzz.py --seconds 600 --seed 7 [--keep DIR]
    python tools/fuzz.py --case 7:1234          # one case again, with its traceback

A case is made of its seed and number alone. Whatever is in a file: no exception but a sentence
(HubtoolsError), the same answer twice, texts that can be printed, JSON that can be read, no more
than some seconds, no more memory than `OWN`, `WORKER` and `WORKERS` say; `fix` loses nothing, has
nothing left to do the second time, and is undone byte for byte; what `unshard` unpacks is what was
packed. A case that breaks this is printed and, with `--keep`, its folder is copied there. Exit
code 1 if there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from hostile import folders, heavy, memory, metadata, pictures, texts

from hubtools.dataset.caption.planner import plan_captions
from hubtools.dataset.careful import carefully, one_helper
from hubtools.dataset.check import validate
from hubtools.dataset.crew import Failure, Limits
from hubtools.dataset.fix.journal import purge
from hubtools.dataset.fix.journals import journals
from hubtools.dataset.fix.pixels import EDITS, LOSSLESS, Refused, edited, shown
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.remedies import UNSAFE
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.fix.tables import load_table
from hubtools.dataset.folder import Entry
from hubtools.dataset.metadata import parse_metadata
from hubtools.dataset.plain import plain
from hubtools.dataset.private import exif
from hubtools.dataset.private.scrub import scrub
from hubtools.dataset.scan import look_at_one
from hubtools.dataset.shard.unshard import unshard
from hubtools.dataset.shard.write import shard
from hubtools.errors import HubtoolsError
from hubtools.findings import to_github, to_json, to_text
from hubtools.project import DatasetSettings, load_project

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
    facts = look_at_one(data, "x.png")
    promise("crashed" not in (facts.problem or ""), f"{facts.problem}")
    promise(facts == look_at_one(data, "x.png"), "two looks differ")
    for text in (facts.problem, facts.kind, facts.owner, facts.profile, facts.mode):
        printable(text or "", "a fact")
    trouble = carefully("trouble", data)
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
        same = not plain(data) or shown(data) == proof == shown(changed)
        promise(same, f"{edits}: other pixels")
    else:
        promise(look_at_one(changed, "x.png").kind is None, f"{edits}: no picture comes of it")


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


def typed(random: random.Random, place: Path) -> None:
    """The same folders through the command line, with an output that takes UTF-8 only."""
    from hubtools.cli.main import run

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
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([*words, "--format", format])
        out.flush(), err.flush()
    said, told = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    promise("bug in hubtools" not in told, f"{words[0]}: {told!a:.400}")
    promise(code in (0, 1, 2, 3), f"exit code {code}")
    promise("Error" in told or code in (0, 3), f"code {code} without a word")
    printable(said, "the output")
    printable(told, "the messages")
    if format == "json" and code in (0, 3) and said:
        json.loads(said)


KINDS: dict[str, tuple[Case, int]] = {
    "picture": (picture, 60),
    "table": (table, 40),
    "folder": (folder, 6),
    "settings": (settings, 6),
    "typed": (typed, 3),
    "bomb": (bomb, 1),
}
# Seconds that a case may take: some start worker processes, which may take a minute for a picture.
_PATIENCE = 60
_MORE_PATIENCE = {"bomb": 240}
# Megabytes by which this process may grow: it decodes what is plain, 30 bytes a pixel.
OWN = 600
# Megabytes of a worker: what one picture may take, and its own.
WORKER = Limits().memory // 2**20 + 150
# Megabytes of all workers: one at a time decodes what is not plain.
WORKERS = WORKER + 8 * OWN


# --- running them --------------------------------------------------------------------------------


@dataclass
class Result:
    """What a run has come to. `broken`: (case, traceback)."""

    cases: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    own: float = 0.0  # megabytes, as in `memory.Watch`
    worker: float = 0.0

    def took(self, watch: memory.Watch) -> None:
        """Note what a case took, and hold it to the bounds."""
        self.own, self.worker = max(self.own, watch.own), max(self.worker, watch.worker)
        for what, took, limit in (
            ("this process", watch.own, OWN),
            ("a worker", watch.worker, WORKER),
            ("all workers", watch.workers, WORKERS),
        ):
            promise(took <= limit, f"{what} took {took:.0f} MB, more than {limit}")


@contextlib.contextmanager
def _patience(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise Broken(f"it takes more than {seconds} seconds")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_case(seed: int, number: int, result: Result, keep: Path | None, only: str | None) -> None:
    """Make case `number` of `seed`, and try it."""
    dice = random.Random(f"{seed}:{number}")
    kind = only or dice.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    place = Path(tempfile.mkdtemp(prefix="hubtools-fuzz-"))
    begun = time.monotonic()
    try:
        patience = _patience(_MORE_PATIENCE.get(kind, _PATIENCE))
        with warnings.catch_warnings(), patience, memory.Watch() as watch:
            warnings.simplefilter("ignore")
            KINDS[kind][0](dice, place)
        result.took(watch)
    except Exception:
        result.broken.append((f"{seed}:{number} {kind}", traceback.format_exc()))
        if keep is not None:
            # made again: what has gone wrong may have changed the folder
            target = keep / f"{seed}-{number}-{kind}"
            shutil.copytree(place, target, symlinks=True, ignore=_special, dirs_exist_ok=True)
    finally:
        result.cases[kind] += 1
        result.slowest = max(result.slowest, (time.monotonic() - begun, f"{seed}:{number} {kind}"))
        folders.make_removable(place)
        shutil.rmtree(place, ignore_errors=True)


def _special(directory: str, names: list[str]) -> list[str]:
    paths = [(name, Path(directory, name)) for name in names]
    return [n for n, p in paths if not (p.is_symlink() or p.is_dir() or p.is_file())]


def fuzz(
    seed: int,
    *,
    seconds: float = 1e9,
    cases: int | None = None,
    keep: Path | None = None,
    only: str | None = None,
) -> Result:
    """Try cases until the time is over, or so many."""
    result, until, number = Result(), time.monotonic() + seconds, 0
    with one_helper():
        while time.monotonic() < until and (cases is None or number < cases):
            try_case(seed, number, result, keep, only)
            number += 1
    return result


def main() -> int:
    """As typed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, help="stop after so many")
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--case", metavar="SEED:NUMBER", help="try this one only")
    parser.add_argument("--keep", type=Path, help="copy the folders of broken cases here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubtools-cache-") as cache:
        os.environ["HUBTOOLS_CACHE"] = cache
        if given.case:
            seed, _, number = given.case.partition(":")
            result = Result()
            try_case(int(seed), int(number), result, given.keep, given.only)
        else:
            result = fuzz(
                given.seed, seconds=given.seconds, cases=given.cases, keep=given.keep,
                only=given.only,
            )  # fmt: skip
    for case, trace in result.broken:
        print(f"--- {case}\n{trace}")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(result.cases.items()))
    print(f"{result.cases.total()} cases ({counts}); {len(result.broken)} broken; slowest"
          f" {result.slowest[0]:.1f} s ({result.slowest[1]}); grown by {result.own:.0f} MB at most,"
          f" a worker took {result.worker:.0f} MB")  # fmt: skip
    return 1 if result.broken else 0


if __name__ == "__main__":
    sys.exit(main())
