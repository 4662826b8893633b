"""Writing atomically, leaks, and errors as sentences."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.files import bytes_of, human_bytes, replacing, sha256_of, write_json, write_text
from hubtools.hub.errors import as_sentence
from hubtools.leaks import local_paths, tokens
from hubtools.rooted import Root


def test_a_file_is_old_or_new_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "deep/x.txt"
    write_text(path, "old")
    path.chmod(0o640)

    def killed() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert path.read_text() == "old"
    write_text(path, "new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [child.name for child in path.parent.iterdir()] == ["x.txt"]
    umask = os.umask(0)
    os.umask(umask)
    write_json(tmp_path / "y.json", {"é": 1})
    assert (tmp_path / "y.json").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (tmp_path / "y.json").read_text() == '{\n  "é": 1\n}\n'


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.txt" / "y").mkdir(parents=True)
    with pytest.raises(OSError, match=r"x\.txt") as caught:
        write_text(tmp_path / "x.txt", "new")
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert str(sentence) == f"{tmp_path / 'x.txt'} is a folder."


def test_threads_that_write_at_once_keep_the_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: write_text(tmp_path / f"{n}.txt", "x"), range(200)))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
    finally:
        assert os.umask(before) == 0o027


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    with path.open("rb") as file:
        assert bytes_of(file, 9) is None
        assert file.tell() == 0
        assert bytes_of(file, 10) == b"x" * 10
    assert bytes_of(io.BytesIO(b"x" * 10), 9) is None
    assert bytes_of(io.BytesIO(b"x" * 10), 10) == b"x" * 10


def test_hashes_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a" * (3 << 20))
    seen: list[int] = []
    digest = sha256_of(tmp_path / "x", seen.append)
    assert digest == hashlib.sha256(b"a" * (3 << 20)).hexdigest()
    assert sum(seen) == 3 << 20
    assert [human_bytes(n) for n in (0, 999, 3_400_000, 3_470_000_000, 10**16)] == [
        "0 B",
        "999 B",
        "3.40 MB",
        "3.47 GB",
        "10000 TB",
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("hf_" + "aB3" * 11 + "x", 1),
        ("hf_short", 0),
        ("ghp_" + "a1B2" * 9, 1),
        ("AKIA" + "ABCD1234EFGH5678", 1),
        ("-----BEGIN " + "PRIVATE KEY-----", 1),
        ("wandb_api_key: " + "0a1b2c3d" * 5, 1),
        ("hub_token: null", 0),
        ("a photo of hf_style_people_in_a_row", 0),
        ("sk-" + "a1B2c3D4" * 5, 1),
    ],
)
def test_tokens(text: str, count: int) -> None:
    assert len(list(tokens(f"before\n{text}\nafter"))) == count


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/home/" + "me/pictures/a.png", True),
        ("/Users/" + "me/x", True),
        ("C:\\Users\\" + "me\\x", True),
        ("https://example.com/home/", False),
        ("images/00.png", False),
        ("/usr/bin/env python", False),
    ],
)
def test_local_paths(text: str, found: bool) -> None:
    assert bool(list(local_paths(f"see {text} here"))) == found


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "x.txt"), "x.txt"),
        (OSError(28, "No space left on device"), "disk is full"),
        (FileNotFoundError(2, "No such file or directory", "y.txt"), "y.txt"),
        (HubtoolsError("mine"), "mine"),
    ],
)
def test_errors_of_the_system_are_sentences(error: BaseException, words: str) -> None:
    sentence = as_sentence(error)
    assert sentence is not None
    assert words in sentence.message


def test_a_bug_is_not_hidden_as_a_sentence() -> None:
    assert as_sentence(KeyError("x")) is None


@pytest.mark.skipif(os.name == "nt", reason="there are no modes")
def test_file_systems_without_modes_that_sync_no_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.txt").write_text("old")
    (tmp_path / "x.txt").chmod(0o600)
    synced = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        synced(descriptor)

    def no_mode(descriptor: int, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "fchmod", no_mode)
    (tmp_path / "y.txt").write_text("y")
    write_text(tmp_path / "y.txt", "new")
    with Root(tmp_path) as root:
        root.write("x.txt", b"new", mode=0o644)
        root.copy("x.txt", "sub/z.txt")
        root.rename("sub/z.txt", "z.txt")
        root.chmod("z.txt", 0o640)
        root.sync()
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {"new"}
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with Root(tmp_path) as root, pytest.raises(PermissionError):  # a file of somebody else's
        root.write("x.txt", b"new", mode=0o640)


def test_what_others_may_not_read_they_cannot_read_early(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.touch(mode=0o600)
    with replacing(path) as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
