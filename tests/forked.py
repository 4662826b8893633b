"""Python processes that a command starts, as forks of the process that has all imported.

What a library has read from its environment when it was imported is replaced by what it would read
now. That a fresh Python does the same is for one test to prove, of which each takes some seconds.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import forkserver

_LIBRARIES = ("huggingface_hub", "datasets", "diffusers", "transformers")
_READ = ("HF_ENDPOINT", "HF_HOME")  # when these are imported
_CODE = "import sys; from tests.forked import become; become(*sys.argv[1:])"


def run(
    words: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    capture_output: bool = False,
    **_: Any,
) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` of what `hubtools.interpreter.command` gives; stdout goes to our stderr
    unless it is asked for."""
    place = words.index("-c")
    what, *arguments = words[place + 3 :]
    process = forkserver.start(
        json.dumps(dict(env)), what, *arguments, cwd=Path(cwd or "."), code=_CODE, together=False
    )
    out, err = process.communicate()
    if not capture_output:
        sys.stderr.write(out + err)
    assert process.returncode is not None
    return subprocess.CompletedProcess(list(words), process.returncode, out, err)


def become(environ: str, what: str, *arguments: str) -> None:
    """Run a module or a script with this environment, in a process that is a fork."""
    before = {name: os.environ.get(name, "") for name in _READ}
    os.environ.clear()
    os.environ.update(json.loads(environ))
    for name, old in before.items():
        _replace(old.rstrip("/"), os.environ[name])
    sys.argv = [what, *arguments]
    if what.endswith(".py"):
        runpy.run_path(what, run_name="__main__")
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)


def _replace(old: str, new: str) -> None:
    assert old
    places: list[Any] = [
        vars(module)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in _LIBRARIES and module is not None
    ]
    places += [vars(sys.modules["huggingface_hub"].hf_api.api)]  # type: ignore[attr-defined]
    for values in places:
        for name, value in list(values.items()):
            if isinstance(value, str | Path) and old in str(value):
                values[name] = type(value)(str(value).replace(old, new))
