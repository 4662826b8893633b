"""`rehearse` while the embedded Hub fails on purpose."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("torch")

from hubtools.manifest import read_samples
from hubtools.project_file import to_toml
from tests import forked
from tests.typed import typed

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

CHAOS = "429:2,drop:0.08,drop-after:0.04,503:1,504:1,412:2"


@pytest.mark.slow
def test_a_rehearsal_comes_through_bad_weather(
    tmp_path: Path,
    tiny_base: Path,
    draw_pictures: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shipped, drawn again and read back in processes that are forks (that they may be started anew
    is for test_demo)."""
    monkeypatch.setattr("hubtools.journey.rehearse.subprocess", forked)
    home = tmp_path.with_name(f"{tmp_path.name}-home")
    home.mkdir()
    lasting = SimpleNamespace(TemporaryDirectory=lambda **_: nullcontext(str(home)))
    monkeypatch.setattr("hubtools.journey.stage.tempfile", lasting)
    draw_pictures(tmp_path / "dataset", 3, (64, 64))
    (tmp_path / "hubtools.toml").write_text(
        to_toml(
            {
                "dataset": {
                    "repo": "me/people", "trigger": "a tok", "license": "cc0-1.0", "rights": "own",
                },
                "train": {
                    "pretrained_model_name_or_path": "me/base", "resolution": 64, "rank": 2,
                    "max_train_steps": 2, "validation_steps": 0, "target_modules": ["to_v"],
                },
                "samples": {"prompts": ["(a tok:1.2)"], "steps": 2, "size": 64},
                "model": {"repo": "me/people-lora", "license": "cc0-1.0"},
            }
        )
    )  # fmt: skip
    seed = str(random.randrange(10**6))  # any will do
    done = typed(
        "rehearse", str(tmp_path), "--base-folder", str(tiny_base), "--no-serve",
        "--chaos", CHAOS, "--chaos-seed", seed, "--format", "json",
    )  # fmt: skip
    assert done.returncode == 0, seed + done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"]
    assert len(told["checks"]) == 4
    # the prompt has weights, which stock diffusers does not read: what it drew is compared with a
    # picture drawn without them
    (drawn,) = read_samples(tmp_path / "runs/lora/samples")[-1:]
    (compared,) = read_samples(home / "samples")
    assert (drawn.prompt_weights, compared.prompt_weights) == (True, False)
    # what was read lies in the cache of the rehearsal
    kept = home / "hub"
    assert {"models--me--base", "models--me--people-lora", "datasets--me--people"} == {
        path.name for path in kept.iterdir() if "--" in path.name
    }


def test_chaos_that_is_none_is_told(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "hubtools.toml").write_text("")
    done = cli("rehearse", str(tmp_path), "--chaos", "rain:1")
    assert done.returncode == 2
    assert "--chaos rain:1" in done.stderr
