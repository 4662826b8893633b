"""What a job finds where it runs: folders and an environment of its own, and the programs that the
images of the Hub bring (`uv`, `python`), which here are this interpreter."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

from hubtools.interpreter import command

# Variables of the Hub's own environment that say how this machine is to be used, not who uses it.
_SHARED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "OMP_NUM_THREADS", "LD_LIBRARY_PATH",
           "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE")  # fmt: skip

# `uv run [options] script [arguments]`, without looking for packages: they are taken to be there.
_UV = """
import json, os, sys, tempfile, urllib.request
PREFIX = json.loads({prefix!r})
VALUED = ("--with", "--python", "-p", "--with-requirements", "--index", "--index-url",
          "--extra-index-url", "--env-file", "--directory")
words = sys.argv[1:]
while words and words[0] != "run" and words[0].startswith("-"):
    words.pop(0)
if words[:1] != ["run"]:
    sys.exit("This Hub's uv knows `uv run` only.")
words.pop(0)
while words and words[0].startswith("-") and words[0] != "-":
    word = words.pop(0)
    if word == "--":
        break
    if word in VALUED and words:
        words.pop(0)
if not words:
    sys.exit("uv run: nothing to run")
what = words.pop(0)
if what == "-" or what.startswith(("http://", "https://")):
    if what == "-":
        data = sys.stdin.buffer.read()
    else:
        with urllib.request.urlopen(what, timeout=60) as answer:
            data = answer.read()
    number, what = tempfile.mkstemp(suffix=".py")
    with os.fdopen(number, "wb") as file:
        file.write(data)
if what in ("python", "python3"):
    os.execv(sys.executable, [sys.executable, *words])
if what.endswith(".py"):
    os.execv(PREFIX[0], [*PREFIX, what, *words])
try:
    os.execvp(what, [what, *words])
except OSError as error:
    sys.exit(f"uv run: {{what}}: {{error.strerror}}")
"""


def lay_out(folder: Path, url: str) -> dict[str, str]:
    """Make a job's folders and programs in an empty `folder`; its environment. `url`: the Hub's."""
    for name in ("work", "home", "tmp", "bin"):
        (folder / name).mkdir()
    tool = folder / "bin" / "uv.py"
    tool.write_text(_UV.format(prefix=json.dumps(command("")[:-1])), encoding="utf-8")
    _program(folder / "bin" / "uv", "-I", str(tool))
    for name in ("python", "python3"):
        _program(folder / "bin" / name)
    paths = [str(folder / "bin"), os.environ.get("PATH", os.defpath)]
    return {name: os.environ[name] for name in _SHARED if name in os.environ} | {
        "PATH": os.pathsep.join(paths),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "HF_HOME": str(folder / "home" / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _program(path: Path, *words: str) -> None:
    """A program that is this interpreter with `words` first."""
    called = " ".join(map(shlex.quote, (sys.executable, *words)))
    path.write_text(f'#!/bin/sh\nexec {called} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
