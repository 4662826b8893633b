"""What the page is told of a run folder, however it grows, ends or was made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hubtools.layout import METRICS, RUN_LOCK
from hubtools.rooted import Root
from hubtools.training.metrics import Metric, MetricsLog
from hubtools.watching.run import Run
from tests.watched import manifest, metric, write_run, write_sample, write_steps


def told(run: Run) -> dict[str, Any]:
    """What the page would get; strict JSON."""
    run.look()
    value = {"run": run.facts(), "curve": run.curve(), "drawn": run.drawn()}
    found: dict[str, Any] = json.loads(json.dumps(value, allow_nan=False))
    return found


def status(run: Run) -> str:
    run.look()
    return run.status


def test_a_run_from_before_its_beginning_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    run = Run(folder, 2.0)
    assert told(run)["run"]["status"] == "waiting"
    folder.mkdir()
    manifest().write(folder)
    assert status(run) == "preparing"
    write_steps(folder, range(1, 41), [0])
    found = told(run)
    assert found["run"]["status"] == "running"
    assert (found["run"]["done"], found["run"]["steps"]) == (40, 100)
    assert found["run"]["left"] == 60 * 0.5
    assert found["run"]["cost"] == pytest.approx(40 * 0.5 * 2 / 3600, rel=1e-3)
    assert found["curve"]["step"] == list(range(1, 41))
    assert found["curve"]["held_out"] == [[0, 0.4]]
    assert ["learning_rate", "0.0001"] in found["run"]["settings"]
    assert ["target_modules", "to_k, to_q"] in found["run"]["settings"]
    manifest(status="finished", steps_done=100).write(folder)
    assert status(run) == "finished"


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "lora", 10)
    run = Run(folder, None)
    version = told(run)["curve"]["version"]
    assert told(run)["curve"]["version"] == version
    line = (folder / METRICS).read_bytes().splitlines(keepends=True)[0]
    later = line.replace(b'"step": 1,', b'"step": 11,')
    with (folder / METRICS).open("ab") as file:
        file.write(later[:20])  # half a line
    assert told(run)["run"]["done"] == 10
    with (folder / METRICS).open("ab") as file:
        file.write(later[20:])
    monkeypatch.setattr("hubtools.watching.run.read_line", _once(run.tail))
    assert told(run)["run"]["done"] == 11


def _once(tail: Any) -> Any:
    from hubtools.training.metrics import read_line

    calls: list[bytes] = []

    def read(line: bytes) -> Any:
        calls.append(line)
        assert len(calls) == 1
        return read_line(line)

    return read


def test_a_run_that_goes_on_from_an_earlier_step_is_read_anew(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora", 30)
    run = Run(folder, None)
    assert told(run)["run"]["done"] == 30
    MetricsLog(folder, 20)
    assert told(run)["curve"]["step"][-1] == 20
    (folder / METRICS).unlink()
    assert told(run)["curve"]["step"] == []


def test_of_a_long_run_no_more_is_told_than_of_a_short_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora", 0, steps=100_000)
    line = json.dumps(vars(metric(1))).replace('"step": 1,', '"step": %d,')
    (folder / METRICS).write_text("".join(f"{line % n}\n" for n in range(1, 20_001)))
    found = told(Run(folder, None))
    assert found["run"]["done"] == 20_000
    assert 500 <= len(found["curve"]["step"]) <= 1000
    assert len(json.dumps(found)) < 100_000


def test_the_next_run_of_a_folder_is_not_taken_for_the_one_before(tmp_path: Path) -> None:
    folder, seen = tmp_path / "lora", set()
    run = Run(folder, None)
    for _ in range(3):
        write_run(folder, 5)
        write_sample(folder, 0, 0, "tok")
        found = told(run)
        seen.add((found["curve"]["version"], found["drawn"]["version"]))
        shutil.rmtree(folder)
        assert told(run)["run"]["status"] == "waiting"
    assert len({curve for curve, _ in seen}) == len({drawn for _, drawn in seen}) == 3


def test_a_run_whose_process_is_gone_has_stopped(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora")
    clock = [(folder / METRICS).stat().st_mtime]
    run = Run(folder, None, lambda: clock[0])
    assert status(run) == "running"
    clock[0] += 60  # nobody holds the lock, and nothing has been heard for a minute
    assert status(run) == "stopped"
    write_steps(folder, [41])
    os.utime(folder / METRICS, (clock[0], clock[0]))
    assert status(run) == "running"  # somebody goes on


def test_a_run_that_is_busy_for_long_has_not_stopped(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora")
    code = (
        "import sys; from hubtools.rooted import Root\n"
        "with Root(sys.argv[1]) as root, root.holding(sys.argv[2]):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), RUN_LOCK], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert held.stdout is not None
    assert held.stdout.readline()
    clock = [(folder / METRICS).stat().st_mtime + 600]
    run = Run(folder, None, lambda: clock[0])
    assert status(run) == "running"
    assert told(run)["run"]["last_word"] == pytest.approx(clock[0] - 600)
    held.communicate(timeout=120)
    assert status(run) == "stopped"


def test_samples_by_prompt_and_step(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora")
    for step in (0, 20):
        for prompt, text in enumerate(("tok", "a dog")):
            write_sample(folder, step, prompt, text)
    (folder / "samples" / "other.png").write_bytes(b"")
    run = Run(folder, None)
    found = told(run)["drawn"]
    assert [(one["name"], one["step"], one["prompt"]) for one in found["samples"]] == [
        ("p00_s0", 0, "tok"), ("p00_s0", 20, "tok"),
        ("p01_s0", 0, "a dog"), ("p01_s0", 20, "a dog"),
    ]  # fmt: skip
    assert told(run)["drawn"]["version"] == found["version"]
    write_sample(folder, 20, 1, "another dog")
    again = told(run)["drawn"]
    assert again["version"] > found["version"]
    assert again["samples"][3]["prompt"] == "another dog"


HUGE = (
    b'{"step": %d, "loss": 1e308, "loss_ema": 1e308, "grad_norm": 1, "lr": 1, "seconds": 1e308}\n'
)


@pytest.mark.parametrize(
    "junk",
    [
        b"[1]\n{}\nnull\n" + b"x" * 20_000,
        b'{"step": 1, "loss": NaN, "loss_ema": 1, "grad_norm": 1, "lr": 1, "seconds": 1}\n',
        b'{"step": 0, "validation_loss": 1e999}\n',
        HUGE % 1 + HUGE % 2,
        b"[" * 5000 + b"\n",
    ],
)
def test_whatever_the_files_hold_is_told_as_json(tmp_path: Path, junk: bytes) -> None:
    folder = write_run(tmp_path / "lora", 0)
    (folder / METRICS).write_bytes(junk)
    assert told(Run(folder, 1.0))["run"]["status"] in ("preparing", "running")


def test_a_damaged_run_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    run = Run(tmp_path, None)
    assert status(run) == "unreadable"
    assert "run.json is damaged" in told(run)["run"]["problem"]
    manifest().write(tmp_path)
    assert status(run) == "preparing"


def test_looking_writes_nothing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora")
    write_sample(folder, 0, 0, "tok")
    before = sorted(path.name for path in folder.rglob("*"))
    run = Run(folder, None, lambda: 9e9)
    assert status(run) == "stopped"
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_lock_can_be_asked_for(tmp_path: Path) -> None:
    with Root(tmp_path) as root:
        assert root.held("lock") is False
        assert not (tmp_path / "lock").exists()


def test_the_time_of_a_step_is_the_usual_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora", 0)
    log = MetricsLog(folder, 0)
    log.append([Metric(1, 1.0, 1.0, 1.0, 1e-4, 90.0)])
    log.append(metric(step, 0.25) for step in range(2, 30))
    assert told(Run(folder, None))["run"]["seconds_a_step"] == 0.25


def test_words_and_numbers_without_end_are_told_in_short(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lora", 3)
    settings = {f"a{number}": "x" * 100_000 for number in range(90)}
    manifest(steps=10**4000, train=settings).write(folder)
    write_sample(folder, 5, 0, "a")
    (record,) = (folder / "samples").glob("step*.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"prompt": "y" * 900_000}))
    found = told(Run(folder, 2.0))
    assert found["run"]["steps"] == 10**9
    assert len(found["drawn"]["samples"]) == 1
    assert len(json.dumps(found)) < 500_000
