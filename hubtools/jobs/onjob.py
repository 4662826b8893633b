"""What a job does: the run so far is brought from the Hub, trained on, and sent back.

The script that `train --remote` writes calls `main`. States go to the run's pull request as they
are saved, and the training is stopped shortly before the job's time is over, so that a further job
goes on where this one stopped.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from hubtools.errors import ExitCode
from hubtools.hub.client import remote_files
from hubtools.hub.commit import Repository, addition, deletion
from hubtools.hub.errors import as_sentence
from hubtools.hub.xet import sending
from hubtools.interpreter import command
from hubtools.jobs.place import Place, belongs, bring, open_place, state_of
from hubtools.layout import PROJECT_FILE
from hubtools.project import load_project
from hubtools.rooted import Root

STARTED = "HUBTOOLS_JOB_STARTED"  # seconds since 1970, set before packages are installed
_SEND = 600.0  # seconds between two states that are sent
_LOOK = 1.0  # seconds between two looks at the training
_GRACE = 6.0  # seconds that a training has which is to end at once
_LAST = 300.0  # seconds at the end of a job's time, for saving and sending; a fifth at most


def main(settings: str, *, repo: str, pr: int | None, processes: int, seconds: int) -> NoReturn:
    """Train as `settings` (a hubtools.toml) say, with so many processes, within `seconds`, and
    leave the run in the pull request `pr` of `repo` (None: a new one). Ends the process."""
    try:
        code = _job(settings, repo, pr, processes, seconds)
    except Exception as error:
        told = as_sentence(error)
        if told is None:
            raise
        print(f"Error: {told.message}", flush=True)
        code = ExitCode.ERROR
    sys.exit(code)


def _job(settings: str, repo: str, pr: int | None, processes: int, seconds: int) -> int:
    begun = float(os.environ.get(STARTED) or time.time())
    home = Path("hubtools-run").absolute()
    home.mkdir(exist_ok=True)
    (home / PROJECT_FILE).write_text(settings, encoding="utf-8")
    run_dir = load_project(home).run_dir
    place = Place(repo, pr) if pr is not None else open_place(repo, f"Run of {run_dir.name}")
    print(f"The run is kept in pull request {place.pr} of {repo}.", flush=True)
    with Root(run_dir, create=True) as root:
        _, number = bring(place, root, states=True)
    if number:
        print(f"Going on with what it holds, {number} files.", flush=True)
    sender = Sender(place, run_dir)
    last = min(_LAST, seconds / 5)
    end = begun + seconds - last
    training = Training(_words(home, processes), sender, lambda: time.time() > end, last / 2)
    code = training.run()
    sender.send("The finished run" if code == 0 else "The run so far", finished=code == 0)
    print(f"Sent to pull request {place.pr} of {repo}.", flush=True)
    return code


class Training:
    """The training as a process (`words`), which is asked to end once `over` says so, and is ended
    if it has not within `patience` seconds: what it has saved by then is still to be sent."""

    def __init__(
        self, words: list[str], sender: Sender, over: Callable[[], bool], patience: float
    ) -> None:
        self._words, self._sender, self._over = words, sender, over
        self._patience = patience
        self._told = False  # somebody ends the job
        self._sent = time.monotonic()

    def run(self) -> int:
        """Its exit code, once it is over."""
        before = signal.signal(signal.SIGTERM, self._on_signal)
        environ = os.environ | {"NO_COLOR": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        try:
            # what it would tell a person to do next is not for this machine
            self._process = subprocess.Popen(self._words, env=environ, stdout=subprocess.DEVNULL)
            return self._watched()
        finally:
            signal.signal(signal.SIGTERM, before)

    def _on_signal(self, number: int, frame: object) -> None:
        self._told = True

    def _watched(self) -> int:
        stopped: float | None = None
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_LOOK)
            if self._told:
                return self._ended_now()
            if stopped is None and self._over():
                print("The job's time is nearly over: the training is stopped.", flush=True)
                self._process.terminate()  # it saves its state
                stopped = time.monotonic()
            elif stopped is not None and time.monotonic() > stopped + self._patience:
                print("The training does not stop: it is ended.", flush=True)
                self._process.kill()
            if time.monotonic() > self._sent + _SEND and self._sender.has_news():
                self._send_state()

    def _ended_now(self) -> int:
        """The training was told too where the signal went to all processes of the job, and a second
        signal would have it save nothing."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(_GRACE)
        self._process.kill()
        return self._process.wait()

    def _send_state(self) -> None:
        self._sent = time.monotonic()
        try:
            self._sender.send("The run so far", finished=False)
        except Exception as error:  # the training is worth more than this copy of it
            told = as_sentence(error)
            if told is None:
                raise
            print(f"Warning: the state was not sent: {told.message}", flush=True)


def _words(home: Path, processes: int) -> list[str]:
    train = ["train", "--project", str(home), "--trust-state", "--skip-validation"]
    train += ["--format", "json"]
    if processes == 1:
        return command("hubtools", *train)
    several = ["--standalone", f"--nproc-per-node={processes}", "-m", "hubtools"]
    return command("torch.distributed.run", *several, *train)


class Sender:
    """Sends what is new in a run folder, with its newest state; what went is taken away there."""

    def __init__(self, place: Place, run_dir: Path) -> None:
        self._place, self._run_dir = place, run_dir
        there = remote_files(place.repo, "model", place.ref)
        self._there = {name for name in there if belongs(name)}
        self._sent: dict[str, tuple[int, int]] = {}
        self._state: str | None = None

    def has_news(self) -> bool:
        """Whether there is a state that was not sent."""
        return self._newest(self._now()) not in (None, self._state)

    def send(self, message: str, *, finished: bool) -> None:
        """One commit of all that changed; states of a `finished` run are taken away. Raises what
        the Hub's client raises."""
        now = self._now()
        newest = None if finished else self._newest(now)
        kept = {name: mark for name, mark in now.items() if state_of(name) in (None, newest)}
        new = [name for name, mark in kept.items() if self._sent.get(name) != mark]
        gone = sorted(self._there - kept.keys())
        if not new and not gone:
            return
        repository = Repository(self._place.repo, "model")
        with (
            tempfile.TemporaryDirectory(dir=self._run_dir.parent, prefix=".out-") as box,
            sending(),
        ):
            copies = {name: path for name in new if (path := self._copy(name, Path(box)))}
            changes = [addition(name, str(path))[0] for name, path in copies.items()]
            changes += [deletion(name) for name in gone]
            repository.commit(changes, commit_message=message, revision=self._place.ref)
        self._there = (self._there - set(gone)) | copies.keys()
        self._sent |= {name: kept[name] for name in copies}
        self._state = newest

    def _now(self) -> dict[str, tuple[int, int]]:
        with Root(self._run_dir) as root:
            return {
                name: (facts.st_size, facts.st_mtime_ns)
                for name, facts in root.walk()
                if belongs(name) and stat.S_ISREG(facts.st_mode)
            }

    def _newest(self, names: Iterable[str]) -> str | None:
        return max(filter(None, map(state_of, names)), default=None)

    def _copy(self, name: str, box: Path) -> Path | None:
        """The file as it is now, wherever the training puts another in its place; None if it has
        taken it away."""
        source, target = self._run_dir / name, box / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if name.endswith(".safetensors"):  # never written to again, and large
                with suppress(OSError):
                    os.link(source, target)
                    return target
            shutil.copyfile(source, target)
        except FileNotFoundError:
            return None
        return target


__all__ = ["STARTED", "Sender", "Training", "main"]
