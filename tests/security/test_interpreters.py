"""Nothing is imported from the folder one stands in, by hubtools or by a process that it starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hubtools
from hubtools import interpreter, programs
from hubtools.compiled import keep_compiled_code_at_home
from hubtools.dataset.pictures.tasks import PROBE
from hubtools.dataset.workers.pool import WorkerPool

PACKAGE = Path(hubtools.__file__).parent
ROOT = PACKAGE.parent
_NAMES = (
    "hubtools torch torchvision diffusers transformers numpy PIL json click rich pydantic runpy"
    " sitecustomize usercustomize datasets safetensors huggingface_hub xxhash pickle orjson"
    " importlib typing __future__ subprocess mmap"
)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder full of modules that leave a mark when they are imported."""
    folder = tmp_path / "trap"
    folder.mkdir()
    program = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + ' ')\n"
    for name in _NAMES.split():
        (folder / f"{name}.py").write_text(program)
    for name in ("diffusers", "torchvision", "hubtools"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(program)
        (folder / name / "__main__.py").write_text(program)
    (folder / "evil.pth").write_text(f"import sys; {program}")
    return folder


def ran(trap: Path) -> str:
    mark = trap.parent / "ran"
    return mark.read_text() if mark.exists() else ""


@pytest.mark.parametrize("path", [None, f".{os.pathsep}", "trap"])
def test_children(trap: Path, path: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules, scripts and imports, whatever PYTHONPATH says."""
    script = trap.parent / "script.py"
    script.write_text("import json, safetensors, PIL, sys; print('read', sys.argv[1:])")
    monkeypatch.chdir(trap if path != "trap" else trap.parent)
    if path is not None:
        monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(sys, "path", ["", ".", os.getcwd(), *sys.path])  # noqa: PTH109
    for words, said in (
        (interpreter.command("hubtools", "--version"), "hubtools"),
        (interpreter.command(str(script), "a b"), "read ['a b']"),
        (interpreter.importing("json, numpy"), ""),
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    assert ran(trap) == ""


def test_workers(trap: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trap)
    monkeypatch.setenv("PYTHONPATH", ".")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with WorkerPool(1) as crew:
        (answer,) = crew.run(PROBE, [(str(pictures / "picture0.png"), None)])
    assert isinstance(answer[1], tuple)
    assert ran(trap) == ""


def test_doctor(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asked whether torchvision can be imported, and imported the one of the folder."""
    from hubtools.journey.doctor import _torchvision

    monkeypatch.chdir(trap)
    _torchvision()
    assert ran(trap) == ""


def _module(trap: Path, path: str) -> subprocess.CompletedProcess[str]:
    """`python -m hubtools` with what Python itself imports before it left out of the trap."""
    for name in ("hubtools", "runpy", "importlib", "sitecustomize", "usercustomize"):
        (trap / f"{name}.py").unlink()
    (trap / "hubtools" / "__init__.py").unlink()
    (trap / "hubtools" / "__main__.py").unlink()
    (trap / "hubtools").rmdir()
    return subprocess.run(
        [sys.executable, "-m", "hubtools", "validate", "."],
        cwd=trap, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [str(ROOT), f"{ROOT}{os.pathsep}.", f"{os.pathsep}{ROOT}"],
    ids=["the package", "and the folder", "the folder first"],
)
def test_started_there(trap: Path, path: str) -> None:
    done = _module(trap, path)
    assert "no picture" in (done.stdout + done.stderr).lower(), done.stderr
    assert ran(trap) == ""


def test_what_libraries_start(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of `multiprocessing`, say, get the environment that `main` has set."""
    program = (
        "import sys; sys.argv = ['hubtools', '--version']\n"
        "from hubtools.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "import subprocess\n"
        "subprocess.run([sys.executable, '-c', 'import click, sys'])\n"
        "import multiprocessing as m\n"
        "m.set_start_method('spawn'); m.Queue()\n"
    )
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}."}
    for name in ("sitecustomize", "usercustomize", "importlib", "typing", "__future__", "json"):
        (trap / f"{name}.py").unlink()
    subprocess.run([sys.executable, "-P", "-c", program], cwd=trap, env=env, check=False)
    assert ran(trap) == ""


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory goes, unless PYTHONPATH names it in full; hubtools is always found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["", ".", "lib", str(tmp_path), "/usr/lib"])
    assert interpreter.places() == ["/usr/lib", str(ROOT)]
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert str(tmp_path) in interpreter.places()
    interpreter.leave_here()
    assert sys.path == [str(tmp_path), "/usr/lib"]


# What these write is run by others: by Slurm, in a script that sets PYTHONSAFEPATH, and by a job
# of the embedded Hub, whose programs are its sender's. The pool only names what did not start.
_WRITES = {"interpreter.py", "jobs/slurm.py", "localhub/jobtools.py", "dataset/workers/pool.py"}
_SOURCES = [
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in _WRITES
]


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bsys\.executable\b",
        r"\bmultiprocessing\b",
        r"\bos\.(system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork)\b",
        r"shell\s*=\s*True",
        r"ProcessPoolExecutor",
        r"PYTHONPATH",
        r"shutil\.which",
    ],
)
def test_nobody_starts_python_otherwise(pattern: str) -> None:
    found = [str(path) for path in _SOURCES if re.search(pattern, path.read_text("utf-8"))]
    assert found == []


def test_programs_are_not_looked_for_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where a relative name in PATH leads; Windows' endings are those of programs."""
    for name in ("here/git", "here/bin/git", "here/git.exe", "there/git", "there/gs.exe"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
    (tmp_path / "there/hg.exe").mkdir()
    (tmp_path / "there/svn").touch(0o644)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "bin", str(tmp_path / "there")]))
    assert programs.program("git") == str(tmp_path / "there/git")
    assert programs.program("svn") is None
    assert programs.program("svn", str(tmp_path / "here/bin")) is None
    assert programs.program("git", str(tmp_path / "here")) == str(tmp_path / "here/git")
    monkeypatch.setattr(programs, "_ENDINGS", (".exe", ".com"))
    found = [programs.program(name) for name in ("git", "gs", "gs.exe", "hg")]
    assert found == [None, str(tmp_path / "there/gs.exe"), str(tmp_path / "there/gs.exe"), None]


@pytest.mark.parametrize("path", [".{0}{1}", "{1}{0}", "bin{0}.{0}{0}{1}", ".", ""])
def test_libraries_find_none_there_either(
    trap: Path, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser for `--open`, a compiler for PyTorch: both are looked for along PATH."""
    there = tmp_path / "there"
    there.mkdir()
    for name in ("xdg-open", "xdg-settings", "g++", "bin/g++"):
        (trap / name).parent.mkdir(exist_ok=True)
        (trap / name).touch(0o755)
    monkeypatch.chdir(trap)
    for variable in ("PYTHONSAFEPATH", "NODEFAULTCURRENTDIRECTORYINEXEPATH"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("PATH", path.format(os.pathsep, there))
    monkeypatch.setattr(os, "defpath", f".{os.pathsep}/bin")  # as that of Windows
    interpreter.guard_children()
    assert os.environ["PATH"] == (str(there) if "1" in path else "/bin")
    assert not (shutil.which("xdg-settings") or "").startswith((".", "bin", "xdg", str(trap)))
    assert not (shutil.which("g++") or "").startswith((".", "bin", "g++", str(trap)))


def test_a_compiler_that_the_python_api_has_started_is_none_there(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever can have PyTorch compile something calls this first."""
    monkeypatch.chdir(trap)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(trap))
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", "bin", os.defpath]))
    keep_compiled_code_at_home()
    assert os.environ["PATH"] == os.defpath


def test_nobody_starts_a_program_by_its_bare_name() -> None:
    starts = re.compile(r"(?:subprocess\.\w+|Popen)\(\s*\[?\s*[\"']")
    assert [str(path) for path in _SOURCES if starts.search(path.read_text("utf-8"))] == []
