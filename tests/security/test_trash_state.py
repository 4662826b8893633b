"""A trash that came with a folder is data; one of ours comes back exactly, whenever it stopped."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools import renaming
from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.publish import trash
from hubtools.publish.classify import classify
from hubtools.rooted import TEMPORARY
from hubtools.trust import ForeignState
from tests.drawing import write_pictures
from tests.typed import typed

Make = Callable[..., Path]
State = dict[str, tuple[int, int, bytes | str]]


def state(root: Path, below: str = "") -> State:
    """Name -> (mode, mtime, bytes or target) of everything, the folder itself too."""
    found: State = {}
    for path in [root, *root.rglob("*")]:
        facts = path.lstat()
        what: bytes | str = ""
        if path.is_symlink():
            what = str(path.readlink())
        elif stat.S_ISREG(facts.st_mode):
            what = path.read_bytes()
        name = path.relative_to(root).as_posix()
        found[name] = (facts.st_mode, facts.st_mtime_ns, what)
    return {name: one for name, one in found.items() if name.startswith(below)}


@pytest.fixture
def run_dir(tmp_path: Path, make_lora_file: Make) -> Path:
    root = tmp_path / "run"
    for step in (5, 10):
        make_lora_file(root / f"checkpoint-{step}" / LORA_WEIGHTS, rank=step)
        (root / f"checkpoint-{step}" / "optimizer.bin").write_text(f"state {step}")
    (root / "logs/x").mkdir(parents=True)
    (root / "logs/x/events.tfevents.1").write_text("events")
    (root / "logs/empty").mkdir(mode=0o700)
    (root / "notes.txt").write_text("mine")
    (root / "logs/x").chmod(0o750)
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, ns=(10**18, 10**18 + len(path.name)))
    return root


def forge(root: Path, **listed: Any) -> Path:
    place = root / ".hubtools/trash/20260101T000000Z"
    (place / "files").mkdir(parents=True)
    content = {"schema": 2, "moves": [], "promoted": [], "folders": []} | listed
    (place / "files.json").write_text(json.dumps(content))
    return place


def test_what_was_moved_comes_back_with_modes_and_times(run_dir: Path) -> None:
    before = state(run_dir)
    assert typed("prune", run_dir, "--apply").returncode == 0
    assert not (run_dir / "checkpoint-5").exists()
    assert (run_dir / "logs/empty").is_dir(), "it was empty before"
    assert typed("prune", run_dir, "--undo").returncode == 0
    assert state(run_dir) == before


def test_a_trash_of_a_stranger_is_shown_and_asked_for(run_dir: Path) -> None:
    place = forge(run_dir, moves=[{"from": "a.sh", "to": "x"}])
    (place / "files/x").write_text("evil")
    before = state(run_dir)
    for options in (("--undo",), ("--purge", "--yes")):
        done = typed("prune", run_dir, *options)
        assert done.returncode == 1
        assert "--trust-state" in done.stderr
        assert state(run_dir) == before
    assert "'a.sh'" in typed("prune", run_dir, "--undo").stderr
    assert typed("prune", run_dir, "--undo", "--trust-state").returncode == 0
    assert (run_dir / "a.sh").read_text() == "evil"


@pytest.mark.parametrize("name", [".git/hooks/post-checkout", "sub/.GIT/config", "git~1/x"])
@pytest.mark.parametrize("sort", ["moves", "promoted", "written", "folders"])
def test_a_trash_of_a_stranger_makes_no_program_run(run_dir: Path, name: str, sort: str) -> None:
    entry: dict[str, Any] = {"from": name, "to": "x"}
    if sort == "written":
        entry["sha256"] = "0" * 64
    if sort == "folders":
        entry = {"name": name, "mode": 0o755, "mtime_ns": 1}
    place = forge(run_dir, **{sort: [entry]})
    (place / "files/x").write_text("evil")
    before = state(run_dir)
    for trusted in (False, True):
        with pytest.raises(HubtoolsError, match="folder of git"):
            trash.undo(run_dir, trust=trusted)
        assert state(run_dir) == before


def test_hidden_names_of_a_stranger_are_shown_first(run_dir: Path) -> None:
    moves = [{"from": f"a{number}.png", "to": f"a{number}"} for number in range(30)]
    place = forge(run_dir, moves=[*moves, {"from": "sub/.profile", "to": "x"}])
    for one in (*(move["to"] for move in moves), "x"):
        (place / "files" / one).write_text("evil")
    said = typed("prune", run_dir, "--undo").stderr
    assert "'sub/.profile'" in said
    assert "and 21 more" in said


def test_a_copied_folder_asks_and_a_moved_one_does_not(run_dir: Path, tmp_path: Path) -> None:
    before = state(run_dir)
    trash.apply(classify(run_dir))
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    with pytest.raises(ForeignState):
        trash.undo(copy)
    trash.undo(copy, trust=True)
    assert state(copy).keys() == before.keys()
    moved = run_dir.rename(tmp_path / "moved")
    trash.undo(moved)
    assert state(moved) == before


def test_a_changed_list_is_a_strangers(run_dir: Path) -> None:
    place = trash.apply(classify(run_dir))
    assert place is not None
    content = json.loads((place / "files.json").read_bytes())
    content["moves"][0]["from"] = "b.sh"
    (place / "files.json").write_text(json.dumps(content))
    with pytest.raises(ForeignState):
        trash.undo(run_dir)
    other = run_dir / ".hubtools/trash/20990101T000000Z"
    shutil.copytree(place, other)  # a seal is of one file in one place
    with pytest.raises(ForeignState):
        trash.undo(run_dir)


LINKS = [".hubtools", ".hubtools/trash", "", "files", "files/deep"]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("act", ["undo", "purge", "apply"])
def test_nothing_is_moved_in_out_or_deleted_through_links(
    run_dir: Path, tmp_path: Path, link: str, act: str
) -> None:
    """A linked trash made `--undo` move ~/.ssh/id_rsa into the folder."""
    home = tmp_path / "home"
    for folder in ("", "trash", "trash/20260101T000000Z", "trash/20260101T000000Z/files"):
        (home / folder).mkdir(exist_ok=True)
    for folder in (home, home / "deep", home / "trash/20260101T000000Z/files"):
        folder.mkdir(exist_ok=True)
        (folder / "id_rsa").write_text("key")
    moves = [{"from": "id_rsa", "to": "deep/id_rsa" if "deep" in link else "id_rsa"}]
    listed = {"schema": 2, "moves": moves, "promoted": [], "folders": []}
    (home / "files.json").write_text(json.dumps(listed))
    (home / "trash/20260101T000000Z/files.json").write_text(json.dumps(listed))
    if link.startswith(".hubtools"):
        place = run_dir / link
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(home / "trash" if link.endswith("trash") else home)
    else:
        place = forge(run_dir, moves=moves)
        where = place / link if link else place
        if where.is_dir():
            shutil.rmtree(where)
        where.parent.mkdir(exist_ok=True)
        where.symlink_to(home)
    before, there = state(run_dir), state(home)
    acts: dict[str, Callable[[], object]] = {
        "undo": lambda: trash.undo(run_dir, trust=True),
        "purge": lambda: trash.purge(run_dir, trust=True),
        "apply": lambda: trash.apply(classify(run_dir)),
    }
    inside = link.startswith("files")
    if act == "apply" and not link.startswith(".hubtools"):
        acts["apply"]()  # a new trash beside it
    elif act == "purge" and inside:
        acts["purge"]()  # the link goes, what it leads to stays
    else:
        with pytest.raises(HubtoolsError, match="symbolic link"):
            acts[act]()
        assert state(run_dir) == before
    assert state(home) == there


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({"moves": [{"from": "../x", "to": "a"}]}, "which is not in"),
        ({"moves": [{"from": "x", "to": "../../../x"}]}, "which is not in"),
        ({"moves": [{"from": ".hubtools/pushed.json", "to": "a"}]}, "which is not in"),
        ({"promoted": [{"from": "/etc/x", "to": "a"}]}, "which is not in"),
        ({"folders": [{"name": "..", "mode": 511, "mtime_ns": 1}]}, "which is not in"),
        ({"moves": [{"from": "x", "to": "a"}, {"from": "x", "to": "b"}]}, "two files in one"),
        ({"moves": [{"from": "x", "to": "a"}, {"from": "x/y", "to": "b"}]}, "two files in one"),
        ({"moves": [{"from": 5, "to": "a"}]}, "which is not in"),
        ({"folders": [{"name": "x", "mode": "511", "mtime_ns": 1}]}, "is damaged"),
        ({"folders": [{"name": "x", "mode": 511, "mtime_ns": 10**30}]}, "is damaged"),
        ({"moves": {}}, None),
        ({"moves": 5}, "is damaged"),
        ({"folders": "x"}, "is damaged"),
    ],
)
def test_a_list_is_checked_before_anything_is_moved(
    run_dir: Path, listed: dict[str, Any], words: str | None
) -> None:
    place = forge(run_dir, **listed)
    for name in ("a", "b"):
        (place / "files" / name).write_text(name)
    before = state(run_dir)
    if words is None:
        assert trash.undo(run_dir, trust=True) == 0
        return
    with pytest.raises(HubtoolsError, match=words):
        trash.undo(run_dir, trust=True)
    assert state(run_dir) == before


def test_deep_and_endless_lists_are_damaged(run_dir: Path) -> None:
    place = forge(run_dir)
    (place / "files.json").write_text("[" * 100_000)
    with pytest.raises(HubtoolsError, match="is damaged"):
        trash.undo(run_dir)


def test_a_lora_that_was_replaced_since_is_not_taken_for_the_moved_one(run_dir: Path) -> None:
    trash.apply(classify(run_dir))
    (run_dir / LORA_WEIGHTS).write_bytes(b"a new training")
    with pytest.raises(HubtoolsError, match="is another file now"):
        trash.undo(run_dir)
    assert (run_dir / LORA_WEIGHTS).read_bytes() == b"a new training"


def test_other_file_systems_are_copied_to(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    before = state(run_dir)
    real = renaming.rename_new

    def once(old: str, new: str, here: Any, there: Any) -> None:
        # what gets or has a temporary name stays in its folder
        if old.startswith(TEMPORARY) or new.startswith(TEMPORARY):
            real(old, new, here, there)
        else:
            elsewhere()

    monkeypatch.setattr(renaming, "rename_new", once)
    trash.apply(classify(run_dir))
    trash.undo(run_dir)
    assert state(run_dir) == before


# --- any tree, and any moment --------------------------------------------------------------------

NAMES = [
    "optimizer.bin", "a.log", "checkpoint-5/optimizer.bin", "checkpoint-5/sub/model.safetensors",
    "checkpoint-5/notes.txt", "logs/a/b/c.log", "logs/a/x.txt", "logs/e/", "checkpoint-5/e/f/",
    "empty/", "mine/x.txt", "wandb/run-1/files/output.log", "wandb/latest-run", "odd\nname.log",
    "samples/x.png", "\udce4.log",
]  # fmt: skip


# others than root may not move files out of a folder that they cannot write to
MODES = [0o755, 0o700, 0o2775, 0o1777, *([] if os.geteuid() else [0o555])]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    names=st.lists(st.sampled_from(NAMES), max_size=9, unique=True),
    modes=st.lists(st.sampled_from(MODES), min_size=1, max_size=5),
    drop=st.sampled_from([(), ("*.txt",), ("mine/*", "logs/*"), ("*link*",)]),
    links=st.lists(st.sampled_from(["link", "logs/link.log", "wandb/latest-run"]), max_size=2),
)
def test_pruned_and_back_is_as_before(
    tmp_path_factory: pytest.TempPathFactory,
    make_lora_file: Make,
    names: list[str],
    modes: list[int],
    drop: tuple[str, ...],
    links: list[str],
) -> None:
    root = tmp_path_factory.mktemp("run")
    make_lora_file(root / LORA_WEIGHTS)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif not path.is_symlink():
            path.write_text(str(names.index(name)))
    for name in links:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() and not path.is_symlink():
            path.symlink_to("nowhere" if name == "link" else "../mine")
    found = sorted((p for p in root.rglob("*") if not p.is_symlink()), reverse=True)
    for number, path in enumerate(found):
        path.chmod(modes[number % len(modes)])
        os.utime(path, ns=(10**18, 10**18 + number))
    before = state(root)
    if trash.apply(classify(root, drop=drop)) is not None:
        trash.undo(root)
    assert state(root) == before
    for path in found:  # pytest removes it
        path.chmod(0o755)


CALLS = ("mkdir", "rmdir", "unlink", "rename", "replace", "utime", "fchmod", "fsync", "write")


def killed_after(count: int, call: Callable[[], object]) -> bool:
    """Do it in a child that ends at once before its call number `count` of the system; True if it
    came that far."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        left = count

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def act(*args: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left <= 0:
                    os._exit(9)
                return real(*args, **more)

            return act

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        for name in ("rename_new", "replace"):
            setattr(renaming, name, counted(getattr(renaming, name)))
        try:
            call()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_killed_before_any_call_nothing_is_lost(run_dir: Path, tmp_path: Path) -> None:
    trash.trashes(run_dir)
    keep = tmp_path / "keep"
    shutil.copytree(run_dir, keep, symlinks=True)
    before = state(run_dir)
    files = {name: one for name, one in before.items() if stat.S_ISREG(one[0])}
    count = 0
    while True:
        count += 1
        stopped = killed_after(count, lambda: trash.apply(classify(run_dir)))
        there = [one[2] for one in state(run_dir).values()]
        assert all(one[2] in there for one in files.values())
        again = 0
        while trash.trashes(run_dir):
            again += 1
            if not killed_after(count + again * 7, lambda: trash.undo(run_dir)):
                break
            there = [one[2] for one in state(run_dir).values()]
            assert all(one[2] in there for one in files.values())
        shutil.rmtree(run_dir / ".hubtools", ignore_errors=True)  # an empty trash may be left
        after = {name: one for name, one in state(run_dir).items() if stat.S_ISREG(one[0])}
        assert after == files
        assert state(run_dir).keys() >= before.keys()
        if not stopped:
            break
        shutil.rmtree(run_dir)
        shutil.copytree(keep, run_dir, symlinks=True)
        before = state(run_dir)
        files = {name: one for name, one in before.items() if stat.S_ISREG(one[0])}
    assert count > 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_purge_that_is_killed_can_be_done_again(run_dir: Path) -> None:
    trash.apply(classify(run_dir))
    kept = {name for name in state(run_dir) if not name.startswith(".hubtools")}
    count = 0
    while trash.trashes(run_dir):
        count += 1
        killed_after(3, lambda: trash.purge(run_dir))
        assert {name for name in state(run_dir) if not name.startswith(".hubtools")} == kept
    assert count > 1


# --- state with texts that nothing can be called -------------------------------------------------

ODD_TEXTS = {
    "half": '"\\ud800"',
    "half of two": '"a\\udfffb"',
    "deep": "[" * 200 + "]" * 200,
    "deeper": "[" * 100_000,
    "long number": "1" * 100_000,
    "not a number": "NaN",
    "infinite": "1e999",
    "a key": '{"\\ud800": 1}',
    "nul": '"\\u0000"',
    "long": '"' + "x" * 5000 + '"',
}
STATES = {
    ".hubtools/trash/20260101T000000Z/files.json": {
        "schema": 2, "moves": [{"from": "@", "to": "x"}], "promoted": [], "folders": [],
    },
    ".hubtools/trash/20260101T000001Z/files.json": {
        "schema": 2, "moves": [], "promoted": [{"from": "x", "to": "y", "sha256": "@"}],
        "folders": [{"name": "@", "mode": 511, "mtime_ns": 1}],
    },
    ".hubtools/pushed.json": {
        "schema": 3, "repos": {"me/x": {"files": {"a.png": "@"}, "commit": "@", "opened": "@"}},
    },
    ".hubtools/pushed.json ": {"me/x": {"files": ["@"]}},
    ".hubtools/ship.json": {
        "schema": 2, "steps": {"train": {"inputs": "@", "outputs": "@", "result": "@"}},
        "hashes": {"a": ["@"]},
    },
    ".hubtools/card.json": {"data": {"license": "@"}, "blocks": {"a": "@"}},
    ".hubtools/shard.json": {"schema": 1, "plan": "@", "done": {"a": "@"}},
    ".hubtools/fixes/20260101T000000Z/journal.json": {
        "id": "20260101T000000Z", "schema": 1, "state": "removing", "keeps": False, "folders": {},
        "steps": [{"action": "move", "path": "a.png", "target": "@", "before": "0" * 64,
                   "after": "0" * 64, "rules": ["@"], "why": ["@"], "pixels": None}],
    },
    ".hubtools/fixes/20260101T000000Z/staging.json": {"schema": 1, "id": "@"},
    "run.json": {"status": "finished", "name": "@", "lora": {"file": "@"}, "train": {"a": "@"}},
    "evaluation.json": {"subject": "@", "schema_version": 1},
    "state/step-000010/state.json": {"step": "@", "files": {"a": "@"}},
    "samples/a.json": {"file": "@", "prompt": "@"},
    "metadata.jsonl": {"file_name": "a.png", "text": "@", "x": "@"},
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_TEXTS)
@pytest.mark.parametrize("name", STATES)
def test_state_that_holds_what_nothing_is_called(
    name: str, kind: str, run_dir: Path, tmp_path: Path
) -> None:
    """It is a sentence when it is acted on and when it is shown, and nothing is moved for it."""
    file = run_dir / name.strip()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(STATES[name]).replace('"@"', ODD_TEXTS[kind]))
    write_pictures(run_dir / "set", 1)
    (run_dir / "set" / "picture0.png").rename(run_dir / "a.png")
    shutil.rmtree(run_dir / "set")
    where = name.split("/")[1] if name.startswith(".hubtools") else ""
    commands: list[tuple[str | Path, ...]] = {
        "trash": [("prune", run_dir, "--undo", "--trust-state"), ("prune", run_dir, "--undo"),
                  ("prune", run_dir, "--purge", "--yes", "--trust-state")],
        "fixes": [("fix", run_dir, "--journal"), ("fix", run_dir, "--undo", "--trust-state"),
                  ("fix", run_dir, "--yes", "--trust-state"), ("fix", run_dir, "--yes")],
        "shard.json": [("shard", write_pictures(tmp_path / "in", 1), "--to", run_dir)],
    }.get(where, [
        ("push", run_dir, "me/x", "--dry-run", "--trust-state", "--type", "model"),
        ("card", run_dir, "--dry-run"), ("prune", run_dir),
        ("ship", "--dry-run", "--trust-state", "--output-dir", run_dir),
        # of hubtools' own folder `validate` looks at nothing
        *([] if where else [("validate", run_dir)]),
    ])  # fmt: skip
    for words in commands:
        done = typed(*words, cwd=run_dir, HF_HUB_OFFLINE="1")
        assert done.returncode in (0, 1, 2, 3)
        assert "bug" not in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
