"""What a base predicts is measured once for the same weights and pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from hubtools.commands.caches import cache_ls, cache_prune
from hubtools.errors import HubtoolsError
from hubtools.models.families.noise import EPSILON, V_PREDICTION
from hubtools.models.families.tiny import build_tiny_pipeline
from hubtools.project import Project
from hubtools.training import agreed
from hubtools.training.prediction import Explained
from hubtools.training.train import train
from tests.drawing import write_pictures


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """What was said of each base that was measured, with nothing known beforehand."""
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    said: list[str | None] = []
    right = agreed.explained

    def seen(*args: Any, prediction: str, **options: Any) -> Explained | None:
        said.append(prediction)
        return right(*args, prediction=prediction, **options)

    monkeypatch.setattr(agreed, "explained", seen)
    return said


def test_the_same_base_and_pictures_are_not_measured_again(
    make_project: Callable[..., Project], measured: list[str | None], tmp_path: Path
) -> None:
    def run(**settings: Any) -> list[str | None]:
        measured.clear()
        train(
            make_project(name=f"run{len(list(tmp_path.iterdir()))}", max_train_steps=1, **settings)
        )
        return list(measured)

    assert run() == [EPSILON]
    assert run(rank=8, learning_rate=1e-4, seed=3) == []
    (kept,) = [one for one in cache_ls() if one.kind == "agreed"]
    assert kept.entries == 1
    # all that it hangs on
    assert run(prediction_type=V_PREDICTION) == [V_PREDICTION]
    assert run(mixed_precision="bf16") == [EPSILON]
    assert run(data=write_pictures(tmp_path / "others", 2, size=(80, 64))) == [EPSILON]
    other = build_tiny_pipeline(tmp_path / "base", seed=5)
    assert run(pretrained_model_name_or_path=str(other)) == [EPSILON]
    scheduler = other / "scheduler" / "scheduler_config.json"
    betas = json.loads(scheduler.read_text()) | {"beta_end": 0.02}
    scheduler.write_text(json.dumps(betas))
    assert run(pretrained_model_name_or_path=str(other)) == [EPSILON]
    # a file that says something else is none
    for place in (tmp_path / "cache" / "agreed").iterdir():
        place.write_text("{}")
    assert run() == [EPSILON]
    cache_prune(older_than=0, kind=["agreed"])
    assert run() == [EPSILON]
    assert run() == []


def test_what_contradicts_is_not_kept(
    make_project: Callable[..., Project],
    measured: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = Explained({EPSILON: 0.1, V_PREDICTION: 0.9}, {EPSILON: 0.1, V_PREDICTION: 0.9})
    monkeypatch.setattr(agreed, "explained", lambda *args, **options: plain)
    for _ in range(2):
        with pytest.raises(HubtoolsError, match="The base predicts v_prediction"):
            train(make_project(max_train_steps=1))
    assert "agreed" not in {one.kind for one in cache_ls()}
    monkeypatch.undo()
    shutil.rmtree(make_project().run_dir)
    assert train(make_project(max_train_steps=1)).steps_done == 1
