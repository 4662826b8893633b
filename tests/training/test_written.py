"""LoRA files of a run that somebody has changed are kept when they are written again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import pytest

from hubtools.layout import WRITTEN
from hubtools.rooted import Root
from hubtools.rooted.outputs import forget_written
from hubtools.training.result import note_lora
from hubtools.training.written import written_lora

NAMES = ("pytorch_lora_weights.safetensors", "snapshots/x-step000003.safetensors")


def write(folder: Path, name: str, data: bytes) -> list[str]:
    told: list[str] = []
    with Root(folder) as root, written_lora(root, name, told.append) as file:
        file.write(data)
    assert (folder / name).read_bytes() == data
    return told


def kept(folder: Path) -> list[bytes]:
    """What lies in `.hubtools/replaced`."""
    found = (folder / ".hubtools").rglob("*.safetensors")
    return [path.read_bytes() for path in found]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_run_wrote_is_written_over(tmp_path: Path, name: str) -> None:
    for data in (b"one", b"two", b"two"):
        assert write(tmp_path, name, data) == []
    assert kept(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noted", [True, False])
def test_what_somebody_has_changed_is_kept(tmp_path: Path, name: str, noted: bool) -> None:
    write(tmp_path, name, b"one")
    (tmp_path / name).write_bytes(b"a night of merging")
    if not noted:  # a run of which nothing was noted
        (tmp_path / WRITTEN).write_text("{" if "/" in name else "[]")
    (told,) = write(tmp_path, name, b"one")
    assert told.startswith(f"{name} is not the file that hubtools has left")
    assert kept(tmp_path) == [b"a night of merging"]
    assert write(tmp_path, name, b"two") == []


def test_an_equal_file_of_which_nothing_is_noted_is_no_news(tmp_path: Path) -> None:
    write(tmp_path, NAMES[1], b"one")
    (tmp_path / WRITTEN).unlink()
    assert write(tmp_path, NAMES[1], b"one") == []
    with Root(tmp_path) as root:
        forget_written(root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshots"]


def edited_at_once(folder: Path, name: str, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have somebody save a file over the next one of that name in the instant that it appears."""
    real = Root.replacing

    @contextmanager
    def appearing(root: Root, one: str, **more: Any) -> Iterator[BinaryIO]:
        with real(root, one, **more) as file:
            yield file
        if one == name:
            monkeypatch.undo()
            (folder / name).write_bytes(data)

    monkeypatch.setattr(Root, "replacing", appearing)


@pytest.mark.parametrize("name", NAMES)
def test_what_somebody_saves_before_its_sum_is_noted(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited_at_once(tmp_path, name, b"mine", monkeypatch)
    with Root(tmp_path) as root, written_lora(root, name, print) as file:
        file.write(b"one")
    assert (tmp_path / name).read_bytes() == b"mine"
    (told,) = write(tmp_path, name, b"two")
    assert "somebody has changed it" in told
    assert kept(tmp_path) == [b"mine"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_goes_only_if_it_is_what_was_looked_at(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy equal to what is written now is none: but somebody writes to it after the look."""
    write(tmp_path, name, b"one")
    (tmp_path / WRITTEN).unlink()
    real = Root.sha256

    def looked(root: Root, one: str, *more: Any) -> str:
        digest = real(root, one, *more)
        if one.startswith(".hubtools/replaced"):
            monkeypatch.undo()
            (tmp_path / one).write_bytes(b"mine")
            (tmp_path / one).with_name("notes.txt").write_bytes(b"mine too")
        return digest

    monkeypatch.setattr(Root, "sha256", looked)
    (told,) = write(tmp_path, name, b"one")
    assert "somebody has changed it" in told
    assert kept(tmp_path) == [b"mine"]
    assert [path.name for path in tmp_path.rglob("notes.txt")] == ["notes.txt"]


def test_the_sum_of_a_result_is_that_of_what_the_run_wrote(tmp_path: Path) -> None:
    write(tmp_path, NAMES[0], b"one")
    (tmp_path / NAMES[0]).write_bytes(b"mine")
    manifest = SimpleNamespace(lora=None)
    recipe = SimpleNamespace(settings=SimpleNamespace(rank=4, target_modules=["to_q"]), alpha=4.0)
    note_lora(manifest, tmp_path / NAMES[0], recipe, {})  # type: ignore[arg-type]
    assert manifest.lora is not None
    assert manifest.lora.sha256 == hashlib.sha256(b"one").hexdigest()
