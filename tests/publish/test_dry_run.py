"""`push --dry-run` needs neither token nor network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.localhub.server import Hub
from tests.typed import typed


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")


@pytest.mark.usefixtures("nobody")
def test_without_a_token(local_hub: Hub, run_dir: Path) -> None:
    done = typed("push", run_dir, "me/people", "--dry-run", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "there is no token" in done.stderr
    assert "new, private" in done.stderr
    assert "pytorch_lora_weights.safetensors" in done.stdout
    # nothing is sent so, and a plan to be carried out asks for the token
    assert typed("push", run_dir, "me/people").returncode == 1
    assert typed("push", run_dir, "me/people", "--plan", run_dir.parent / "p").returncode == 1


def test_what_everybody_sees_is_compared(
    local_hub: Hub, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    HfApi().create_repo("me/people", private=False)
    HfApi().upload_file(path_or_fileobj=b"x", path_in_repo="theirs.txt", repo_id="me/people")
    monkeypatch.delenv("HF_TOKEN")
    done = typed("push", run_dir, "me/people", "--dry-run", "--public", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "me/people is public" in done.stderr
    assert "existing, public" in done.stderr


def test_without_a_network(run_dir: Path) -> None:
    environ = os.environ | {"HF_HUB_OFFLINE": "1", "HF_TOKEN": "", "COLUMNS": "200"}
    words = [sys.executable, "-m", "hubtools", "push", str(run_dir), "me/people", "--dry-run"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the Hub was not reached" in done.stderr
