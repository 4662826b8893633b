"""`hf hubtools ...`: the Hub's own client starts what it installed as its extension."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder in which the client has installed this copy."""
    place = tmp_path / "home/.local/share/hf/extensions/hf-hubtools"
    place.mkdir(parents=True)
    script = place / "hf-hubtools"  # as pip writes it for [project.scripts]
    words = shlex.join([sys.executable, "-c", "from hubtools.cli import main; main()"])
    script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    script.chmod(0o755)
    facts = {"owner": "me", "repo": "hf-hubtools", "repo_id": "me/hf-hubtools", "type": "python",
             "short_name": "hubtools", "executable_path": str(script),
             "installed_at": "2026-01-01T00:00:00+00:00", "description": "LoRA"}  # fmt: skip
    (place / "manifest.json").write_text(json.dumps(facts))
    return tmp_path / "home"


def hf(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from huggingface_hub.cli.hf import main; sys.argv[0] = 'hf'; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=300,
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="the script is one of a shell")
def test_options_json_and_exit_codes_go_through(home: Path, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "0.png")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "x"}\n')
    done = hf(home, "hubtools", "validate", str(tmp_path), "--format", "json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["findings"]
    told = hf(home, "extensions", "exec", "hubtools", "--", "--version")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("hubtools")


def test_what_the_client_looks_for_when_it_installs() -> None:
    """A root file of that name it would take for a program; without it, it asks pip for a script of
    that name, without extras, for 300 seconds."""
    assert not (ROOT / "hf-hubtools").exists()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (
        project["scripts"]["hf-hubtools"] == project["scripts"]["hubtools"] == "hubtools.cli:main"
    )
    assert not [word for word in project["dependencies"] if word.startswith(("torch", "diffusers"))]
