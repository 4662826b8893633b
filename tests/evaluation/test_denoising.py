"""The loss at fixed noise, of a family that is told more than captions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hubtools.dataset.examples import read_examples  # noqa: E402
from hubtools.evaluation.denoising import DRAWS, MOMENTS, encode, encode_captions, losses  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import family_of  # noqa: E402


def test_pictures_are_measured_with_the_sizes_they_are_trained_with(
    tiny_sdxl: Path, tmp_path: Path, draw_pictures: Callable[..., Path]
) -> None:
    torch.set_num_threads(1)
    data = draw_pictures(tmp_path / "data", 2, size=(80, 96))
    family = family_of(tiny_sdxl, "tiny")
    model = family.load(
        resolve_base(str(tiny_sdxl)),
        family.info(tiny_sdxl, None),
        variant=None,
        dtype=torch.float32,
        noise=NoiseOptions(),
    )
    examples = read_examples(data, "text")
    encoded = encode(family, model, examples, encode_captions(model, examples), 64)
    told = [picture["time_ids"].tolist() for picture, _ in encoded.rows]
    # 80x96 as 64x77, of which the middle is cut
    assert told == [[96.0, 80.0, 6.0, 0.0, 64.0, 64.0]] * 2
    found = losses(model, encoded, "cpu")
    assert found.shape == (2,)
    assert np.array_equal(found, losses(model, encoded, "cpu"))
    seen: list[torch.Size] = []
    hook = model.denoiser.register_forward_pre_hook(
        lambda module, args, options: seen.append(options["added_cond_kwargs"]["time_ids"].shape),
        with_kwargs=True,
    )
    losses(model, encoded, "cpu")
    hook.remove()
    assert seen == [(len(MOMENTS) * DRAWS, 6)] * 2
