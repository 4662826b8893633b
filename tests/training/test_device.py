"""Where a run happens, and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hubtools.errors import HubtoolsError
from hubtools.progress import PlainReporter
from hubtools.settings import TrainSettings
from hubtools.training.device import attending, precision_of
from hubtools.training.train import train

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("launched", "asked", "precision"),
    [
        ("bf16", "auto", "bf16"),
        ("BF16", "auto", "bf16"),
        ("no", "auto", "no"),
        ("fp8", "auto", "no"),
        ("bf16", "no", "no"),
    ],
)
def test_the_launchers_half_precision_is_taken_where_nothing_is_set(
    launched: str, asked: Any, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    assert precision_of(TrainSettings(mixed_precision=asked), CPU) == precision


def test_what_it_costs_is_told(make_project: Callable[..., Any]) -> None:
    said: list[str] = []
    project = make_project(max_train_steps=1, price_per_hour=3600.0)
    manifest = train(
        project, skip_validation=True, reporter=PlainReporter(said.append, said.append)
    )
    (told,) = [line for line in said if line.startswith("The steps took")]
    cost = float(told.rpartition("; cost: ")[2].partition(",")[0])
    assert cost == pytest.approx(manifest.seconds, abs=0.02)  # one a second
    assert "price_per_hour" not in (project.run_dir / "run.json").read_text()


def test_a_kernel_that_cannot_is_a_sentence() -> None:
    from torch.nn.functional import scaled_dot_product_attention

    given = torch.zeros(1, 1, 4, 8)
    with attending("math"):
        assert torch.equal(scaled_dot_product_attention(given, given, given), given)
    with (
        pytest.raises(HubtoolsError, match=r"attention cudnn: .* on this device"),
        attending("cudnn"),
    ):
        scaled_dot_product_attention(given, given, given)
    with pytest.raises(RuntimeError, match="another"), attending("math"):
        raise RuntimeError("another")
