"""Samples give way to a user who wants to stop, and to anything else that goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.stable_diffusion import StableDiffusion  # noqa: E402
from hubtools.settings import SampleSettings, TrainSettings  # noqa: E402
from hubtools.training.samples import SamplePrompts, draw_samples  # noqa: E402
from hubtools.training.stages import Stages  # noqa: E402


def stages_of(folder: Path) -> Stages:
    base = resolve_base(str(folder))
    family = StableDiffusion()
    info = family.info(folder, None)
    load = partial(family.load, base, info, variant=None, dtype=torch.float32, noise=NoiseOptions())
    return Stages(base, family, load, torch.device("cpu"))


def test_stopping_leaves_no_half_picture(tiny_base: Path, tmp_path: Path) -> None:
    stages = stages_of(tiny_base)
    model = stages.denoiser()
    said = SamplePrompts(SampleSettings(steps=4), ["one", "two"], 64, None)
    asked = 0

    def later() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5  # in the middle of the second picture

    def draw(stopping: Callable[[], bool]) -> int:
        return draw_samples(
            model,
            stages.base,
            stages,
            said,
            tmp_path,
            step=0,
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

    stages = stages_of(tiny_base)
    texts = ["(tok) in a (red:1.3) hat", "(tok)"]
    draw_samples(
        stages.denoiser(),
        stages.base,
        stages,
        SamplePrompts(SampleSettings(steps=1), texts, 64, "(tok)"),
        tmp_path,
        step=0,
        warn=pytest.fail,
        stopping=lambda: False,
    )
    first, second = read_samples(tmp_path / "samples")
    assert (first.prompt_weights, first.literals) == (True, ["(tok)"])
    assert (second.prompt_weights, second.literals) == (None, [])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_samples_of_parts_are_those_of_the_whole_pipeline(
    tiny_base: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    from hubtools.inference.pipeline import draw
    from hubtools.training.adapter import add_lora

    stages = stages_of(tiny_base)
    stages.load = partial(stages.load, dtype=dtype)
    model = stages.denoiser()
    long = "a girl in a (red:1.4) hat " * 30
    said = SamplePrompts(SampleSettings(steps=2, negative_prompt="dark"), ["one", long], 64, None)
    with stages.opened("text") as text:
        said.encode(text.model, dtype)
    settings = TrainSettings(rank=2, target_modules=["to_q", "to_v"])
    whole = stages.load()
    for each in (model, whole):
        for name, parameter in add_lora(each.denoiser, settings, 2.0).items():
            if "lora_B" in name:
                torch.nn.init.constant_(parameter, 0.05)
    count = draw_samples(
        model, stages.base, stages, said, tmp_path, step=3, warn=pytest.fail, stopping=lambda: False
    )
    assert count == 2
    assert model.denoiser.training is False
    assert sum(parameter.requires_grad for parameter in model.denoiser.parameters()) > 0
    shots, names = said.shots(1.0)
    draw(whole.pipeline, shots, tmp_path / "whole", names=names, base=stages.base, train_step=3)
    for name in names:
        of_parts = (tmp_path / "samples" / f"step000003_{name}.png").read_bytes()
        assert pixels_of(of_parts) == pixels_of((tmp_path / "whole" / f"{name}.png").read_bytes())


def pixels_of(png: bytes) -> bytes:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(png)).tobytes()
