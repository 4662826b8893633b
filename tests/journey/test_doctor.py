"""`doctor` tells what there is, and never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubtools.localhub.server import Hub
from tests.typed import typed

TOKEN = "hf_" + "Qq7" * 11 + "z"


def doctor(*formats: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the Hub's client reads the environment only once."""
    code = (
        "import sys; from hubtools.cli.main import run\n"
        "sys.exit(max(run(['doctor', '--format', form]) for form in sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *formats],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def facts(**environ: str) -> dict[tuple[str, str], dict[str, str]]:
    done = typed("doctor", "--format", "json", **environ)
    assert done.returncode == 0, done.stderr
    return {(row["topic"], row["name"]): row for row in json.loads(done.stdout)}


def test_a_token_is_present_and_never_shown(local_hub: Hub, tmp_path: Path) -> None:
    for environ in (
        {"HF_TOKEN": TOKEN},
        {"HF_TOKEN": "", "HF_TOKEN_PATH": str(tmp_path / "token")},
    ):
        (tmp_path / "token").write_text(TOKEN)
        done = doctor("human", "json", "agent", **environ)
        assert TOKEN not in done.stdout + done.stderr
        assert TOKEN[3:12] not in done.stdout + done.stderr
        assert done.stdout.count("present") == 3


def test_what_it_knows(local_hub: Hub, tmp_path: Path) -> None:
    told = facts(HF_TOKEN="", HF_TOKEN_PATH=str(tmp_path / "none"))
    assert told["hub", "endpoint"]["value"] == local_hub.url
    assert told["hub", "connection"]["value"] == "answers"
    assert told["hub", "token"]["value"] == "none"
    assert told["python", "version"]["value"].startswith("3.")
    for topic, name in (
        ("device", "dtype"),
        ("machine", "memory"),
        ("machine", "disk here"),
        ("extras", "train"),
        ("extras", "hub"),
    ):
        assert told[topic, name]["value"]


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "no answer"),
        ({"HF_ENDPOINT": "nonsense"}, "no web address"),
        ({"HF_HUB_OFFLINE": "1"}, "offline"),
        ({"OMP_NUM_THREADS": "64"}, "OMP_NUM_THREADS=64"),
    ],
)
def test_oddities_are_told_not_fallen_over(environ: dict[str, str], words: str) -> None:
    own = any(name.startswith("HF_") for name in environ)
    done = doctor("agent", **environ) if own else typed("doctor", "--format", "agent", **environ)
    assert done.returncode in (0, 1, 3), done.stderr
    assert words in done.stdout
    assert "Traceback" not in done.stderr
