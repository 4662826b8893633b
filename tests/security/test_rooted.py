"""Nothing done through a `Root` leaves its folder, whatever lies there and whenever it came."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools import renaming
from hubtools.errors import HubtoolsError
from hubtools.files import write_text
from hubtools.rooted import LeadsOut, Root, parts_of


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder with a link `out` to a folder beside it and `file-out` to a file there."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".bashrc").write_text("mine")
    (folder / "out").symlink_to("../home")
    (folder / "file-out").symlink_to("../home/.bashrc")
    (folder / "a.txt").write_text("a")
    return folder


ACTS: dict[str, Callable[[Root], object]] = {
    "write": lambda root: root.write("out/.bashrc", b"x"),
    "write new": lambda root: root.write("out/new", b"x"),
    "write below": lambda root: root.write("out/deep/new", b"x"),
    "read": lambda root: root.read("out/.bashrc"),
    "read link": lambda root: root.read("file-out"),
    "sha256": lambda root: root.sha256("file-out"),
    "rename out": lambda root: root.rename("a.txt", "out/a.txt"),
    "rename in": lambda root: root.rename("out/.bashrc", "b.txt"),
    "copy in": lambda root: root.copy("out/.bashrc", "b.txt"),
    "copy out": lambda root: root.copy("a.txt", "out/b.txt"),
    "unlink": lambda root: root.unlink("out/.bashrc"),
    "remove_tree": lambda root: root.remove_tree("out/."[:-2] + "/.bashrc"),
    "mkdir": lambda root: root.mkdir("out/new"),
    "mkdir link": lambda root: root.mkdir("out"),
    "symlink": lambda root: root.symlink("x", "out/new"),
    "new_folder": lambda root: root.new_folder("out"),
    "chmod": lambda root: root.chmod("out/.bashrc", 0o777),
    "set_times": lambda root: root.set_times("out/.bashrc", 0, 0),
    "stat": lambda root: root.stat("out/.bashrc"),
    "readlink": lambda root: root.readlink("out/x"),
    "fingerprint": lambda root: root.fingerprint("out/.bashrc"),
    "sweep": lambda root: root.sweep("out"),
    "list": lambda root: root.list("out"),
}


@pytest.mark.parametrize("act", ACTS)
def test_links_are_not_followed(inside: Path, act: str) -> None:
    home = inside.parent / "home"
    with Root(inside) as root, pytest.raises(LeadsOut) as caught:
        ACTS[act](root)
    assert "symbolic link" in str(caught.value)
    assert names(home) == [".bashrc"]
    assert (home / ".bashrc").read_text() == "mine"
    assert (inside / "a.txt").exists()


@given(
    st.text(max_size=12) | st.sampled_from(["..", "../a", "/a", "a/../..", "a//b", ".", "", "a\0"])
)
def test_names_that_lead_out(name: str) -> None:
    try:
        parts = parts_of(name)
    except LeadsOut:
        return
    assert not name.startswith("/")
    assert not {"", ".", ".."} & set(parts)


def test_a_folder_that_becomes_a_link(inside: Path) -> None:
    """Between the look and the act."""
    (inside / "pics").mkdir()
    (inside / "pics" / "a").write_text("a")
    with Root(inside) as root:
        assert root.is_folder("pics")
        (inside / "pics" / "a").unlink()
        (inside / "pics").rmdir()
        (inside / "pics").symlink_to("../home")
        with pytest.raises(LeadsOut):
            root.write("pics/.bashrc", b"x")
    assert (inside.parent / "home" / ".bashrc").read_text() == "mine"


def test_the_root_that_becomes_a_link(inside: Path) -> None:
    """What was opened stays what is meant."""
    with Root(inside) as root:
        moved = inside.rename(inside.parent / "moved")
        inside.symlink_to("home")
        root.write("new", b"x")
    assert (moved / "new").read_bytes() == b"x"
    assert names(inside.parent / "home") == [".bashrc"]


def test_writing_replaces_a_link(inside: Path) -> None:
    with Root(inside) as root:
        root.write("file-out", b"x")
        assert root.is_file("file-out")
    assert (inside.parent / "home" / ".bashrc").read_text() == "mine"


def test_remove_tree_removes_links_not_targets(inside: Path) -> None:
    (inside / "tree" / "deep").mkdir(parents=True)
    (inside / "tree" / "deep" / "link").symlink_to("../../../home")
    (inside / "tree" / "file").write_bytes(b"12345")
    with Root(inside) as root:
        assert root.remove_tree("tree") == 5
        assert root.remove_tree("tree") == 0
        assert root.remove_tree("out") == 0
    assert names(inside) == ["a.txt", "file-out"]
    assert (inside.parent / "home" / ".bashrc").read_text() == "mine"


def test_very_deep_trees(tmp_path: Path) -> None:
    here = tmp_path
    for _ in range(300):
        here = here / "d"
    with Root(tmp_path) as root:
        root.write("/".join("d" * 300) + "/file", b"x")
        assert len(list(root.walk())) == 301
        root.remove_tree("d")
    assert names(tmp_path) == []


def test_writes_are_whole_or_not_at_all(tmp_path: Path) -> None:
    with Root(tmp_path) as root:
        root.write("a/b.txt", b"old", mode=0o640)
        with pytest.raises(ZeroDivisionError), root.replacing("a/b.txt") as file:
            file.write(b"%d" % (1 // 0))
        assert root.read("a/b.txt") == b"old"
        assert root.list("a") == ["b.txt"]
        root.write("a/b.txt", b"new")
        facts = root.stat("a/b.txt")
    assert facts is not None
    assert stat.S_IMODE(facts.st_mode) == 0o640
    assert facts.st_size == 3


def test_copies_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    (tmp_path / "a").chmod(0o600)
    os.utime(tmp_path / "a", ns=(5, 7_000_000_000))
    with Root(tmp_path) as root:
        digest = root.copy("a", "kept/a")
        assert digest == root.fingerprint("a")
        with (tmp_path / "a").open("r+b") as file:
            file.write(b"AFTER!")
        assert root.read("kept/a") == b"before"
        assert root.fingerprint("kept/a") == digest
        facts = root.stat("kept/a")
        with pytest.raises(FileExistsError):
            root.copy("a", "kept/a")
    assert facts is not None
    assert (stat.S_IMODE(facts.st_mode), facts.st_mtime_ns) == (0o600, 7_000_000_000)


def test_rename_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    with Root(tmp_path) as root:
        with pytest.raises(FileExistsError):
            root.rename("a", "b")
        root.rename("a", "b", replace=True)
        assert root.list() == ["b"]
        root.rename("b", "new/c")
        assert root.read("new/c") == b"a"


@pytest.mark.parametrize("atomic", [True, False])
def test_rename_never_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    if not atomic:
        monkeypatch.setattr(renaming, "_renameat2", lambda: None)
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "link").symlink_to("nowhere")
    with Root(tmp_path) as root:
        with pytest.raises(FileExistsError, match="link"):
            root.rename("a", "link")
        with pytest.raises(FileNotFoundError):
            root.rename("none", "b")
        root.rename("a", "b")
        assert root.list() == ["b", "link"]


def test_rename_across_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"a")
    real = os.replace

    def replace(old: str, new: str, **options: int) -> None:
        if old == "a":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(old, new, **options)

    monkeypatch.setattr(os, "replace", replace)
    with Root(tmp_path) as root:
        root.rename("a", "b", replace=True)
        assert root.list() == ["b"]
        assert root.read("b") == b"a"


def test_pipes_and_folders_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with Root(tmp_path) as root:
        for name in ("pipe", "folder"):
            with pytest.raises(OSError, match=str(tmp_path / name)):
                root.read(name)
        assert root.fingerprint("pipe") is None
        assert not root.rmdir("folder") or root.list() == ["pipe"]
        with pytest.raises(FileNotFoundError, match=str(tmp_path / "none")):
            root.read("none")


def test_bounds(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    with Root(tmp_path) as root:
        assert root.read("a", 5) == b"12345"
        with pytest.raises(HubtoolsError, match="more than 4 bytes"):
            root.read("a", 4)
    with pytest.raises(HubtoolsError, match="no folder"):
        Root(tmp_path / "none")


def test_sweep(tmp_path: Path) -> None:
    """Only what a write of ours leaves, and only when it is no longer at work."""
    left = ".tmp-0123456789abcdef.json"
    others = [".tmp-1234.json", ".tmp-holidays.png", ".tmp-0123456789abcdefg", "a", left + "x/y"]
    for name in (left, *others[:-1]):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".tmp-0123456789abcde0").mkdir()
    (tmp_path / ".tmp-0123456789abcde1").symlink_to("a")
    with Root(tmp_path) as root:
        assert root.sweep() == 0  # its status changed just now
        assert root.sweep(older_than=0) == 1
        assert not root.exists(left)
        assert len(root.list()) == 6


def test_what_a_lock_file_may_be(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("victim")
    with Root(tmp_path) as root:
        with pytest.raises(HubtoolsError, match="not the lock file"), root.holding("folder"):
            pass
        with pytest.raises(LeadsOut), root.holding("link"):
            pass
        with root.holding("lock"), pytest.raises(BlockingIOError), root.holding("lock"):
            pass
        with root.holding("lock"):
            pass
        assert root.list() == ["folder", "link", "lock"]
        assert root.free_bytes() > 0
        assert root.writable("folder/not/there/yet")


def test_times_are_of_what_is_named(inside: Path) -> None:
    home = inside.parent / "home" / ".bashrc"
    before = home.stat().st_mtime_ns
    with Root(inside) as root:
        for name in ("file-out", "a.txt", ""):
            root.set_times(name, 1_000_000_001, 2_000_000_003)
            assert (inside / name).lstat().st_mtime_ns == 2_000_000_003
    assert home.stat().st_mtime_ns == before


def test_a_first_write_sweeps_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes: a cache, the pictures of an evaluation, a grid."""
    left, mine = ".tmp-0123456789abcdef.png", ".tmp-notes"
    later = time.time() + 7200
    for write in (lambda folder: write_text(folder / "a.txt", "a"), _through_a_root):
        folder = tmp_path / secrets.token_hex(4)
        folder.mkdir()
        for name in (left, mine):
            (folder / name).write_bytes(b"")
        (folder / ".tmp-0123456789abcde1").symlink_to(mine)
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: later)
            write(folder)
        names = sorted(path.name for path in folder.iterdir())
        assert names == [".tmp-0123456789abcde1", mine, "a.txt"]


def _through_a_root(folder: Path) -> None:
    with Root(folder) as root:
        root.write("a.txt", b"a")


def test_new_folders_come_in_the_order_in_which_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [1_800_000_000.0] * 12 + [1_500_000_000.0] * 2 + [1_800_000_001.0, 1_900_000_000.0]
    made = []
    for moment in moments:  # the clock stands, is set back, and goes on
        monkeypatch.setattr(time, "gmtime", lambda at=moment: time.struct_time(_GMTIME(at)))
        with Root(tmp_path) as root:
            made.append(root.new_folder("fixes"))
    assert made == sorted(set(made))
    assert made[-1] == "fixes/20300317T174640Z"
    (tmp_path / "fixes/99991231T235959Z-999").mkdir()  # of a stranger
    with Root(tmp_path) as root:
        assert root.new_folder("fixes") == "fixes/20300317T174640Z-001"


_GMTIME = time.gmtime


def test_other_names_of_a_file_that_is_written_on(tmp_path: Path) -> None:
    """A copy of a run by hard links (`cp -al`) grew with the run."""
    (tmp_path / "run").mkdir()
    mine, copy = tmp_path / "run/log", tmp_path / "copy"
    mine.write_bytes(b"one")
    mine.chmod(0o600)
    copy.hardlink_to(mine)
    with Root(tmp_path) as root:
        root.append("run/log", b" two")
        root.append("run/log", b" three")
    assert (mine.read_bytes(), copy.read_bytes()) == (b"one two three", b"one")
    assert mine.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["log"]


def test_a_folder_where_a_disk_is_mounted_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fix` emptied it, and went on for ever at its removal."""

    def busy(*places: object, **options: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os, "rmdir", busy)
    with Root(tmp_path) as root:
        assert root.rmdir("disk") is False
