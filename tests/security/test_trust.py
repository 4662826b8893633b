"""A seal holds for one user, one file, one folder and one content."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools import trust
from hubtools.errors import HubtoolsError
from hubtools.layout import config_dir
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
