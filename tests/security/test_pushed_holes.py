"""Holes that an attack on `push` found, each closed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.layout import cache_dir
from hubtools.localhub.server import Hub
from hubtools.publish import outbox
from hubtools.rooted import Root
from tests.security.pushing import make_dataset, plan, send


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "people")


# --- what is sent is what was checked ------------------------------------------------------------


def test_copies_lie_where_nobody_else_can_write(
    local_hub: Hub, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_SMALL", 0)
    made = plan(dataset)
    with Root(dataset) as root, outbox.operations(root, made.changes) as found:
        copies = [Path(one.path_or_fileobj) for one in found]
        assert len(copies) == 6
        for one, copy in zip(found, copies, strict=True):
            assert not copy.is_relative_to(dataset)
            assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
            assert copy.read_bytes() == (dataset / one.path_in_repo).read_bytes()
        assert not (dataset / ".hubtools").exists()
    assert not any(copy.exists() for copy in copies)


def test_a_folder_for_copies_that_is_a_link_is_refused(
    local_hub: Hub, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(outbox, "_SMALL", 0)
    (tmp_path / "target").mkdir()
    cache_dir().mkdir()
    (cache_dir() / "sending").symlink_to(tmp_path / "target")
    with pytest.raises(HubtoolsError, match="only you can write to"):
        send(dataset)
    assert list((tmp_path / "target").iterdir()) == []
