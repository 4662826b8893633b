"""A seal holds for one user, one file, one folder and one content."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools import trust
from hubtools.cards.merge import Memory
from hubtools.errors import HubtoolsError
from hubtools.journey.ledger import Ledger
from hubtools.layout import config_dir
from hubtools.publish.ledger import read_ledger
from hubtools.rooted import Root
from hubtools.training.runfolder import locked
from hubtools.trust import is_sealed, seal

NAME = ".hubtools/state.json"
CONTENT: dict[str, Any] = {"step": 3, "files": ["ä.png", "\udcff"]}


def _through_json(content: dict[str, Any]) -> Any:
    return json.loads(json.dumps(content))


def test_what_holds_and_what_does_not(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    sealed = _through_json(seal(root, NAME, CONTENT))
    assert {k: v for k, v in sealed.items() if k != trust.SEAL} == CONTENT
    assert is_sealed(root, NAME, sealed)
    assert not is_sealed(root, "other.json", sealed)
    assert not is_sealed(root, NAME, sealed | {"step": 4})
    assert not is_sealed(root, NAME, CONTENT)
    assert not is_sealed(root, NAME, sealed | {trust.SEAL: None})
    assert not is_sealed(root, NAME, [sealed])
    for key in sealed[trust.SEAL]:
        assert not is_sealed(root, NAME, sealed | {trust.SEAL: sealed[trust.SEAL] | {key: "x"}})
        without = {k: v for k, v in sealed[trust.SEAL].items() if k != key}
        assert not is_sealed(root, NAME, sealed | {trust.SEAL: without})
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    assert not is_sealed(copy, NAME, sealed)
    moved = root.rename(tmp_path / "moved")
    assert is_sealed(moved, NAME, sealed)


def test_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = seal(tmp_path, NAME, CONTENT)
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path / "config"))
    assert not is_sealed(tmp_path, NAME, sealed)
    mine = seal(tmp_path, NAME, CONTENT)
    assert is_sealed(tmp_path, NAME, mine)
    key = tmp_path / "config" / "state.key"
    assert (key.stat().st_mode & 0o777, key.stat().st_size) == (0o600, 32)
    monkeypatch.setenv("HUBTOOLS_STATE_KEY", "a key that two machines share")
    assert not is_sealed(tmp_path, NAME, mine)
    assert is_sealed(tmp_path, NAME, seal(tmp_path, NAME, CONTENT))
    monkeypatch.setenv("HUBTOOLS_STATE_KEY", "short")
    with pytest.raises(HubtoolsError, match="HUBTOOLS_STATE_KEY"):
        seal(tmp_path, NAME, CONTENT)


def test_a_key_that_others_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path))
    (tmp_path / "state.key").write_bytes(b"k" * 32)
    (tmp_path / "state.key").chmod(0o644)
    with pytest.raises(HubtoolsError, match="Others can read"):
        seal(tmp_path, NAME, CONTENT)


def test_no_place_for_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept holds as long as the process."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path / "file" / "hubtools"))
    sealed = seal(tmp_path, NAME, CONTENT)
    assert is_sealed(tmp_path, NAME, sealed)
    trust._of_this_process.cache_clear()
    trust._stored.cache_clear()
    assert not is_sealed(tmp_path, NAME, sealed)


@pytest.fixture
def unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key of this user's that the system does not let them read."""
    monkeypatch.setenv("HUBTOOLS_CONFIG", str(tmp_path / "config"))
    seal(tmp_path, NAME, CONTENT)
    trust._stored.cache_clear()
    key = tmp_path / "config" / "state.key"

    def denied(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(trust, "_read", denied)
    return key


def _pushes(folder: Path) -> object:
    with Root(folder) as root:
        return read_ledger(root)


def _writes_a_card(folder: Path) -> object:
    with Root(folder) as root:
        return Memory.read(root)


def _trains(folder: Path) -> None:
    with locked(folder / "run"):
        pass


@pytest.mark.parametrize(
    "begins",
    [
        lambda folder: seal(folder, NAME, CONTENT),
        lambda folder: is_sealed(folder, NAME, {trust.SEAL: {"mac": "0" * 64}}),
        _pushes,
        _writes_a_card,
        _trains,
        Ledger.open,
    ],
)
def test_a_key_that_cannot_be_read_stops_what_would_be_foreign_later(
    tmp_path: Path, unreadable: Path, begins: Callable[[Path], object]
) -> None:
    with pytest.raises(
        HubtoolsError, match=r"state\.key cannot be read: Permission denied"
    ) as told:
        begins(tmp_path)
    assert "ls -ld" in str(told.value.hint)
    assert not (tmp_path / "run").exists()
    unreadable.unlink()
    trust.have_key()
    assert not unreadable.exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="acts as another user")
@pytest.mark.parametrize(
    ("owner", "mode", "stops"), [(65534, 0, True), (0, 0o700, False), (65534, 0o500, False)]
)
def test_whose_folder_does_not_tell_of_a_key(owner: int, mode: int, stops: bool) -> None:
    """Somebody else's holds none of this user's; in one that cannot be written there is none."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "config"
        folder.mkdir()
        os.chown(folder, owner, owner)
        folder.chmod(mode)
        os.seteuid(65534)
        try:
            assert trust._may_be_there(folder / "state.key") is stops
        finally:
            os.seteuid(0)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.dictionaries(st.text(), _VALUES, max_size=4), mark=_VALUES)
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: Any, mark: Any) -> None:
    content.pop(trust.SEAL, None)
    root = tmp_path_factory.getbasetemp()
    assert is_sealed(root, NAME, _through_json(seal(root, NAME, content)))
    assert not is_sealed(root, NAME, content | {trust.SEAL: mark})
    assert not is_sealed(root, NAME, mark)


@pytest.mark.parametrize("variable", ["HOME", "XDG_CONFIG_HOME"])
def test_no_key_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """A folder of somebody else's may hold one, for a home that is relative."""
    for name in ("HUBTOOLS_CONFIG", "XDG_CONFIG_HOME", trust.KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert config_dir() == tmp_path / "home" / ".config" / "hubtools"
    monkeypatch.setenv(variable, ".")
    if variable == "HOME":
        monkeypatch.setenv("USERPROFILE", ".")
        with pytest.raises(HubtoolsError, match="no home folder"):
            config_dir()
    else:
        assert config_dir() == tmp_path / "home" / ".config" / "hubtools"
