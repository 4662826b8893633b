"""A full disk, a missing permission, a limit: each is told as what it is, with the file and what to
do; nothing is lost, and nothing is silently done again each time."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from hubtools import kept
from hubtools.causes import cannot_be, is_absent, naming, of_system, says_nothing_of_file
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.folder.appearing import copy_own
from hubtools.dataset.pictures.scan_cache import ScanCache
from hubtools.dataset.pictures.table import PictureTable
from hubtools.files import write_bytes, write_json
from hubtools.hub.errors import as_sentence
from hubtools.journey.init import init
from hubtools.models.targets import target_of
from hubtools.rooted import Root
from hubtools.settings import DatasetSettings
from tests.disks import fill, limited, read_only, small_disk, without_privilege
from tests.drawing import write_pictures
from tests.typed import typed


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as place:
        yield place


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was told yet in this process."""
    monkeypatch.setattr(kept, "_TOLD", set())


def state_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- one sentence a cause ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("ENOENT", "No such file", "file-not-found"),
        ("EACCES", "Permission denied: /a/b", "permission-denied"),
        ("EPERM", "Permission denied: /a/b", "permission-denied"),
        ("EROFS", "/a/b is on a read-only file system", "permission-denied"),
        ("ENOSPC", "The disk is full. (/a/b)", "disk-full"),
        ("EDQUOT", "Your quota of the disk is used up. (/a/b)", "disk-full"),
        ("EFBIG", "/a/b would become larger", "too-large"),
        ("EMFILE", "Too many files are open at once (/a/b)", "too-large"),
        ("ENFILE", "Too many files are open at once (/a/b)", "too-large"),
        ("ENAMETOOLONG", "too long for the file system: /a/b", "file-not-usable"),
        ("EISDIR", "/a/b is a folder", "file-not-usable"),
        ("EEXIST", "/a/b is there already", "file-exists"),
        ("ELOOP", "/a/b is a symbolic link", "link-refused"),
        ("EXDEV", "different file systems", "file-not-usable"),
        ("EIO", "The disk fails at /a/b: Input/output error", "file-damaged"),
        ("ESTALE", "no longer knows /a/b", "file-damaged"),
        ("ENOMEM", "not enough memory. (/a/b)", "out-of-memory"),
        ("EBUSY", "/a/b is in use", "busy"),
    ],
)
def test_causes(name: str, said: str, code: str) -> None:
    number = getattr(errno, name)
    error = OSError(number, os.strerror(number), "/a/b")
    sentence = as_sentence(error)
    assert sentence is not None
    assert said in sentence.message
    assert sentence.code == code
    assert name == "ENOENT" or sentence.hint
    bare = of_system(OSError(number, os.strerror(number)), "said")
    assert bare is not None
    assert "None" not in bare.message
    assert "{" not in bare.message
    assert cannot_be("read", "/a/b", error).message.startswith("/a/b cannot be read: ")


def test_what_a_library_says_of_a_server_is_no_failing_disk() -> None:
    error = OSError(errno.EIO, "HTTP 503 of https://x", "a.parquet")
    assert not says_nothing_of_file(error)
    sentence = as_sentence(error)
    assert sentence is not None
    assert sentence.message == "HTTP 503 of https://x: a.parquet"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("I/O error: No space left on device (os error 28)", "disk-full"),
        ("Permission denied (os error 13)", "permission-denied"),
        ("Too many open files (os error 24)", "too-large"),
    ],
)
def test_errors_of_libraries_in_rust(said: str, code: str) -> None:
    sentence = as_sentence(RuntimeError(said))
    assert sentence is not None
    assert sentence.code == code


def test_a_very_long_name_is_cut() -> None:
    name = "/a/" + "x" * 5000
    sentence = as_sentence(OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name))
    assert sentence is not None
    assert len(sentence.message) < 500


# --- a full disk ---------------------------------------------------------------------------------

_BIG = b"x" * 50_000


def _append(place: Path) -> None:
    with Root(place) as root:
        root.append("a", _BIG)


def _rooted(place: Path) -> None:
    with Root(place) as root:
        root.write("a", _BIG)


def _copied(place: Path) -> None:
    with Root(place.parent) as root:
        root.copy("source", f"{place.name}/a")


def _own(place: Path) -> None:
    with Root(place) as root:
        copy_own(place.parent, "source", root, "a")


def _plain(place: Path) -> None:
    with naming(place / "a"):
        (place / "a").write_bytes(_BIG)


_WRITES: dict[str, Callable[[Path], None]] = {
    "bytes": lambda place: write_bytes(place / "a", _BIG),
    "json": lambda place: write_json(place / "a", _BIG.decode()),
    "append": _append,
    "rooted": _rooted,
    "copied": _copied,
    "own": _own,
    "plain": _plain,
}


@pytest.mark.parametrize("how", _WRITES)
def test_a_full_disk_names_the_file(disk: Path, how: str) -> None:
    (disk.parent / "source").write_bytes(_BIG)
    fill(disk, leave=8192)
    with pytest.raises(OSError, match="No space left") as caught:
        _WRITES[how](disk)
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert sentence.code == "disk-full"
    assert str(disk / "a") in sentence.message
    assert sentence.hint


@pytest.mark.parametrize("how", _WRITES)
def test_a_file_that_may_not_grow(tmp_path: Path, how: str) -> None:
    """What `ulimit -f` forbids; the system's signal for it is not taken."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "source").write_bytes(_BIG)
    with (
        pytest.raises(OSError, match="too large") as caught,
        limited(resource.RLIMIT_FSIZE, 20_000),
    ):
        _WRITES[how](place)
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert sentence.code == "too-large"
    assert str(place / "a") in sentence.message


_COMMANDS = [
    ["validate", "ds", "--report", "r.html"],
    ["validate", "ds", "--write-baseline"],
    ["fix", "ds", "--unsafe", "remove-small", "--resolution", "512", "--yes"],
    ["fix", "ds", "--unsafe", "remove-small", "--resolution", "512", "--plan", "p.json"],
    ["caption", "ds", "--replace", "photo=picture", "--yes"],
    ["caption", "ds", "--export", "kohya", "out"],
    ["card", "ds"],
    ["shard", "ds", "--to", "out"],
    ["shard", "ds", "--to", "out", "--as", "webdataset"],
    ["inspect", "ds", "--sheet", "s.png"],
    ["init", "project", "--example"],
    ["hub", "serve", "--root", "h", "--port", "0"],
]


@pytest.mark.parametrize("words", _COMMANDS, ids=" ".join)
def test_commands_on_a_full_disk(disk: Path, words: list[str]) -> None:
    write_pictures(disk / "ds", 4)
    before = state_of(disk / "ds")
    fill(disk)
    done = typed(*words, cwd=disk)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search("disk is full|No space left|0 B left", done.stderr), done.stderr
    assert "free some space" in done.stderr
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr
    left = state_of(disk / "ds")
    assert {name: left.get(name) for name in before} == before


@pytest.mark.parametrize("words", [["fix", "ds", "--plan", "p.json"], ["card", "ds"]], ids=" ".join)
def test_commands_on_a_read_only_disk(disk: Path, words: list[str]) -> None:
    write_pictures(disk / "ds", 4)
    with read_only(disk):
        done = typed(*words, cwd=disk)
    assert done.returncode == 1
    assert "read-only file system" in done.stderr.lower()
    assert "Hint: " in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [["schema"], ["explain", "D101"], ["doctor", "--format", "json"]])
def test_an_answer_that_cannot_be_written(words: list[str]) -> None:
    command = [sys.executable, "-m", "hubtools", *words]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The disk is full.")
    assert len(done.stderr.splitlines()) == 2


# --- no permission -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "locked"),
    [
        (["validate", "ds", "--baseline", "b.json"], "b.json"),
        (["validate", "ds", "--report", "r.json"], "r.json"),
        (["push", "--from-plan", "b.json"], "b.json"),
        (["card", "ds", "--dry-run"], "ds/README.md"),
        (["caption", "ds", "--replace", "photo=picture", "--yes"], "ds/metadata.jsonl"),
        (["shard", "ds", "--to", "out"], "ds/picture1.png"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_files_without_permission(tmp_path: Path, words: list[str], locked: str) -> None:
    write_pictures(tmp_path / "ds", 2)
    (tmp_path / "ds" / "README.md").write_text("---\nlicense: cc0-1.0\n---\n")
    for name in ("b.json", "r.json"):
        (tmp_path / name).write_text(json.dumps({"schema": 1, "findings": []}))
    (tmp_path / locked).chmod(0)
    with without_privilege():
        done = typed(*words, cwd=tmp_path)
    assert done.returncode in (1, 3), done.stdout + done.stderr
    assert "ermission denied" in done.stdout + done.stderr
    assert locked in done.stdout + done.stderr
    assert "is not a report" not in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("told", ["a captioned folder", "sidecars"])
def test_a_folder_without_permission_is_not_empty(tmp_path: Path, told: str) -> None:
    """Its pictures are neither left in silence nor gone for those who name them."""
    ds = tmp_path / "ds"
    write_pictures(ds, 2)
    (ds / "locked").mkdir()
    record = '{"file_name": "locked/a.png", "text": "a dog"}\n'
    with (ds / "metadata.jsonl").open("a") as file:
        file.write(record)
    if told == "sidecars":
        (ds / "metadata.jsonl").unlink()
    (ds / "locked").chmod(0)
    try:
        with without_privilege():
            made = init(tmp_path / "project", source=ds)
            plan = plan_fix(ds, DatasetSettings(), unsafe=("drop-rows",))
    finally:
        (ds / "locked").chmod(0o755)
    assert "locked cannot be read: what lies there is left." in made.left
    assert not any("locked" in line and line.startswith("-") for line in plan.diff())


def test_a_base_without_permission_is_no_other_model(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionXLPipeline"}))
    assert target_of(str(base)) is not None
    (base / "model_index.json").chmod(0)
    with without_privilege(), pytest.raises(PermissionError):
        target_of(str(base))


def test_a_link_into_a_folder_without_permission(tmp_path: Path) -> None:
    from hubtools.publish.links import follow

    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a").write_bytes(b"x")
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds" / "a").symlink_to(tmp_path / "secret" / "a")
    (tmp_path / "ds" / "b").symlink_to(tmp_path / "none")
    (tmp_path / "secret").chmod(0)
    try:
        with without_privilege():
            assert follow(tmp_path / "ds", "a")[0].why_not == "you may not look where it leads"
            assert follow(tmp_path / "ds", "b")[0].why_not == "it leads nowhere"
    finally:
        (tmp_path / "secret").chmod(0o755)


# --- caches --------------------------------------------------------------------------------------


def _many(folder: Path) -> Path:
    """As many pictures as are worth remembering."""
    folder.mkdir()
    for number in range(70):
        Image.new("RGB", (64, 64), (number, 9, 200 - number)).save(folder / f"{number}.png")
    rows = [{"file_name": f"{number}.png", "text": f"a {number}"} for number in range(70)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_a_cache_on_a_full_disk_is_told_once(disk: Path, tmp_path: Path, fresh: None) -> None:
    folder = _many(tmp_path / "ds")
    fill(disk)
    done = typed("validate", folder, HUBTOOLS_CACHE=str(disk / "cache"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning:") == 1
    assert str(disk / "cache") in done.stderr
    assert "No space left" in done.stderr
    assert "HUBTOOLS_CACHE" in done.stderr


def test_a_cache_without_permission_is_told_once(tmp_path: Path, fresh: None) -> None:
    folder = _many(tmp_path / "ds")
    cache = tmp_path / "cache"
    assert typed("validate", folder, HUBTOOLS_CACHE=str(cache)).returncode == 0
    places = [path for path in cache.rglob("*") if path.is_file()]
    assert places
    for path in places:
        path.chmod(0)
    with without_privilege():
        done = typed("validate", folder, HUBTOOLS_CACHE=str(cache))
    assert done.returncode == 0
    assert done.stderr.count("Warning:") == 1
    assert "Permission denied" in done.stderr


def test_a_memory_that_is_missing_is_not_told(
    tmp_path: Path, fresh: None, recwarn: pytest.WarningsRecorder
) -> None:
    assert not len(ScanCache.load(tmp_path / "none").table)
    assert kept.read_kept(tmp_path / "none") is None
    assert not [one for one in recwarn if one.category is kept.NotKept]
    (tmp_path / "file").write_bytes(b"")
    ScanCache.save(tmp_path / "file" / "x.cache", PictureTable(), [], 0)
    ScanCache.save(tmp_path / "file" / "y.cache", PictureTable(), [], 0)
    assert len([one for one in recwarn if one.category is kept.NotKept]) == 1


def test_a_key_that_cannot_be_kept_is_told(
    tmp_path: Path, fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubtools import trust

    (tmp_path / "file").write_bytes(b"")
    monkeypatch.delenv(trust.KEY_VARIABLE, raising=False)
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path / "file" / "hubtools"))
    with pytest.warns(kept.NotKept, match="somebody else's"):
        trust.seal(tmp_path, "a.json", {})


# --- limits of the process -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "tiff"])  # the second is for a process of its own
@pytest.mark.parametrize("left", [1, 3, 6, 11])
def test_too_many_open_files(tmp_path: Path, left: int, kind: str) -> None:
    write_pictures(tmp_path / "ds", 2)
    assert typed("validate", "ds", cwd=tmp_path).returncode == 0
    if kind == "tiff":
        Image.new("RGB", (64, 64), (left, 1, 1)).save(tmp_path / "ds/more.tiff")
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    taken = [os.open(os.devnull, os.O_RDONLY)]
    while taken[-1] <= highest:  # no descriptor is free below
        taken.append(os.open(os.devnull, os.O_RDONLY))
    with limited(resource.RLIMIT_NOFILE, taken[-1] + 1 + left):
        done = typed("validate", "ds", cwd=tmp_path)
    for descriptor in taken:
        os.close(descriptor)
    assert done.returncode in (0, 1, 3), done.stderr
    assert "bug" not in done.stderr
    if done.returncode == 1:
        assert "Too many" in done.stderr
        assert "ulimit -n" in done.stderr


def test_absent_is_not_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").chmod(0)
    with without_privilege(), pytest.raises(PermissionError) as caught:
        (tmp_path / "a").read_bytes()
    assert not is_absent(caught.value)
    assert says_nothing_of_file(caught.value)
