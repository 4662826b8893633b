"""Samples give way to a user who wants to stop, and to anything else that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.stable_diffusion import StableDiffusion  # noqa: E402
from hubtools.settings import SampleSettings  # noqa: E402
from hubtools.training.samples import draw_samples  # noqa: E402


def test_stopping_leaves_no_half_picture(tiny_base: Path, tmp_path: Path) -> None:
    base = resolve_base(str(tiny_base))
    family = StableDiffusion()
    model = family.load(
        base, family.info(tiny_base, None), variant=None, dtype=torch.float32, noise=NoiseOptions()
    )
    asked = 0

    def later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5  # in the middle of the second picture

    def draw(stopping: Callable[[], bool]) -> int:
        return draw_samples(
            model,
            base,
            SampleSettings(steps=4),
            ["one", "two"],
            tmp_path,
            size=64,
            step=0,
            device=torch.device("cpu"),
            warn=pytest.fail,
            stopping=stopping,
        )

    # PNDM takes one denoising step more than asked: five a picture
    assert draw(later) == 0
    assert asked == 6
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["step000000_p00_s0.json", "step000000_p00_s0.png"]
    assert draw(lambda: False) == 2


def test_the_triggers_brackets_are_words_and_others_weights(
    tiny_base: Path, tmp_path: Path
) -> None:
    from hubtools.manifest import read_samples

    base = resolve_base(str(tiny_base))
    family = StableDiffusion()
    model = family.load(
        base, family.info(tiny_base, None), variant=None, dtype=torch.float32, noise=NoiseOptions()
    )
    draw_samples(
        model,
        base,
        SampleSettings(steps=1),
        ["(tok) in a (red:1.3) hat", "(tok)"],
        tmp_path,
        size=64,
        step=0,
        device=torch.device("cpu"),
        warn=pytest.fail,
        stopping=lambda: False,
        trigger="(tok)",
    )
    first, second = read_samples(tmp_path / "samples")
    assert (first.prompt_weights, first.literals) == (True, ["(tok)"])
    assert (second.prompt_weights, second.literals) == (None, [])
