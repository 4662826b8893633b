"""`doctor` tells what there is, and never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubtools.journey.doctor import _runs_on, _unused_gpu
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


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((9, 0), ["sm_80", "sm_90"], True),
        ((8, 9), ["sm_80"], True),
        ((7, 5), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_90"], False),
        ((12, 0), ["sm_90", "compute_90"], True),
        ((9, 0), ["sm_90a", "gfx90a"], True),
        ((9, 4), [], True),
    ],
)
def test_which_gpus_a_build_runs_on(
    capability: tuple[int, int], built: list[str], runs: bool
) -> None:
    assert _runs_on(*capability, built) is runs


def test_a_gpu_that_is_there_and_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if not Path("/proc/driver/nvidia/version").exists():
        assert _unused_gpu(None) is None
        assert _unused_gpu("13.0") is None  # the usual build on a machine without a GPU
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for built, words in ((None, "built for the CPU"), ("13.0", "not usable")):
        fact = _unused_gpu(built)
        assert fact is not None
        assert words in fact.value
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    fact = _unused_gpu("13.0")
    assert fact is not None
    assert "hidden by" in fact.value
