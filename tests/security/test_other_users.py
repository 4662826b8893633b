"""Other users of this machine, who see with which words a browser was started."""

from __future__ import annotations

import os
import socket
import sys
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

import hubtools
from hubtools import peers
from hubtools.dataset.caption.exchange import export_captions
from hubtools.dataset.packing.write import shard
from hubtools.journey.init import init
from hubtools.kept import write_kept
from hubtools.layout import cache_dir
from hubtools.localhub.door import Door
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store
from hubtools.loopback import Answer, Server
from tests.drawing import write_pictures
from tests.lorafiles import good, kohya, save
from tests.typed import typed

OTHER = 65534
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no table of users")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_whose_a_connection_is(
    family: socket.AddressFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one who connects by the address of the other protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        child = os.fork()
        if not child:
            os.setuid(OTHER)
            place = "127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1"
            with socket.socket(family) as caller:
                caller.connect((place, port))
                caller.recv(1)
            os._exit(0)
        connection, place = server.accept()
        with connection:
            assert not peers.is_of_another(place[1], port)  # to root everybody is welcome
            monkeypatch.setattr(os, "geteuid", lambda: OTHER)
            assert not peers.is_of_another(place[1], port)
            monkeypatch.setattr(os, "geteuid", lambda: OTHER - 1)
            assert peers.is_of_another(place[1], port)
        os.waitpid(child, 0)


@pytest.mark.parametrize("how", ["init", "export"])
def test_copies_of_what_nobody_else_may_read(tmp_path: Path, how: str) -> None:
    source = write_pictures(tmp_path / "source", 2)
    (source / "picture0.png").chmod(0o600)
    if how == "init":
        init(tmp_path / "new", source=source)
    else:
        export_captions(source, tmp_path / "new", "kohya")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*.png")}
    assert modes == {
        "picture0.png": 0o600,
        "picture1.png": (source / "picture1.png").stat().st_mode & 0o777,
    }


@pytest.mark.parametrize("how", ["export", "parquet", "webdataset", "sheet"])
@pytest.mark.parametrize("private", ["metadata.jsonl", "picture1.png", None])
def test_what_is_made_of_what_nobody_else_may_read(
    tmp_path: Path, how: Any, private: str | None
) -> None:
    source = write_pictures(tmp_path / "source", 2)
    new = tmp_path / "new"
    if private:
        (source / private).chmod(0o600)
    if how == "export":
        export_captions(source, new, "kohya")
        made = sorted(new.rglob("*.txt"))
    elif how == "sheet":
        made = [tmp_path / "sheet.png"]
        hubtools.inspect(source, sheet=made[0])
    else:
        shard(source, new, format=how)
        made = [path for path in (new / "data").rglob("*") if path.is_file()]
    seen = [path.stat().st_mode & 0o077 == 0 for path in made]
    if how == "export" and private == "picture1.png":
        assert seen == [False, True]
    else:
        assert set(seen) == {private == "picture1.png" or (private is not None and how != "sheet")}


def _made_by(words: tuple[str, ...], folder: Path) -> set[bool]:
    """Whether each file that the command makes is for its owner alone; bookkeeping aside."""
    before = set(folder.rglob("*"))
    done = typed(*words, cwd=folder)
    assert done.returncode in (0, 3), done.stderr
    made = set(folder.rglob("*")) - before
    names = (".gitignore", ".lock", "hubtools.toml", "journal.json")
    files = [one for one in made if one.is_file() and one.name not in names]
    assert files
    return {not one.stat().st_mode & 0o077 for one in files}


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        ("fix", "ds", "--plan", "plan.json"),
        ("fix", "ds", "--yes"),
        ("card", "ds"),
        ("validate", "ds", "--report", "report.html"),
        ("validate", "packed", "--report", "report.html"),
        ("init", "new", "--from", "ds"),
        ("shard", "ds", "--to", "shards"),
        ("unshard", "packed", "--to", "new"),
        ("convert", "lora.safetensors"),
        ("export", "lora.safetensors", "--to", "new", "--as", "peft"),
        ("card", "lora"),
    ],
    ids=" ".join,
)
def test_what_quotes_what_nobody_else_may_read(
    tmp_path: Path, words: tuple[str, ...], private: bool
) -> None:
    source = write_pictures(tmp_path / "ds", 2)
    if words[0] == "fix":
        (source / "metadata.jsonl").unlink()
        for number in range(2):
            (source / f"picture{number}.txt").write_text("a dog")
    save(tmp_path / "lora.safetensors", kohya(good()))
    save(tmp_path / "lora/lora.safetensors", kohya(good()))
    if words[1] == "packed":
        shard(source, tmp_path / "packed")
    for path in tmp_path.rglob("*") if private else ():
        if path.is_file():
            path.chmod(0o600)
    assert _made_by(words, tmp_path) == {private}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="acts as root")
def test_what_root_makes_of_a_user_s_private_files_is_that_user_s(tmp_path: Path) -> None:
    """As root does in a container. A new card takes the place of one that is there, too."""
    source = write_pictures(tmp_path / "ds", 2)
    (source / "metadata.jsonl").unlink()
    for number in range(2):
        (source / f"picture{number}.txt").write_text("a dog")
    for path in (source, *source.iterdir()):
        os.chown(path, OTHER, OTHER)
        path.chmod(0o700 if path.is_dir() else 0o600)
    for words in (("fix", "--yes"), ("card",), ("card", "--dataset-license", "cc-by-4.0")):
        assert typed(words[0], "ds", *words[1:], cwd=tmp_path).returncode in (0, 3)
        names = ["metadata.jsonl"] if words[0] == "fix" else ["README.md", ".hubtools/card.json"]
        facts = [(source / name).stat() for name in names]
        assert {(one.st_uid, one.st_mode & 0o777) for one in facts} == {(OTHER, 0o600)}


@pytest.mark.parametrize("named", [True, False])
def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    """Latents, captions and datasets lie in it; others may share one that somebody names."""
    for name in ("XDG_CACHE_HOME", "HUBTOOLS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if named:
        monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "shared"))
    write_kept(cache_dir() / "scans" / "a.cache", [b"x"])
    assert (cache_dir().stat().st_mode & 0o077 == 0) is not named
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    cache_dir()
    assert not (tmp_path / "none").exists()


def test_the_folder_of_an_embedded_hub(tmp_path: Path) -> None:
    """One that is there keeps its mode."""
    (tmp_path / "mine").mkdir(mode=0o755)
    for name in ("new", "mine"):
        Store(tmp_path / name).close()
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "mine")]
    assert modes == [0o700, 0o755]


def table_of(folder: Path, theirs: int, ours: int, user: int) -> Path:
    line = f" 0: 0100007F:{theirs:04X} 0100007F:{ours:04X} 01 0:0 00:0 0 {user} 0 1 1"
    table = folder / "tcp"
    table.write_text(f"  sl  local_address rem_address   st\n{line}\n")
    return table


def test_who_has_the_address_from_another_s_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server("review")
    server.start(lambda parts: Answer.json({"pictures": 1}), lambda parts, sent: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    try:
        for user in (1000, OTHER, 0):
            caller = HTTPConnection("127.0.0.1", server.port, timeout=10)
            monkeypatch.setattr(peers, "_users", lambda theirs, ours, user=user: {user})
            caller.request("GET", f"/{server.token}/set")
            if user == OTHER:
                with pytest.raises((RemoteDisconnected, ConnectionError)):
                    caller.getresponse()
            else:
                assert caller.getresponse().status == 200
            caller.close()
    finally:
        server.stop()


def test_the_door_of_preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(peers, "_TABLES", (table_of(tmp_path, 40000, 50000, OTHER),))
    door = Door()
    with pytest.raises(Problem, match="for the user who has started them"):
        door.keep_out(("127.0.0.1", 40000), ("127.0.0.1", 50000))
    door.keep_out(("127.0.0.1", 40001), ("127.0.0.1", 50000))
    door.keep_out(None, ("127.0.0.1", 50000))
    monkeypatch.setattr(peers, "_TABLES", (table_of(tmp_path, 40000, 50000, 1000),))
    door.keep_out(("127.0.0.1", 40000), ("127.0.0.1", 50000))
