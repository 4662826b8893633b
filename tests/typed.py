"""A command as typed, without a process of its own, which takes a second to start.

The same function answers that the `hubtools` command calls. Where a test is about the process
itself (signals, pipes, what gets imported), it starts one.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _place(cwd: Path | None, environ: dict[str, str]) -> Iterator[None]:
    before, place = dict(os.environ), Path.cwd()
    os.environ |= environ
    try:
        if cwd is not None:
            os.chdir(cwd)
        yield
    finally:
        os.chdir(place)
        now = dict(os.environ)
        for name in now.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items() - now.items():
            os.environ[name] = value


def typed(
    *words: str | Path, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run `hubtools WORDS` in `cwd` with these variables; nobody sits at a terminal."""
    from hubtools.cli.main import run

    arguments = [str(word) for word in words]
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before = sys.stdin
    with (
        _place(cwd, environ),
        open(os.devnull) as nobody,  # noqa: PTH123
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        sys.stdin = nobody
        try:
            code = run(arguments)
        finally:
            sys.stdin = before
    said, told = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, said, told)
