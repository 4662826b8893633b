"""Logs of jobs of the embedded Hub: what they take of its memory, and what they do not tell."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hubtools.localhub import jobs
from hubtools.localhub.jobs import Job, Jobs, Spec, _read

SECRET = "hf_which_nobody_is_told"


def job(number: int = 0) -> Job:
    spec = Spec("image", ("true",), (), {}, {"HF_TOKEN": SECRET}, "cpu-basic", 60, {})
    return Job(f"{number:024x}", "me", "me", spec)


def test_lines_of_nothing_take_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_LOG", 20_000)
    one = job()
    for _ in range(5000):
        one.say("")
    assert len(one.log) < 200
    assert one.log[-1][1] == "... (the rest of the log is not kept)"


def test_all_logs_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_LOGS", 2000)
    there = Jobs(1)
    for number in range(4):
        one = job(number)
        one.say("x" * 1000)
        one.stage = "COMPLETED"
        there._jobs[one.id] = one
    there._forget()
    kept = [one.log[0][1].startswith("x") for one in there._jobs.values()]
    assert kept == [False, False, False, True]


@pytest.mark.parametrize("before", [65_536 - 3, 65_536 - len(SECRET), 65_536, 70_000])
def test_a_secret_in_a_line_that_is_cut(before: int) -> None:
    one = job()
    code = f"print('x' * {before} + {SECRET!r} + 'y' * 200_000); print({SECRET!r}); print('end')"
    one.process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    _read(one)
    one.process.wait()
    lines = [line for _, line in one.log]
    assert lines[1:] == ["***", "end"]
    assert set(lines[0]) <= set("x*... (the rest of the line is not kept)")
    assert not any(SECRET[:4] in line for line in lines)
