"""Folders whose `.hubtools` was written by somebody else: journals, ledgers, trash lists, plans;
real ones that were tampered with, forged ones, and links in all places."""

from __future__ import annotations

import contextlib
import json
import random
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hostile import metadata, pictures
from hubtools.plans import SavedPlan, state_of

Typed = Callable[[list[str]], tuple[int, str, str]]

OUT = ("../home/.bashrc", "../home/.ssh/id_rsa", "../home", "/etc/passwd", "..", ".", "", "a\0b",
       "../home/new", "pics/.bashrc", "pics", "a.png/../../home/x", "~/x", ".hubtools", ".hubtools/x",
       "\\home", "C:\\x", "x" * 300, "new\nline", "0.png", "1.png", "metadata.jsonl")  # fmt: skip
STATES = (
    "staging",
    "removing",
    "placing",
    "done",
    "undo-removing",
    "undo-placing",
    "undone",
    "",
    5,
)
_ACTIONS = ("write", "rename", "remove", "edit", "replace", "", None)


def home(place: Path) -> Path:
    """What nothing may touch: a folder beside the set, with files one would not want to lose."""
    root = place / "home"
    (root / ".ssh").mkdir(parents=True)
    (root / ".bashrc").write_text("export A=1\n")
    (root / ".ssh" / "id_rsa").write_text("not a key\n")
    (root / "0.png").write_bytes(pictures.plain("PNG", hue=40))
    (root / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "mine"}\n')
    return root


def whole(root: Path) -> dict[str, tuple[Any, ...]]:
    """Everything below a folder: kind, mode, time of change and bytes."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted([root, *root.rglob("*")]):
        info = path.lstat()
        kind, mode = stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode)
        data = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        found[str(path.relative_to(root))] = (kind, mode, info.st_mtime_ns, data)
    return found


def a_set(random: random.Random, root: Path) -> None:
    """A small set with some faults, which `fix` has something to do about."""
    root.mkdir()
    lines = []
    for number in range(3):
        (root / f"{number}.png").write_bytes(pictures.plain("PNG", hue=number * 13))
        name = f"{number}.PNG" if random.random() < 0.4 else f"{number}.png"
        lines.append(json.dumps({"file_name": name, "text": f"tok, view {number}"}))
    comma = "," if random.random() < 0.7 else ""
    (root / "metadata.jsonl").write_text(f"{comma}\n".join(lines) + "\n")
    if random.random() < 0.3:
        (root / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n")


def a_run(root: Path) -> None:
    """What looks like a trainer's output."""
    root.mkdir(exist_ok=True)
    empty = b"\x08\0\0\0\0\0\0\0{}      "
    for name in ("pytorch_lora_weights.safetensors", "lora-000001.safetensors"):
        (root / name).write_bytes(empty)
    (root / "run.json").write_text(json.dumps({"schema": 1, "steps": 10, "finished": True}))
    (root / "optimizer.pt").write_bytes(b"x" * 50)
    (root / "checkpoint-5").mkdir(exist_ok=True)
    (root / "checkpoint-5" / "optimizer.bin").write_bytes(b"y" * 50)


def tampered(random: random.Random, value: Any) -> Any:
    """A JSON value of which something says something else."""
    if isinstance(value, dict):
        if value and random.random() < 0.1:
            value = {key: item for key, item in value.items() if random.random() < 0.8}
        changed = {key: tampered(random, item) for key, item in value.items()}
        if "state" in changed and random.random() < 0.5:
            changed["state"] = random.choice(STATES)
        return changed
    if isinstance(value, list):
        items = [tampered(random, item) for item in value]
        return items * random.choice([1, 1, 1, 2, 0]) if random.random() < 0.2 else items
    if random.random() < 0.15:
        return random.choice([*OUT, metadata.value(random), None, 10**9, -1, True])
    return value


def spoil(random: random.Random, work: Path) -> None:
    """Change what `.hubtools` says, byte by byte or value by value."""
    for path in [path for path in work.rglob("*.json") if path.is_file() and not path.is_symlink()]:
        if random.random() < 0.3:
            continue
        data = path.read_bytes()
        try:
            value = json.loads(data)
        except ValueError:
            value = {}
        what = random.randrange(6)
        if what < 4:
            data = json.dumps(tampered(random, value)).encode()
        elif what == 4:
            data = random.choice([b"", b"[" * 200_000, b"{}", b"\xff\xfe", b"null", data[:40]])
        else:
            path.unlink()
            continue
        path.write_bytes(data)


def _operation(random: random.Random) -> dict[str, Any]:
    return {
        "action": random.choice(_ACTIONS),
        "path": random.choice(OUT),
        "target": random.choice(OUT),
        "rules": ["D101"],
        "why": ["x"],
        "before": random.choice([None, "0" * 64, {"size": 5, "sha256": "0" * 64}]),
        "after": random.choice([None, "0" * 64]),
        "content": random.choice([None, "ssh-ed25519 planted\n", "x" * 500_000]),
        "edits": random.choice([[], ["scrub"], ["upright", "x"]]),
        "size": random.choice([0, 10**15]),
        "original": random.choice(OUT),
    }


def forge(random: random.Random, root: Path) -> None:
    """Files of state that hubtools has never written."""
    work = root / ".hubtools"
    fixes = work / "fixes" / "20260101T000000Z"
    (fixes / "originals").mkdir(parents=True, exist_ok=True)
    (fixes / "new").mkdir(exist_ok=True)
    for name in ("0", "0.png", "1"):
        (fixes / "originals" / name).write_bytes(b"planted\n")
        (fixes / "new" / name).write_bytes(b"planted\n")
    operations = [_operation(random) for _ in range(random.randrange(4))]
    journal = {
        "schema": random.choice([1, 2, 3]), "state": random.choice(STATES), "id": fixes.name,
        "operations": operations, "when": "2026-01-01T00:00:00Z", "unsafe": [],
        "root": str(root), "mac": "0" * 64, "seal": "0" * 64,
    }  # fmt: skip
    (fixes / random.choice(["journal.json", "staging.json"])).write_text(json.dumps(journal))
    trash = work / "trash" / "20260101T000000Z"
    trash.mkdir(parents=True, exist_ok=True)
    (trash / "0.png").write_bytes(b"planted\n")
    entries = [{"path": random.choice(OUT), "bytes": 8, "mode": 0o4777} for _ in range(3)]
    (trash / "list.json").write_text(json.dumps({"schema": 1, "files": entries}))
    (trash / "trash.json").write_text(json.dumps({"schema": 1, "files": entries}))
    for name in ("pushed.json", "ship.json", "card.json", "shard.json", "state.json"):
        value = {"schema": 1, "step": 10**9, "files": {random.choice(OUT): "0" * 40}, "repo": "a/b",
                 "steps": {"push": "done"}, "data": {}, "blocks": {"x": "y"}}  # fmt: skip
        (work / name).write_text(json.dumps(value))


def link(random: random.Random, root: Path) -> None:
    """A link to the folder beside, somewhere in the way."""
    names = [".hubtools", ".hubtools/fixes", ".hubtools/trash", "pics", "0.png", "metadata.jsonl",
             "README.md", ".hubtools/pushed.json", ".hubtools/card.json",
             ".hubtools/fixes/20260101T000000Z", ".hubtools/fixes/20260101T000000Z/originals",
             ".hubtools/trash/20260101T000000Z", "checkpoint-5", "images"]  # fmt: skip
    for name in random.sample(names, random.choice([1, 1, 2])):
        path = root / name
        target = root.parent / "home" / random.choice(["", "", ".bashrc", ".ssh", "0.png", "new"])
        with contextlib.suppress(OSError):
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir():
                path.rename(path.with_name(f"{path.name}-before"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)


def plan(random: random.Random, root: Path, typed: Typed) -> Path:
    """A plan for `fix --from-plan`: a real one with other words in it, or none."""
    code, said, _ = typed(["fix", str(root), "--dry-run", "--format", "json"])
    try:
        value = json.loads(said) if code == 0 else {}
    except ValueError:
        value = {}
    if random.random() < 0.4 or not value:
        made_from = state_of(root)
        operations = tuple(_operation(random) for _ in range(random.randrange(1, 5)))
        saved = SavedPlan("fix", root.name, "x", None, made_from, {"unsafe": []}, operations)
        value = saved.to_dict() | {"schema": random.choice([1, 3, 3, 3, 99])}
    data = json.dumps(tampered(random, value)).encode()
    if random.random() < 0.1:
        data = random.choice(
            [b"", b"[" * 300_000, b"5", data[: len(data) // 2], b'{"operations":' * 999]
        )
    path = root.parent / "plan.json"
    path.write_bytes(data)
    return path


def commands(random: random.Random, root: Path, typed: Typed) -> list[list[str]]:
    """What somebody may type there."""
    where = str(root)
    trust = ["--trust-state"] if random.random() < 0.3 else []
    known = [
        ["fix", where], ["fix", where, "--yes", *trust], ["fix", where, "--dry-run"],
        ["fix", where, "--undo", "--yes", *trust], ["fix", where, "--journal"],
        ["fix", where, "--purge", "--yes", *trust], ["validate", where],
        ["prune", where], ["prune", where, "--apply", *trust], ["prune", where, "--undo", *trust],
        ["prune", where, "--purge", "--yes", *trust], ["card", where, "--check"], ["card", where],
        ["inspect", where], ["push", where, "--repo", "a/b", "--dry-run"],
        ["caption", where, "--template", "tok {stem}", "--yes"],
        ["fix", where, "--from-plan", str(plan(random, root, typed)), "--yes", *trust],
        ["fix", where, "--from-plan", str(root.parent / "plan.json"), "--dry-run"],
    ]  # fmt: skip
    return random.sample(known, random.choice([1, 2, 2, 3, 4]))
