"""The ledger: what is done is known, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.journey.ledger import Ledger, digest_of

OLD = 1_600_000_000_000_000_000  # a time stamp in ns that lies safely in the past


def test_a_finished_step_is_done_only_with_the_same_inputs_and_outputs(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.finish("train", "in", "out", {"steps": 3})
    again = Ledger.open(tmp_path)
    assert again.is_done("train", "in", "out")
    assert not again.is_done("train", "in2", "out")
    assert not again.is_done("train", "in", "out2")
    assert not again.is_done("push", "in", "out")
    assert again.result("train") == {"steps": 3}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema": 99, "steps": {"train": 1}}'])
def test_a_damaged_ledger_counts_as_empty(tmp_path: Path, damage: bytes) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.finish("train", "in", "out", {})
    ledger.path.write_bytes(damage)
    assert not Ledger.open(tmp_path).is_done("train", "in", "out")


def test_a_file_is_read_again_when_its_size_or_time_changes(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    file = tmp_path / "a"
    file.write_bytes(b"one")
    os.utime(file, ns=(OLD, OLD))
    first = ledger.hash_file(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(OLD + 1, OLD + 1))
    assert ledger.hash_file(file) != first


def test_a_file_written_just_now_is_never_trusted(tmp_path: Path) -> None:
    """Same size, same clock tick, other bytes: only reading it tells."""
    ledger = Ledger.open(tmp_path)
    file = tmp_path / "a"
    file.write_bytes(b"one")
    first = ledger.hash_file(file)
    stamp = file.stat().st_mtime_ns
    file.write_bytes(b"two")
    os.utime(file, ns=(stamp, stamp))
    assert ledger.hash_file(file) != first


def test_a_missing_file_has_no_hash(tmp_path: Path) -> None:
    assert Ledger.open(tmp_path).hash_file(tmp_path / "gone") is None


def test_the_digest_of_files_sees_names_and_contents(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    both = ledger.hash_files(tmp_path, [a, b])
    assert ledger.hash_files(tmp_path, [a]) != both
    a.rename(tmp_path / "c")
    assert ledger.hash_files(tmp_path, [tmp_path / "c", b]) != both


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_the_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert digest_of(value) == digest_of(turned)
