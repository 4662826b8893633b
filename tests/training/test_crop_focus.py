"""A picture's own place for its crop: the column crop_focus."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from hubtools.dataset.metadata.focus import focus_of  # noqa: E402
from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.files import sha256_of  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.crops import Geometry, geometries_of, geometry_of  # noqa: E402
from hubtools.training.preview import inspect  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.drawing import write_pictures  # noqa: E402

MakeProject = Callable[..., Project]
SIDES = st.integers(1, 3000)
SHARES = st.floats(0, 1)


def _cut(size: tuple[int, int], target: tuple[int, int], **options: Any) -> Geometry:
    return geometry_of(size, target, **{"center_crop": True, "seed": 0, "identity": ""} | options)


@given(SIDES, SIDES, st.integers(8, 128), st.integers(8, 128), SHARES, SHARES)
def test_the_focus_is_in_the_middle_as_far_as_the_edges_allow(
    width: int, height: int, wide: int, high: int, x: float, y: float
) -> None:
    cut = _cut((width, height), (wide, high), center_crop=False, focus=(x, y))
    for start, side, whole, share in (
        (cut.left, wide, cut.width, x), (cut.top, high, cut.height, y),
    ):  # fmt: skip
        assert 0 <= start <= whole - side
        assert start <= share * whole <= start + side
        if 0 < start < whole - side:
            assert abs(start + side / 2 - share * whole) <= 0.5 + 1e-9
    middle = _cut((width, height), (wide, high), focus=(0.5, 0.5))
    assert middle == _cut((width, height), (wide, high))


def test_it_is_the_only_place_of_several() -> None:
    settings = TrainSettings(center_crop=False, crops_per_image=4)
    assert len(geometries_of((200, 64), (64, 64), settings, identity="a")) == 4
    (cut,) = geometries_of((200, 64), (64, 64), settings, identity="a", focus=(1.0, 0.0))
    assert cut == Geometry(200, 64, 136, 0, (64, 64))


@pytest.mark.parametrize(
    ("value", "focus"),
    [(None, None), ("", None), ([0, 1], (0.0, 1.0)), ("[0.5, 0.25]", (0.5, 0.25))],
)
def test_what_a_record_says(value: Any, focus: Any) -> None:
    assert focus_of(value) == focus


@pytest.mark.parametrize(
    "value",
    [[0.5], [0.5, 1.5], [float("nan"), 0], [10**400, 0], [True, 0], ["0", 0], "0.5", "[", 0.5, {},
     "[" * 5000],
)  # fmt: skip
def test_what_is_no_focus(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^it(s| is| holds)"):
        focus_of(value)


def _told(project: Project, **options: Any) -> Any:
    lines: list[str] = []
    manifest = train(project, skip_validation=True, note=lines.append, **options)
    return manifest.dataset.fingerprint, "\n".join(lines)


def test_pictures_and_masks_are_cut_around_it(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    folder = write_pictures(tmp_path / "set", 2, size=(128, 64))
    meta = folder / "metadata.jsonl"
    plain = [json.loads(line) for line in meta.read_text().splitlines()]
    for row in plain:
        row["mask_file_name"] = f"mask-{row['file_name']}"
        (folder / row["mask_file_name"]).write_bytes((folder / row["file_name"]).read_bytes())

    def say(*focuses: Any) -> None:
        rows = ({**row, **({"crop_focus": f} if f else {})}
                for row, f in zip(plain, focuses, strict=True))  # fmt: skip
        meta.write_text("".join(json.dumps(row) + "\n" for row in rows))

    project = make_project(data=folder, max_train_steps=1, random_flip=True)
    say(None, None)
    before, said = _told(project, dry_run=True)
    assert "crop_focus" not in said
    say([1, 0.5], None)
    after, said = _told(project)
    assert after != before  # another run
    assert "1 of 2 pictures cut where crop_focus says" in said
    for kind, first in (("latents", "picture0.png"), ("masks", "mask-picture0.png")):
        names = {path.name for path in (tmp_path / "cache" / kind).rglob("*.safetensors")}
        places = {name.split("_")[1] + name.split("_")[2] for name in names
                  if name.startswith(sha256_of(folder / first))}  # fmt: skip
        assert places == {"64x64128x64+64+0"}
        assert len(names) == 4  # the other one in the middle; each mirrored as well
    seen = inspect(folder, train=project.train, base=project.base).seen
    assert [one.box for one in seen if "mask" not in one.name] == [
        (64, 0, 128, 64), (32, 0, 96, 64),
    ]  # fmt: skip
    say([2, 0], None)
    with pytest.raises(HubtoolsError, match=r"metadata.jsonl:1: crop_focus is \[2, 0\]: its numb"):
        _told(project, dry_run=True)
