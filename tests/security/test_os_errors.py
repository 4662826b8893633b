"""An error of the disk or of this machine's limits is never read as "there is nothing"."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hubtools import files, leftovers, shelves, trust
from hubtools.causes import DENIED, is_absent, is_out_of_reach, of_system
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.folder import listing as folders
from hubtools.dataset.folder.listing import Entry, walk
from hubtools.dataset.folder.part_file import is_partial
from hubtools.dataset.metadata.sidecars import texts_beside
from hubtools.dataset.pictures.private.besides import besides, private_in
from hubtools.dataset.pictures.reading import head_of
from hubtools.dataset.validate import validate
from hubtools.journey.copying import copy_files
from hubtools.models.tensors import read_tensors
from hubtools.publish.contents.holes import Holes
from hubtools.publish.ledger import pushed_beside
from hubtools.rooted import Root
from hubtools.settings import DatasetSettings
from hubtools.training.found_states import seen_states
from tests.drawing import write_pictures
from tests.typed import typed

FAILING = (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ESTALE, errno.ENOMEM)
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def failing(code: int) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise OSError(code, os.strerror(code))

    return call


def test_causes_are_told_apart() -> None:
    for code in FAILING:
        assert not is_absent(OSError(code, ""))
        assert not is_out_of_reach(OSError(code, ""))
    for code in ABSENT:
        assert is_absent(OSError(code, ""))
    for code in (errno.EACCES, errno.EPERM):
        assert is_out_of_reach(OSError(code, ""))
        assert not is_absent(OSError(code, ""))


@pytest.mark.parametrize("code", FAILING)
def test_a_failing_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    entry = Entry("a.json", 9, 0)
    for name in ("a.png", "a.txt"):
        (tmp_path / name).write_bytes(b"x")
    listing = walk(tmp_path)
    with pytest.raises(OSError, match="Errno"):
        list(besides([entry], failing(code)))
    with pytest.raises(OSError, match="Errno"):
        private_in("a.mov", failing(code))
    monkeypatch.setattr(os, "open", failing(code))
    with pytest.raises(OSError, match="Errno"):
        head_of(tmp_path / "a.png", 16)
    with pytest.raises(OSError, match="Errno"):
        list(texts_beside(listing))
    with pytest.raises(OSError, match="Errno"):
        is_partial(tmp_path / "a.png")


@pytest.mark.parametrize("code", ABSENT)
def test_what_is_not_there_is_passed_by(code: int) -> None:
    assert not list(besides([Entry("a.json", 9, 0)], failing(code)))
    assert not private_in("a.mov", failing(code)).there


def test_a_folder_that_cannot_be_listed_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more").mkdir()
    scandir = os.scandir

    def limited(path: Any) -> Any:
        if Path(path).name == "more":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return scandir(path)

    monkeypatch.setattr(folders.os, "scandir", limited)
    with pytest.raises(OSError, match="Too many open files"):
        walk(tmp_path)


@pytest.mark.parametrize("code", FAILING)
def test_a_state_that_cannot_be_read_is_not_begun_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "state" / "step-5").mkdir(parents=True)
    (tmp_path / "state" / "step-5" / "state.json").write_text("{}")
    found = seen_states(tmp_path)
    monkeypatch.setattr(Root, "read", failing(code))
    if found:
        with pytest.raises(OSError, match="Errno"):
            seen_states(tmp_path)


def test_tensors_of_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import safetensors

    assert read_tensors(tmp_path / "none.safetensors") is None
    monkeypatch.setattr(safetensors, "safe_open", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        read_tensors(tmp_path / "none.safetensors")


def test_a_hole_is_no_failing_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    holes = Holes.__new__(Holes)
    holes._file, holes._fd, holes._end = io.BytesIO(b"x" * 9), 0, 0
    monkeypatch.setattr(os, "lseek", failing(errno.ENXIO))
    assert holes.read(9) == b""
    monkeypatch.setattr(os, "lseek", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        holes.read(9)


def test_a_picture_on_a_failing_disk_is_not_removed_as_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    for name in ("a", "b"):
        Image.new("RGB", (64, 64), (9, ord(name), 9)).save(tmp_path / f"{name}.png")
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "a.png", "text": "x"}\n{"file_name": "b.png", "text": "y"}\n'
    )
    opened = os.open

    def limited(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("b.png"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return opened(path, *rest, **more)

    monkeypatch.setattr(os, "open", limited)
    plan = plan_fix(tmp_path, DatasetSettings(), unsafe=["remove-damaged"], resolution=64)
    assert not plan.operations


@contextmanager
def bounded_by_modes() -> Iterator[None]:
    """Root's rights end at modes, too."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="acts as another user")
def test_what_may_not_be_read_is_named_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures and metadata in findings, a source in errors of a copy; a folder beside that nobody
    has named stops nothing."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder = write_pictures(Path(place) / "ds", 2)
        (Path(place) / "closed").mkdir()
        monkeypatch.setenv("HUBTOOLS_CACHE", f"{place}/cache")
        for path in (Path(place), *Path(place).rglob("*")):
            os.chown(path, 65534, 65534)
        (Path(place) / "closed").chmod(0)
        for name, rule in (("picture1.png", "D301"), ("metadata.jsonl", "D106")):
            (folder / name).chmod(0)
            with bounded_by_modes():
                (said,) = validate(folder, select=[rule]).findings
            assert (said.path, said.fix) == (name, DENIED)
            denied = pytest.raises(PermissionError)
            with bounded_by_modes(), contextlib.chdir(place), denied as caught:
                copy_files({name: (Path("ds"), name)}, Path("new"), None, aside=None)
            assert caught.value.filename == f"ds/{name}"
            (folder / name).chmod(0o644)
        with bounded_by_modes():
            assert pushed_beside(folder, "me/dogs", {}) is None


@pytest.mark.skipif(os.name == "nt", reason="no locks")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """It is told where a lock keeps files whole; the cache does without."""
    import fcntl

    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", failing(code))
    with Root(tmp_path) as root, pytest.raises(OSError) as caught, root.holding("a.lock"):
        pass
    told = of_system(caught.value, "")
    assert told is not None
    assert told.message == f"{tmp_path / 'a.lock'} is on a file system without locks."
    assert told.hint
    encoder = tmp_path / "latents" / ("a" * 64)
    assert shelves.hold(encoder) is None
    (encoder / f"{'1' * 64}.safetensors").touch()
    assert shelves.prune(older_than=-1).entries == 1


def test_a_key_that_was_left_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that was killed more than an hour ago."""
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path))
    left = tmp_path / f".tmp-{'a' * 16}.key"
    left.touch()
    monkeypatch.setattr(leftovers, "_HOUR", 0.0)
    trust.seal(tmp_path, "a.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["state.key"]


def test_a_working_directory_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    with contextlib.chdir(tmp_path / "gone"):
        (tmp_path / "gone").rmdir()
        with pytest.raises(FileNotFoundError) as caught:
            Path.cwd()
        told = of_system(caught.value, str(caught.value))
        assert told is not None
        assert told.message == "The folder from which this was started is gone."
        os.chdir(tmp_path)


@pytest.mark.parametrize("name", ["", "state", "state/step-000010"])
@pytest.mark.parametrize("call", ["fsync", "listdir"])
def test_a_folder_that_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, name: str
) -> None:
    (tmp_path / "state/step-000010").mkdir(parents=True)
    with Root(tmp_path) as root:
        monkeypatch.setattr(os, call, failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output") as caught:
            root.sync(name) if call == "fsync" else root.list(name)
    told = of_system(caught.value, "")
    assert str(told) == f"The disk fails at {tmp_path / name}: Input/output error."


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_a_socket_is_no_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # their paths are short
    write_pictures(Path("ds"), 2)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("ds/agent.txt")
        with pytest.raises(OSError, match="no regular file") as caught:
            files.open_regular("ds/agent.txt")
        assert is_absent(caught.value)
        with Root("ds") as root, pytest.raises(OSError, match="no regular file"):
            root.read("agent.txt")
        said = typed("validate", "ds")
    assert "disk" not in said.stdout + said.stderr
    with monkeypatch.context() as patch:  # of a file it is the disk
        patch.setattr(os, "open", failing(errno.ENXIO))
        with pytest.raises(OSError, match="No such device"):
            files.open_regular("ds/metadata.jsonl")
