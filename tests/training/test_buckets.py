"""Pictures of unequal shape in a training: buckets, several resolutions, several crops."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import UsageError  # noqa: E402
from hubtools.files import sha256_of  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.buckets import make_buckets  # noqa: E402
from hubtools.training.preview import inspect  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.drawing import write_pictures  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402

MakeProject = Callable[..., Project]

SIZES = [(64, 64), (128, 64), (96, 64), (64, 128), (120, 60), (70, 64), (40, 50)]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures, of six shapes, one of them smaller than the resolution."""
    folder = tmp_path_factory.mktemp("shapes")
    rows = []
    for number, size in enumerate(SIZES):
        write_pictures(folder / str(number), number + 1, size=size)
        (folder / str(number) / f"picture{number}.png").rename(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "text": f"photo of a tok, number {number}"})
    for number in range(len(SIZES)):
        for path in (folder / str(number)).iterdir():
            path.unlink()
        (folder / str(number)).rmdir()
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def make(make_project: MakeProject, shapes: Path) -> MakeProject:
    return partial(make_project, data=shapes, aspect_ratio_buckets=True, caption_dropout=0.2)


def run(project: Project, **options: Any) -> dict[str, Any]:
    train(project, skip_validation=True, **options)
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return dict(found)


def told(project: Project) -> str:
    lines: list[str] = []
    train(project, skip_validation=True, dry_run=True, note=lines.append)
    return "\n".join(lines)


def latents(cache: Path) -> set[tuple[int, int]]:
    """(width, height) in pixels of all pictures in a cache."""
    found = set()
    for path in (cache / "latents").rglob("*.safetensors"):
        tensors = read_tensors(path, verify=True)
        assert tensors is not None
        high, wide = tensors["mean"].shape[-2:]
        found.add((8 * wide, 8 * high))
    return found


def test_each_picture_keeps_its_shape(
    make: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    project = make(max_train_steps=1)
    text = told(project)
    assert (
        "7 images x 1 repeat / (batch 1 x accumulation 1 x processes 1) in 6 buckets"
        " = 7 steps an epoch" in text
    )
    assert "6, nothing enlarged to fill them; 88 x 40: 2, " in text
    run(project)
    assert latents(tmp_path / "cache") == {
        (64, 64), (88, 40), (72, 48), (40, 88), (64, 56), (40, 48),
    }  # fmt: skip


def test_a_batch_of_four_is_four_of_one_in_every_bucket(make: MakeProject) -> None:
    """An epoch is six steps, of one or two pictures."""
    whole = run(make(name="a", train_batch_size=4, max_train_steps=6))
    parts = run(make(name="b", gradient_accumulation_steps=4, max_train_steps=6))
    assert max(float((whole[name] - parts[name]).abs().max()) for name in whole) < 1e-5


def test_it_goes_on_bit_for_bit_in_the_middle_of_an_epoch(make: MakeProject) -> None:
    settings: dict[str, Any] = {
        "train_batch_size": 2,
        "max_train_steps": 9,
        "checkpointing_steps": 1,
        "random_flip": True,
        "center_crop": False,
        "crops_per_image": 3,
        "resolutions": [48],
        "multires_noise_iterations": 4,
        "input_perturbation": 0.1,
        "loss_type": "huber",
    }
    whole, broken = make(name="whole", **settings), make(name="broken", **settings)
    run(whole)
    with pytest.raises(Killed):
        train(broken, skip_validation=True, reporter=DiesAt(6))
    run(broken)
    files = [project.run_dir / LORA_WEIGHTS for project in (whole, broken)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_inspect_shows_the_crops_of_the_trainer(
    make: MakeProject, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names of what is cached: they tell size and place."""
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    project = make(max_train_steps=1, center_crop=False, seed=5)
    run(project)
    names = {path.name for path in (tmp_path / "cache/latents").rglob("*.safetensors")}
    found = inspect(shapes, train=project.train, base=project.base)
    assert len(found.seen) == len(names) == 7
    for one in found.seen:
        across, down = one.resized[0] / one.width, one.resized[1] / one.height
        left, top = round(one.box[0] * across), round(one.box[1] * down)
        size = (round(one.box[2] * across) - left, round(one.box[3] * down) - top)
        wanted = f"{size[0]}x{size[1]}_{one.resized[0]}x{one.resized[1]}+{left}+{top}"
        assert f"{sha256_of(shapes / one.name)}_{wanted}_lanczos.safetensors" in names
    assert all(one.scale <= 1 for one in found.seen)


def test_several_resolutions_are_items_of_their_own(
    make: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    project = make(max_train_steps=1, resolutions=[48], aspect_ratio_buckets=False)
    text = told(project)
    assert "48 and 64 px" in text
    # the last one is smaller than both, the one of 120 by 60 than one of them
    assert "2; 48 x 48: 7, 64 x 64: 5" in text.replace(", nothing enlarged to fill them", "")
    assert "7 images x 1 repeat = 12 items /" in text
    run(project)
    assert latents(tmp_path / "cache") == {(48, 48), (64, 64)}


def test_a_picture_that_two_resolutions_show_alike_is_one_item() -> None:
    settings = TrainSettings(aspect_ratio_buckets=True, resolutions=[1024])
    found = make_buckets([(2000, 2000), (512, 512)], settings, 512, 8)
    assert [(found.pictures[item], found.size(item)) for item in range(3)] == [
        (0, (512, 512)), (0, (1024, 1024)), (1, (512, 512)),
    ]  # fmt: skip
    assert found.images == 2


def test_sides_are_multiples_of_what_the_base_counts_in() -> None:
    settings = TrainSettings(aspect_ratio_buckets=True, bucket_reso_steps=24)
    (size,) = make_buckets([(900, 700)], settings, 512, 16).sizes
    assert size[0] % 32 == size[1] % 32 == 0


def test_steps_draw_from_the_crops(make: MakeProject) -> None:
    """Of three crops of a picture twice as wide as high all are seen."""
    seen = set()

    def watching(self: Any, item: int, chosen: Any) -> Any:
        seen.add((item, chosen.crop % len(self.pictures[item].cuts)))
        return right(self, item, chosen)

    from hubtools.training.encode import EncodedDataset

    right = EncodedDataset.picture
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EncodedDataset, "picture", watching)
        project = make(
            aspect_ratio_buckets=False, center_crop=False, crops_per_image=3, max_train_steps=20
        )
        run(project)
    assert {crop for item, crop in seen if item == 1} == {0, 1, 2}
    assert {crop for item, crop in seen if item == 0} == {0}  # a square has one only


def test_crops_in_the_middle_are_one(make: MakeProject) -> None:
    with pytest.raises(UsageError, match=r"crops_per_image 3 .* center_crop cuts out its middle"):
        run(make(crops_per_image=3))


def test_a_run_of_before_goes_on(make_project: MakeProject) -> None:
    """What is off is not written down: a run that knew nothing of it is the same run."""
    manifest = train(make_project(max_train_steps=1), skip_validation=True, dry_run=True)
    assert not {"resolutions", "aspect_ratio_buckets", "loss_type", "input_perturbation"} & {
        *manifest.train
    }
