"""The cache: what lies there, and how it is emptied."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hubtools import shelves
from hubtools.commands.caches import cache_ls, cache_prune
from hubtools.errors import UsageError
from hubtools.shelves import hold
from tests.typed import typed

DAY = 86_400
# As hubtools calls its entries.
LONG = {
    "one": f"{'1' * 64}_64x64_80x96+0+0_lanczos_flip.safetensors",
    "two": f"{'2' * 64}_64x64_80x96+0+0_lanczos.safetensors",
    "three": f"{'3' * 64}_{'a' * 64}_reference.safetensors",
    "four": f"{'4' * 64}.safetensors",
    "five": f"{'5' * 32}.cache",
}
SHORT = {name: short for short, name in LONG.items()}


def long(part: str) -> str:
    """The name of an entry, or of an encoder's folder, as hubtools gives it."""
    return LONG.get(part, part * 16 if len(part) == 2 and part != "me" else part)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two encoders' latents, captions and a scan; by name how many days ago they were used."""
    root = tmp_path / "cache"
    monkeypatch.setenv("HUBTOOLS_CACHE", str(root))
    for name, days, size in (
        ("latents/aa/one", 1, 100), ("latents/aa/two", 50, 200), ("latents/bb/three", 40, 400),
        ("text/cc/four", 60, 50), ("scans/five", 90, 30), ("datasets/me/six", 90, 7),
    ):  # fmt: skip
        path = root / "/".join(long(part) for part in name.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"hubtools pictures\n".ljust(size, b"x")[:size])
        then = time.time() - days * DAY
        os.utime(path, (then, then))
    return root


def files(root: Path) -> set[str]:
    return {
        "/".join(
            SHORT.get(part, part[:2] if part == part[:2] * 16 else part)
            for part in path.relative_to(root).parts
        )
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_it_is_listed_by_kind_and_encoder(cache: Path) -> None:
    found = [(one.kind, one.of[:2], one.entries, one.bytes, one.in_use) for one in cache_ls()]
    assert found == [
        ("latents", "bb", 1, 400, False), ("latents", "aa", 2, 300, False),
        ("text", "cc", 1, 50, False), ("scans", "", 1, 30, False),
    ]  # fmt: skip
    newest, oldest = (getattr(cache_ls()[1], name) for name in ("used", "oldest"))
    assert round((newest - oldest) / DAY) == 49
    before = files(cache)
    done = typed("cache", "ls")
    assert "50 days ago" in done.stdout
    assert "yesterday" in done.stdout
    assert "780 B" in done.stderr
    assert files(cache) == before
    said = json.loads(typed("cache", "ls", "--format", "json").stdout)
    assert [one["bytes"] for one in said["shelves"]] == [400, 300, 50, 30]


def test_what_was_not_used_for_a_while_goes(cache: Path) -> None:
    assert cache_prune(dry_run=True).entries == 4
    assert len(files(cache)) == 6
    done = cache_prune(older_than=45)
    assert (done.entries, done.bytes) == (3, 280)
    assert files(cache) == {"latents/aa/one", "latents/bb/three", "datasets/me/six"}
    assert not (cache / "text" / long("cc")).exists()
    cache_prune(older_than=0, kind=["latents"])
    assert files(cache) == {"datasets/me/six"}
    with pytest.raises(UsageError, match="no kind 'pictures'"):
        cache_prune(kind=["pictures"])


@pytest.mark.parametrize("held", [True, False])
def test_compiled_code_captions_and_datasets(cache: Path, held: bool) -> None:
    """A commit was used when its folder says so, compiled code when it was held last. Nothing else
    that is called so goes."""
    commit, other = (f"datasets/train/me--dogs/{letter * 40}" for letter in "ab")
    code = {"inductor/zp/czp7.py", "inductor/fxgraph/lt/fltg/d2iw", "inductor/locks/c5.lock"}
    pictures = {f"{place}/{name}" for place in (commit, other) for name in ("000000.png",)}
    words = f"captions/{'c' * 24}.jsonl"
    mine = {f"{commit}/thesis.doc", "datasets/train/mine/000000.png"}
    if held:
        os.close(hold(cache / "inductor") or 0)
    for name in (*code, *pictures, words, *mine):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(b'["a", "b"]' if name == words else b"x")
        os.utime(cache / name, (0, 0))
    os.utime(cache / commit, (0, 0))
    assert cache_prune(older_than=-1, dry_run=True).entries == 5 + 3 * held
    kept = files(cache) - {words, f"{commit}/000000.png"}
    cache_prune(kind=["datasets", "captions"] if held else ["datasets", "captions", "inductor"])
    assert files(cache) == kept
    if held:
        os.utime(cache / "inductor/.in-use", (0, 0))
    assert (("inductor", "") in {(one.kind, one.of) for one in cache_ls()}) is held
    cache_prune(kind=["inductor", "datasets"], older_than=0)
    assert files(cache) == kept - pictures - (code if held else set())
    assert (cache / "inductor").exists() is not held
    assert not (cache / other).exists()


def test_it_asks_first(cache: Path) -> None:
    done = typed("cache", "prune")
    assert done.returncode == 3
    assert "4 files (680 B) would be deleted" in done.stdout
    assert "add --yes" in done.stderr
    assert len(files(cache)) == 6
    assert typed("cache", "prune", "--dry-run").returncode == 0
    done = typed("cache", "prune", "--yes", "--kind", "latents")
    assert done.returncode == 0
    assert files(cache) == {"latents/aa/one", "text/cc/four", "scans/five", "datasets/me/six"}
    assert "Nothing to delete" in typed("cache", "prune", "--yes", "--kind", "masks").stdout


def test_a_link_is_not_followed(cache: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.doc").write_text("years")
    (cache / "latents" / long("dd")).symlink_to(mine)
    (cache / "latents" / long("aa") / "link").symlink_to(mine / "thesis.doc")
    (cache / "masks").symlink_to(mine)
    cache_prune(older_than=0)
    assert (mine / "thesis.doc").read_text() == "years"
    assert (cache / "latents" / long("aa") / "link").is_symlink()


HOLDS = """
import sys
from pathlib import Path
from hubtools.shelves import hold
assert hold(Path(sys.argv[1])) is not None
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name == "nt", reason="no locks")
def test_what_a_running_process_uses_stays(cache: Path) -> None:
    folder = cache / "latents" / long("aa")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert {one.of for one in cache_ls() if one.in_use} == {long("aa")}
        done = cache_prune(older_than=0)
        assert [one.of for one in done.left] == [long("aa")]
        assert files(cache) == {"latents/aa/one", "latents/aa/two", "datasets/me/six"}
        # a second one may use it at the same time
        held = hold(folder)
        assert held is not None
        os.close(held)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    assert cache_prune(older_than=0).left == ()
    assert files(cache) == {"datasets/me/six"}


def test_a_training_holds_what_it_reads_and_says_when(
    make_project: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from hubtools.training import loop
    from hubtools.training.train import train

    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    train(make_project(name="a", max_train_steps=1), skip_validation=True)
    gc.collect()
    assert not any(one.in_use for one in cache_ls())
    kept = cache_prune(older_than=0, dry_run=True)
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        os.utime(path, (1, 1))
    seen = []
    right = loop.clip

    def clip(parameters: Any, limit: float) -> Any:
        seen.append({one.kind: one for one in cache_ls()})
        seen.append(cache_prune(older_than=0))  # type: ignore[arg-type]
        return right(parameters, limit)

    monkeypatch.setattr(loop, "clip", clip)
    train(make_project(name="b", max_train_steps=1), skip_validation=True)
    during, pruned = seen[:2]
    assert during["latents"].in_use
    assert during["text"].in_use
    assert during["latents"].oldest > 1
    assert {one.kind for one in pruned.left} == {"latents", "text"}  # type: ignore[attr-defined]
    gc.collect()
    # scans are read at once and held by nobody
    encoded = [one for one in cache_ls() if one.kind != "scans"]
    assert sum(one.entries for one in encoded) <= kept.entries
    assert {one.kind for one in encoded} == {"latents", "text"}


def test_what_hubtools_has_not_made_stays(cache: Path) -> None:
    """HUBTOOLS_CACHE may be a folder that holds other things too."""
    a, c, digest, short = "a" * 32, "c" * 32, "d" * 64, "d" * 24
    mine = (
        "masks/jane/001.png", f"latents/{a}/notes.txt", f"text/{c}/deed.safetensors", "tars/x.tar",
        f"text/x/{digest}.safetensors", f"text/{c}/{digest}.json", f"sums/{digest}.json",
        f"scans/{a}.cache", f"tars/{a}.json", f"captions/{short}.jsonl", "bases/x/model.json",
    )  # fmt: skip
    for name in mine:
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("mine")
        os.utime(cache / name, (0, 0))
    assert shelves._OF_LONE.keys() == set(shelves.LONE)
    for kind in ((), ("captions", "datasets")):
        cache_prune(older_than=0, kind=kind)
    there = {path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()}
    assert {one for one in there if not one.endswith(".in-use")} == {*mine, "datasets/me/six"}
    assert not [one for one in there if one.endswith("x/.in-use")]


def test_several_that_empty_it_at_once(cache: Path) -> None:
    """Each overlooks what another one has just deleted."""
    for shelf in range(8):
        folder = cache / f"latents/{shelf:032x}"
        folder.mkdir(parents=True)
        for entry in range(60):
            (folder / f"{entry:032x}_a.safetensors").touch()
    with ThreadPoolExecutor(4) as crew:
        works = [crew.submit(cache_prune, older_than=-1) for _ in range(3)] + [
            crew.submit(cache_ls)
        ]
    assert all(work.exception() is None for work in works)
    assert not list((cache / "latents").iterdir())


def test_what_is_being_written_just_now_stays(cache: Path) -> None:
    fresh, left = (cache / "scans" / f".tmp-{letter * 16}" for letter in "ab")
    fresh.write_bytes(b"x")
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    cache_prune(older_than=0, kind=["scans"])
    assert fresh.exists()
    assert not left.exists()
