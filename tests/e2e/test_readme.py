"""Every command that the README shows runs as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import forked, forkserver
from tests.typed import typed

pytest.importorskip("torch")

from huggingface_hub import HfApi

from hubtools.localhub.server import Hub

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BASE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
# The commands are the README's; a tiny base and a short training are ours.
SMALL = {
    "HUBTOOLS_TRAIN_RESOLUTION": "64",
    "HUBTOOLS_TRAIN_MAX_TRAIN_STEPS": "4",
    "HUBTOOLS_TRAIN_VALIDATION_STEPS": "0",
    "HUBTOOLS_TRAIN_TARGET_MODULES": "to_v",
    "HUBTOOLS_SAMPLES_STEPS": "2",
    "HUBTOOLS_SAMPLES_SIZE": "64",
}


def commands(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.slow
def test_the_journey(
    local_hub: Hub,
    tiny_base: Path,
    draw_pictures: Callable[..., Path],
    tmp_path: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `rehearse` starts are forks (that it may be started anew is for test_demo)."""
    monkeypatch.setattr("hubtools.journey.rehearse.subprocess", forked)
    local_hub.store.mount("model", BASE, tiny_base)
    pictures = draw_pictures(tmp_path / "pictures", 3, (64, 64))
    captions = (pictures / "metadata.jsonl").read_text().replace("a tok", "(tok)")
    (pictures / "metadata.jsonl").write_text(captions)
    lines = commands("sh")
    assert len(lines) > 10
    place = tmp_path
    for line in lines:
        program, *words = shlex.split(line)
        if program == "cd":
            place /= words[0]
            continue
        assert program == "hubtools"
        call = typed if words[0] == "rehearse" else cli
        done = call(*words, cwd=place, **SMALL)
        assert done.returncode == 0, line + done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "people/sheet.png").is_file()
    assert HfApi().model_info("me/people-lora").card_data is not None
    python = "\n".join(commands("python"))
    small = python.replace("max_train_steps=500", "max_train_steps=4")
    assert small != python
    done = forkserver.call(code=small, cwd=tmp_path / "people", env=SMALL)
    assert done.returncode == 0, done.stderr


def test_every_command_is_shown() -> None:
    from hubtools.cli.main import COMMANDS

    shown = set(re.findall(r"\bhubtools ([\w-]+)", README))
    shown |= set(re.findall(r"`([\w-]+)", README))
    assert set(COMMANDS) - {"schema", "help"} <= shown


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_knows_its_targets() -> None:
    targets = ("demo", "test", "test-fast", "lint", "bench")
    subprocess.run(["make", "-n", *targets], cwd=ROOT, check=True, capture_output=True)


def test_links_lead_somewhere(cli: Cli) -> None:
    for source in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", source.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (source.parent / target).exists(), f"{source.name}: {target}"
