"""Jobs as processes of this machine: a queue, their stages and logs, and their end.

A Hub runs none unless it was started with that permission. Each is a group of processes with a
folder, a home and an environment of its own; a keeper stands between it and the Hub, and kills the
group when the Hub is gone, however it went. What a job is given (`uv`, `python`) is this Hub's own
interpreter: the packages that a script asks `uv` for are taken to be installed. Jobs, their logs
and their secrets are in memory only, and forgotten when the Hub stops.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hubtools.errors import UsageError
from hubtools.interpreter import code
from hubtools.localhub.jobtools import lay_out
from hubtools.localhub.problems import Problem
from hubtools.programs import program

DONE = ("COMPLETED", "ERROR", "CANCELED")
MOST = 16  # jobs at a time that a Hub may be allowed
_WAITING = 50  # jobs that wait for their turn
_KEPT = 200  # jobs that are remembered
_LOG = 8 << 20  # bytes of a job's log in memory
_LOGS = 64 << 20  # of all; those of jobs that ended first go
_OF_LINE = 160  # bytes that a line takes beside its letters
_LINE = 1 << 16  # bytes of one of its lines
_GRACE = 10.0  # seconds between being asked to end and being killed
_MASKED = 6  # characters from which on a secret is taken out of the log

# The job, in a group with this process. Whoever started it holds the other end of its standard
# input, and that is closed when they end.
_KEEPER = """
import os, signal, subprocess, sys, threading
signal.signal(signal.SIGTERM, lambda *_: None)
def watch():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
try:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
except OSError as error:
    print(f"{sys.argv[1]}: {error.strerror}", flush=True)
    sys.exit(127)
code = child.wait()
sys.exit(128 - code if code < 0 else code)
"""


@dataclass(frozen=True)
class Spec:
    """What somebody asks for. `timeout` in seconds."""

    image: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    flavor: str
    timeout: int
    labels: Mapping[str, str]


@dataclass(eq=False)
class Job:
    """A job and how it went. `log`: (moment, line) of its output, without its secrets."""

    id: str
    namespace: str
    user: str
    spec: Spec
    stage: str = "SCHEDULING"
    message: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    finished: datetime | None = None
    log: list[tuple[datetime, str]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ending: tuple[str, str | None] | None = None  # the stage and message that an end by us has
    logged: int = 0  # bytes

    @property
    def is_done(self) -> bool:
        """True once nothing of it runs any more."""
        return self.stage in DONE

    def say(self, line: str) -> None:
        """Add a line to its log, unless that is full."""
        for secret in self.spec.secrets.values():
            if len(secret) >= _MASKED:
                line = line.replace(secret, "***")
        if self.logged > _LOG:
            return
        self.logged += len(line.encode()) + _OF_LINE
        if self.logged > _LOG:
            line = "... (the rest of the log is not kept)"
        self.log.append((datetime.now(UTC), line))

    def drop_log(self) -> None:
        """Let go of the memory of its log."""
        self.log = [(datetime.now(UTC), "... (this log is not kept any more)")]
        self.logged = 0

    def shown(self) -> dict[str, Any]:
        """As the API answers it: its secrets are not told."""
        now = self.finished or datetime.now(UTC)
        owner = {"id": self.namespace, "name": self.namespace, "type": "user"}
        return {
            "id": self.id,
            "createdAt": _stamp(self.created),
            "startedAt": _stamp(self.started),
            "finishedAt": _stamp(self.finished),
            "dockerImage": self.spec.image,
            "spaceId": None,
            "command": list(self.spec.command),
            "arguments": list(self.spec.arguments),
            "environment": dict(self.spec.environment),
            "secrets": {},
            "flavor": self.spec.flavor,
            "labels": dict(self.labels),
            "timeout": self.spec.timeout,
            "status": {"stage": self.stage, "message": self.message},
            "durations": {
                "schedulingSecs": _seconds(self.created, self.started),
                "runningSecs": _seconds(self.started, now if self.started else None),
                "totalSecs": _seconds(self.created, now),
            },
            "owner": owner if self.namespace == self.user else owner | {"type": "org"},
            "initiator": {"type": "user", "id": self.user, "name": self.user},
        }


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _seconds(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else int((end - start).total_seconds())


class Jobs:
    """The jobs of a Hub, of which `at_once` run at a time. Raises `UsageError` for a number that
    cannot be, and where processes have no groups (Windows)."""

    def __init__(self, at_once: int) -> None:
        if not 1 <= at_once <= MOST:
            raise UsageError(f"--jobs {at_once} cannot be: 1 to {MOST} jobs at a time, 0 for none.")
        if not hasattr(os, "killpg"):
            raise UsageError(
                "The embedded Hub runs no jobs on this system.",
                hint="use it without --jobs, or on Linux or macOS",
                code="not-supported",
            )
        self.at_once = at_once
        self.url = ""
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(self, namespace: str, user: str, spec: Spec) -> Job:
        """A new job; it begins when it is its turn. Raises `Problem` 429 if too many wait."""
        with self._changed:
            if len(self._waiting) >= _WAITING or self._closed:
                raise Problem(429, f"{_WAITING} jobs are waiting already.")
            job = Job(secrets.token_hex(12), namespace, user, spec, labels=dict(spec.labels))
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._forget()
            self._start_next()
        return job

    def find(self, namespace: str, key: str) -> Job | None:
        """That job; None if there is none."""
        job = self._jobs.get(key)
        return job if job is not None and job.namespace == namespace else None

    def of(self, namespace: str) -> list[Job]:
        """All of a namespace, the newest first."""
        with self._changed:
            return [j for j in reversed(self._jobs.values()) if j.namespace == namespace]

    def cancel(self, job: Job) -> None:
        """End a job that waits or runs; its processes have ten seconds to do it themselves."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "CANCELED", None)
            elif job.ending is None and not job.is_done:
                self._ask_to_end(job, "CANCELED", None)

    def close(self) -> None:
        """Kill all that runs, and wait until it is gone."""
        with self._changed:
            self._closed = True
            for job in self._waiting:
                self._end(job, "CANCELED", "The Hub has stopped.")
            self._waiting.clear()
            for job in self._jobs.values():
                if job.process is not None and not job.is_done:
                    job.ending = ("ERROR", "The Hub has stopped.")
                    _signal(job.process, signal.SIGKILL)
            self._changed.wait_for(lambda: self._running == 0, timeout=_GRACE)

    # --- while the lock is held -------------------------------------------------------------------

    def _forget(self) -> None:
        done = [job for job in self._jobs.values() if job.is_done]
        held = sum(job.logged for job in self._jobs.values())
        for job in done:
            if held <= _LOGS:
                break
            held -= job.logged
            job.drop_log()
        for job in done[: max(0, len(self._jobs) - _KEPT)]:
            del self._jobs[job.id]

    def _start_next(self) -> None:
        while self._waiting and self._running < self.at_once and not self._closed:
            job = self._waiting.popleft()
            self._running += 1
            threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _end(self, job: Job, stage: str, message: str | None) -> None:
        job.finished = datetime.now(UTC)
        job.message = message
        job.stage = stage
        self._changed.notify_all()

    def _ask_to_end(self, job: Job, stage: str, message: str | None) -> None:
        job.ending = (stage, message)
        if job.process is None:  # it is just being started, and looks at this then
            return
        _signal(job.process, signal.SIGTERM)
        later = threading.Timer(_GRACE, _signal, (job.process, signal.SIGKILL))
        later.daemon = True
        later.start()

    # --- in a thread of the job's own -------------------------------------------------------------

    def _run(self, job: Job) -> None:
        folder = Path(tempfile.mkdtemp(prefix="hubtools-job-"))
        try:
            stage, message = self._outcome(job, folder)
        except Exception as error:  # else it, and all behind it, would wait for ever
            said = getattr(error, "strerror", None) or error
            stage, message = "ERROR", f"The job could not be started: {said}."
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        with self._changed:
            self._running -= 1
            self._end(job, stage, message)
            self._start_next()

    def _outcome(self, job: Job, folder: Path) -> tuple[str, str | None]:
        environ = lay_out(folder, self.url)
        environ |= {**job.spec.environment, **job.spec.secrets}
        environ |= {"JOB_ID": job.id, "ACCELERATOR": job.spec.flavor}
        words = [*job.spec.command, *job.spec.arguments]
        # the keeper looks for the command where the job would
        words[0] = program(words[0], environ["PATH"]) or words[0]
        with self._changed:
            if job.ending is not None or self._closed:
                return job.ending or ("ERROR", "The Hub has stopped.")
            job.started = datetime.now(UTC)
            job.process = subprocess.Popen(
                code(_KEEPER, *words),
                cwd=folder / "work",
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            job.stage = "RUNNING"
            job.say(f"===== Job started at {job.started:%Y-%m-%d %H:%M:%S} =====")
        reader = threading.Thread(target=_read, args=(job,), daemon=True)
        reader.start()
        try:
            result = job.process.wait(job.spec.timeout)
        except subprocess.TimeoutExpired:
            with self._changed:
                if job.ending is None:
                    self._ask_to_end(job, "ERROR", "Job timeout")
            result = job.process.wait()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(job.process.pid, signal.SIGKILL)  # what it has left behind
        reader.join(timeout=5)
        assert job.process.stdin is not None
        job.process.stdin.close()
        return _how(job, result)


def _how(job: Job, code: int) -> tuple[str, str | None]:
    """(stage, message) of a job whose processes have ended with this exit code."""
    if job.ending is not None:
        return job.ending
    if code == 0:
        return "COMPLETED", None
    return "ERROR", f"Job failed with exit code: {code}."


def _read(job: Job) -> None:
    """Move the output of a job into its log."""
    assert job.process is not None
    assert job.process.stdout is not None
    with job.process.stdout as output:
        # what is cut off may end within a secret, and then no longer looks like one
        longest = max((len(one.encode()) for one in job.spec.secrets.values()), default=0)
        cut = False
        while line := output.readline(_LINE):
            goes_on = not line.endswith(b"\n") and len(line) == _LINE
            if not cut:
                said = line[: max(0, len(line) - longest)] if goes_on else line
                text = said.decode("utf-8", "replace").rstrip("\r\n")
                job.say(f"{text}... (the rest of the line is not kept)" if goes_on else text)
            cut = goes_on


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a job's processes, as long as the first of them was not waited for."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def moments(log: Sequence[tuple[datetime, str]]) -> list[dict[str, str]]:
    """Lines of a log as events of its stream."""
    return [{"timestamp": str(_stamp(moment)), "data": line} for moment, line in log]
