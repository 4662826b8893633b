"""Other Python processes, and where modules may come from: never from the folder one stands in.

Python looks for modules in the working directory first (`-m`, `-c`), beside a script, and wherever
PYTHONPATH leads, and a folder of pictures may hold a `torch.py`. So every child starts isolated
(`-I`: no working directory, no PYTHON* variables) and gets the caller's own list of places, without
the working directory. Only `os` and `sys` are imported here: the list is cleaned before all else.
"""

import os
import sys

_PLACES = "import sys, json; sys.path[:] = json.loads(sys.argv[1])"
_STARTER = (
    f"{_PLACES}; import runpy; del sys.argv[:2]; what = sys.argv[0];"
    " runpy.run_path(what, run_name='__main__') if what.endswith('.py')"
    " else runpy.run_module(what, run_name='__main__', alter_sys=True)"
)
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # where hubtools lies


def command(what: str, *arguments: str) -> list[str]:
    """The command line that runs a module (`hubtools`) or a script (a path that ends in `.py`) with
    `arguments` in an interpreter of its own."""
    return code(_STARTER, _as_json(places()), what, *arguments)


def importing(module: str) -> list[str]:
    """The command line that imports a module and does nothing else."""
    return code(f"{_PLACES}; import {module}", _as_json(places()))


def code(program: str, *arguments: str) -> list[str]:
    """The command line that runs Python source. It finds installed packages only, unless it puts
    `places` into `sys.path` itself."""
    flags = ["-I"]  # what PYTHON* variables would have said, as far as it matters
    if sys.flags.utf8_mode:
        flags += ["-X", "utf8"]
    if sys.dont_write_bytecode:
        flags.append("-B")
    return [sys.executable, *flags, "-c", program, *arguments]


def places() -> list[str]:
    """`sys.path` without the working directory and without names that depend on it; where hubtools
    lies comes last if it was among them."""
    found = [place for place in sys.path if not _is_here(place)]
    return found if _HERE in found else [*found, _HERE]


# What a process needs of the environment to start, to find its libraries and to write.
_NEEDED = ("PATH", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "HOME")


def plain_environment() -> dict[str, str]:
    """The environment of this process without what a person keeps in it: tokens, keys, settings.
    For a process that works on what a stranger wrote and needs none of them."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _NEEDED or name.startswith(("LC_", "PYTHON"))
    }


def leave_here() -> None:
    """Take the working directory out of `sys.path`, for this process."""
    sys.path[:] = [place for place in sys.path if not _is_here(place)]


def guard_children() -> None:
    """Set the environment so that Python processes which libraries start (of `multiprocessing`, of
    a compiler) do not look into the working directory either, nor the system for programs that they
    start by name (a browser, a compiler)."""
    os.environ["PYTHONSAFEPATH"] = "1"
    guard_programs()
    listed = os.environ.get("PYTHONPATH")
    if listed is not None:
        kept = [place for place in listed.split(os.pathsep) if os.path.isabs(place)]
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
        if not kept:
            del os.environ["PYTHONPATH"]


def guard_programs() -> None:
    """Set the environment so that a program that a library starts by its name (a compiler) is not
    looked for in the working directory, nor where a relative folder in PATH leads."""
    os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"
    # where nothing is left, those of the system, which begin with the working directory on Windows
    os.environ["PATH"] = _absolute(os.environ.get("PATH", "")) or _absolute(os.defpath)


def is_program() -> bool:
    """True in a process that is `hubtools` itself: the script, or `python -m hubtools` (whose first
    argument is `-m` as long as Python looks for what to run)."""
    first = sys.argv[0] if sys.argv else ""
    if first == "-m":
        words = [word.removeprefix("-m") for word in sys.orig_argv[1:]]
        return any(word == "hubtools" or word.startswith("hubtools.") for word in words)
    return os.path.basename(first).startswith(("hubtools", "hf-hubtools"))


def _is_here(place: str) -> bool:
    """True for the working directory, unless PYTHONPATH names it in full or packages are installed
    there."""
    if not os.path.isabs(place):
        return True
    try:
        if os.path.realpath(place) != os.path.realpath(os.getcwd()):
            return False
    except OSError:  # the working directory is gone
        return False
    said = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return place not in (*said, os.path.dirname(os.__file__)) and (
        os.path.basename(place) not in ("site-packages", "dist-packages", "lib-dynload")
    )


def _as_json(names: list[str]) -> str:
    import json

    return json.dumps(names)


def _absolute(folders: str) -> str:
    """Those of the folders, written as in PATH, that are the same from wherever one looks."""
    named = folders.split(os.pathsep)
    return os.pathsep.join(folder for folder in named if os.path.isabs(folder.strip('"')))
