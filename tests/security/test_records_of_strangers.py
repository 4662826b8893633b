"""Records of a run, a journal and settings that hold a very great many values."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.evaluation.result import Evaluation
from hubtools.files import json_value
from hubtools.manifest import RunManifest
from hubtools.project import load_project
from hubtools.training.metrics import HeldOut, held_out_at


def test_values_that_are_all_wrong(tmp_path: Path) -> None:
    # each of them would be told, in kilobytes
    many = '{"candidates": [' + "[]," * 200_000 + "[]]}"
    (tmp_path / "evaluation.json").write_text(many)
    with pytest.raises(HubtoolsError, match=r"evaluation\.json is damaged: .* 100,000 values"):
        Evaluation.read(tmp_path)
    (tmp_path / "run.json").write_text(many.replace("candidates", "versions"))
    with pytest.raises(HubtoolsError, match=r"run\.json is damaged: .* 100,000 values"):
        RunManifest.read(tmp_path)
    (tmp_path / "hubtools.toml").write_text(f"[rules]\nignore = [{'0,' * 20_000}]\n")
    with pytest.raises(HubtoolsError, match=r"toml:2: ignore has more than 10,000 values"):
        load_project(tmp_path)


def test_values_that_take_more_memory_than_is_read() -> None:
    with pytest.raises(ValueError, match="more values than are read"):
        json_value("[" + "[]," * 2_000_000 + "[]]")
    assert len(json_value(b"[" + b"1," * 600_000 + b"1]")) == 600_001


def test_a_journal_of_nothing_but_brackets(tmp_path: Path) -> None:
    place = tmp_path / ".hubtools/fixes/20260101T000000Z"
    place.mkdir(parents=True)
    (place / "journal.json").write_bytes(b'{"steps": [' + b"[]," * 8_000_000 + b"[]]}")
    script = """
        import re, sys
        from pathlib import Path
        from hubtools.dataset.edits.journal_files import journals as read_journals
        try:
            read_journals(Path(sys.argv[1]))
        except Exception as error:
            print(type(error).__name__, error)
        print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    *_, peak = done.stdout.split()
    assert "is damaged" in done.stdout
    assert int(peak) < 400_000, done.stdout


def test_a_log_of_very_many_lines(tmp_path: Path) -> None:
    lines = (f'{{"step": {n}, "validation_loss": 1.5}}\n' for n in range(1, 2000))
    (tmp_path / "metrics.jsonl").write_text("\n" * 100_000 + "x" * 50_000 + "\n" + "".join(lines))
    assert list(held_out_at(tmp_path, {7, None})) == [HeldOut(7, 1.5)]
