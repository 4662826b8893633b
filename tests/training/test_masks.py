"""Masked loss: what is outside of a picture's mask does not count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.errors import UsageError  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.progress import PlainReporter  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.training.crops import geometry_of, mask_weights  # noqa: E402
from hubtools.training.losses import errors  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.drawing import write_pictures  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402

MakeProject = Callable[..., Project]


def half(size: tuple[int, int]) -> Image.Image:
    """White on the left."""
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def masked(folder: Path, colour: tuple[int, int, int] = (9, 200, 90)) -> Path:
    """Three pictures with masks; outside of them they are of `colour`."""
    write_pictures(folder, 3, size=(64, 64))
    rows = []
    for number in range(3):
        name, mask = f"picture{number}.png", f"mask{number}.png"
        picture = Image.open(folder / name)
        picture.paste(colour, (32, 0, 64, 64))
        picture.save(folder / name)
        half((64, 64)).save(folder / mask)
        row = {"file_name": name, "text": f"a tok {number}", "mask_file_name": mask}
        rows.append(json.dumps(row) + "\n")
    (folder / "metadata.jsonl").write_text("".join(rows))
    return folder


def run(project: Project, **options: Any) -> dict[str, Any]:
    train(project, skip_validation=True, **options)
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return dict(found)


def test_a_mask_is_cut_as_its_picture_and_reduced_to_cells() -> None:
    mask = half((128, 64))
    whole = geometry_of((128, 64), (128, 64), center_crop=True, seed=0, identity="")
    assert mask_weights(mask, whole, (2, 4), flip=False).tolist() == [[1, 1, 0, 0]] * 2
    assert mask_weights(mask, whole, (2, 4), flip=True).tolist() == [[0, 0, 1, 1]] * 2
    square = geometry_of((128, 64), (64, 64), center_crop=True, seed=0, identity="")
    assert mask_weights(mask, square, (1, 4), flip=False).tolist() == [[1, 1, 0, 0]]
    assert mask_weights(mask, whole, (1, 1), flip=False).tolist() == [[0.5]]
    # a mask of half the size shows the same
    small = half((64, 32))
    assert mask_weights(small, square, (1, 4), flip=False)[0, 0] == 1
    # colours count by their brightness
    grey = Image.new("RGB", (128, 64), (51, 51, 51))
    assert mask_weights(grey, whole, (1, 1), flip=False).item() == pytest.approx(0.2)


@pytest.mark.parametrize("kind", ["l2", "smooth_l1"])
def test_the_mean_is_over_what_counts(kind: Any) -> None:
    generator = np.random.default_rng(0)
    found, wanted = generator.normal(size=(2, 2, 3, 4, 5))
    weights = generator.uniform(size=(2, 4, 5))
    weights[1] = 0
    c = np.array([0.2, 0.2])
    total, weighed = 0.0, 0.0
    for channel in range(3):
        for row in range(4):
            for column in range(5):
                d = found[0, channel, row, column] - wanted[0, channel, row, column]
                error = d * d if kind == "l2" else 2 * ((d * d + 0.04) ** 0.5 - 0.2)
                total += weights[0, row, column] * error
                weighed += weights[0, row, column]
    answer = errors(
        torch.from_numpy(found), torch.from_numpy(wanted), kind, torch.from_numpy(c),
        torch.from_numpy(weights).float(),
    )  # fmt: skip
    assert answer.tolist() == pytest.approx([total / weighed, 0.0], rel=1e-5)
    ones = torch.ones(2, 4, 5)
    pair = (torch.from_numpy(found), torch.from_numpy(wanted))
    assert torch.allclose(errors(*pair, weights=ones), errors(*pair))


class Watched(PlainReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        super().__init__(self.lines.append, self.warnings.append)


def test_it_is_trained_and_goes_on_and_what_is_outside_hardly_matters(
    make_project: MakeProject, tmp_path: Path
) -> None:
    data = masked(tmp_path / "data")
    settings: dict[str, Any] = {"random_flip": True, "checkpointing_steps": 1, "seed": 2}
    heard = Watched()
    whole = make_project(name="whole", data=data, **settings)
    learned = run(whole, reporter=heard)
    assert "3 of 3 pictures masked; what is outside does not count" in "\n".join(heard.lines)
    assert heard.warnings == []
    broken = make_project(name="broken", data=data, **settings)
    with pytest.raises(Killed):
        train(broken, skip_validation=True, reporter=DiesAt(3))
    assert all(torch.equal(value, learned[name]) for name, value in run(broken).items())
    plain = run(make_project(name="plain", data=data, unmasked_weight=1.0, **settings))
    unmasked = make_project(name="none", data=data, dataset={"mask_column": None}, **settings)
    (data / "metadata.jsonl").write_text(
        "".join(
            json.dumps({"file_name": f"picture{n}.png", "text": f"a tok {n}"}) + "\n"
            for n in range(3)
        )
    )
    other = run(unmasked)
    # outside as much as inside is no mask at all
    assert all(torch.allclose(plain[name], other[name], atol=1e-6) for name in plain)
    assert any(not torch.allclose(learned[name], other[name], atol=1e-5) for name in plain)


def test_a_black_mask_is_told(make_project: MakeProject, tmp_path: Path) -> None:
    data = masked(tmp_path / "data")
    Image.new("L", (64, 64), 0).save(data / "mask1.png")
    heard = Watched()
    run(make_project(data=data, max_train_steps=3), reporter=heard)
    (warning,) = heard.warnings
    assert warning.startswith("Nothing of picture1.png is learnt: the mask is black")


def test_without_masks_a_weight_outside_is_refused(make_project: MakeProject) -> None:
    with pytest.raises(UsageError, match="no record names one"):
        run(make_project(unmasked_weight=0.5))
