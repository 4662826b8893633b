"""The `hubtools` command in processes of their own that do not import PyTorch and diffusers again.

A process that waits has imported them once, and forks for each command: that is a process as any
other (signals, output, environment, working directory, exit code), without the seconds of imports
before it begins. The Hub's client reads its environment when it is imported: where a test changes
one of those variables, or asks what is imported, it starts Python anew.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from tests.flushing import ask_again_soon, hurry

ROOT = Path(__file__).parents[1]


class Process:
    """A command that was started."""

    def __init__(self, pid: int, status: int, out: Any, err: Any) -> None:
        self.pid, self._status, self._out, self._err = pid, status, out, err
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code (negative: the signal) if it has ended."""
        return self._ended(wait=False)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self._ended(wait=True)
        assert code is not None
        return code

    def _ended(self, wait: bool) -> int | None:
        if self.returncode is None:
            os.set_blocking(self._status, wait)
            with contextlib.suppress(BlockingIOError):
                code, seconds = os.read(self._status, 40).split()
                self.returncode = os.waitstatus_to_exitcode(int(code))
                os.close(self._status)
                _spent.append(float(seconds))
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def communicate(self) -> tuple[str, str]:
        """(stdout, stderr), once it has ended; all is in stdout if they were one."""
        self.wait()
        return self.said()

    def said(self) -> tuple[str, str]:
        """(stdout, stderr) as of now."""
        return _text(self._out), _text(self._err) if self._err is not self._out else ""


def _text(file: Any) -> str:
    found = os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
    return found.decode("utf-8")


class _Server:
    """The process that waits; one for each process of tests."""

    def __init__(self, fork: bool) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        if fork:
            if os.fork() == 0:
                ours.close()
                _branch(theirs.detach())
        else:
            code = f"from tests.forkserver import begin; begin({theirs.fileno()})"
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        theirs.close()

    def start(self, request: dict[str, Any], out: Any, err: Any) -> Process:
        status, written = os.pipe()
        with tempfile.TemporaryFile() as asked:
            asked.write(json.dumps(request).encode())
            asked.flush()
            asked.seek(0)
            files = [asked.fileno(), out.fileno(), err.fileno(), written]
            socket.send_fds(self._socket, [b"!"], files)
            os.close(written)
            pid = b""
            while not pid.endswith(b"\n") and (more := os.read(status, 1)):
                pid += more
        assert pid, "the process that forks has ended"
        return Process(int(pid), status, out, err)


_server: _Server | None = None
_spent: list[float] = []


def spent() -> float:
    """Seconds of processor time that the processes needed that have ended."""
    return sum(_spent)


def branch() -> None:
    """Fork the process that waits from this one, which has called `import_all` and has no threads,
    rather than start one when the first command is asked for."""
    global _server
    _server = _Server(fork=True)


def start(
    *words: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    together: bool = True,
    dies: dict[str, Any] | None = None,
    code: str | None = None,
) -> Process:
    """Start `hubtools WORDS`, or `python -c CODE WORDS`, with `env` added to the environment;
    stderr goes to stdout if `together`. `dies` is for tests.doomed."""
    global _server
    changed = [name for name in env or () if name.startswith("HF_")]
    assert not changed, f"{changed} are read when the client is imported"
    if _server is None:
        _server = _Server(fork=False)
    out = tempfile.TemporaryFile()  # noqa: SIM115
    err = out if together else tempfile.TemporaryFile()  # noqa: SIM115
    request = {
        "words": [str(word) for word in words],
        "cwd": str(cwd or Path.cwd()),
        "environ": os.environ | dict(env or {}),
        "dies": dies,
        "code": code,
    }
    return _server.start(request, out, err)


def call(
    *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run `hubtools WORDS` (or `code`) to its end."""
    process = start(*words, cwd=cwd, env=env, together=False, **more)
    out, err = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess([str(w) for w in words], process.returncode, out, err)


# --- in the process that waits ---------------------------------------------------------------


def begin(number: int) -> None:
    """As a process of its own."""
    from hubtools.quiet import hush

    sys.path[:] = [str(ROOT), *(place for place in sys.path if place)]
    hurry()
    hush()
    import_all()
    gc.collect()
    gc.freeze()  # of no interest to the collections of garbage in what is forked
    _serve(number)


def _branch(number: int) -> NoReturn:
    """As a copy of a process of tests, of which nothing but its modules is left."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        os.closerange(3, number)
        os.closerange(number + 1, os.sysconf("SC_OPEN_MAX"))
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=stream is sys.stderr)
        logging.getLogger().handlers.clear()  # those of pytest
        log_to_stderr()
        sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
        threading.excepthook = threading.__excepthook__
        sys.path[:] = [str(ROOT), *(place for place in sys.path if place)]
        _hush()
        _serve(number)
        code = 0
    finally:
        os._exit(code)


def log_to_stderr() -> None:
    """Handlers of logs that took stderr when they were imported take the one of now."""
    for known in logging._handlerList:  # type: ignore[attr-defined]
        handler = known()
        if type(handler) is logging.StreamHandler:
            handler.stream = sys.stderr  # setStream() flushes the one before, which is closed
            vars(handler).pop("flush", None)  # of the one before, in transformers'


def _hush() -> None:
    """What `hush` does if it is called before the libraries are imported."""
    if "diffusers" not in sys.modules:
        return
    import diffusers.utils.logging
    import transformers.utils.logging

    from hubtools.quiet import hush

    hush()
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()


def _serve(number: int) -> None:
    """Fork for each request that comes, and tell how what was forked ends, until nobody can ask
    any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    ask_again_soon()
    running: dict[int, int] = {}  # number of a process -> where to tell how it ended
    with socket.socket(fileno=number) as requests:
        while True:
            ready, _, _ = select.select([requests, woken], [], [])
            if woken in ready:
                os.read(woken, 4096)
                _tell_ended(running)
            if requests not in ready:
                continue
            message, files, _, _ = socket.recv_fds(requests, 1, 4)
            if not message:
                return
            asked, out, err, status = files
            child = os.fork()
            if not child:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                requests.close()
                for other in (woken, wake, status, *running.values()):
                    os.close(other)
                _begin(asked, out, err)
            os.write(status, f"{child}\n".encode())
            running[child] = status
            for file in (asked, out, err):
                os.close(file)


def _tell_ended(running: dict[int, int]) -> None:
    """Write the exit status and the seconds of each process that has ended where it was asked for;
    nobody may read it any more."""
    while running:
        child, code, used = os.wait4(-1, os.WNOHANG)
        if not child:
            return
        status = running.pop(child)
        with contextlib.suppress(BrokenPipeError):
            os.write(status, f"{code} {used.ru_utime + used.ru_stime}".encode())
        os.close(status)


def import_all() -> None:
    """What any command needs; with all that a first use of it makes ready."""
    import diffusers
    import peft.tuners.lora
    import safetensors.torch
    import torch._dynamo
    import torch.library
    import transformers
    from huggingface_hub import HfApi
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import hubtools.cli.ship
    import hubtools.inference.generate
    import hubtools.training.run
    import hubtools.training.train

    used = (diffusers.StableDiffusionPipeline, diffusers.DDPMScheduler, HfApi)
    used += (transformers.CLIPTextModel, transformers.CLIPTokenizer)
    assert all(used)
    assert torch._dynamo
    assert peft.tuners.lora
    assert safetensors.torch
    assert hubtools
    get_checkpoint_conversion_mapping("clip_text_model")  # compiles a thousand patterns, once
    for name in _NEED_TORCH:
        importlib.import_module(name)
    _warm_up()
    # At its end a process would take apart what torch registered, which writes to 28 MB that are
    # shared with the process that waits: that takes longer than most commands.
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        called = finalizer.peek()
        if called is not None and called[1].__module__ == torch.library.__name__:
            finalizer.atexit = False


_NEED_TORCH = ("hubtools.tinypeople.classifier", "hubtools.vision.efficientnet")


def import_plain() -> None:
    """What a command needs that computes nothing: a process without PyTorch is forked, and ends, in
    a third of the time."""
    from huggingface_hub import HfApi

    assert HfApi
    _warm_up()
    assert "torch" not in sys.modules


def _warm_up() -> None:
    """Import the rest of hubtools, and judge a picture: the patterns, the formats of Pillow and the
    tokenizer that are made ready for that take each command longer than its work."""
    import hubtools
    from hubtools.dataset.validate import validate
    from hubtools.settings import DatasetSettings
    from tests.drawing import write_pictures

    for module in pkgutil.walk_packages(hubtools.__path__, "hubtools."):
        if not module.name.endswith("__main__") and module.name not in _NEED_TORCH:
            importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as folder:
        validate(write_pictures(Path(folder) / "set", 1), DatasetSettings(), resolution=64)
    assert threading.active_count() == 1  # a fork would lose them


def _begin(asked: int, out: int, err: int) -> NoReturn:
    with os.fdopen(asked) as file:
        request = json.load(file)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    _become(request)


def _become(request: dict[str, Any]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ |= request["environ"]
    os.chdir(request["cwd"])
    code = request["code"]
    sys.argv = ["-c" if code else "hubtools", *request["words"]]
    if request["dies"]:
        from tests.doomed import watch_for

        watch_for(**request["dies"])
    try:
        if code:
            main = types.ModuleType("__main__")
            sys.modules["__main__"] = main
            exec(compile(code, "<string>", "exec"), vars(main))  # noqa: S102
            sys.exit()
        from hubtools.cli.main import main as hubtools

        hubtools()
    except SystemExit as left:
        if not isinstance(left.code, int | None):
            raise
        _leave(left.code or 0)


def _leave(code: int) -> NoReturn:
    """End as Python ends, but for taking apart all that was imported: that writes to all memory
    that is shared with the process that waits, and takes longer than most commands."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)
