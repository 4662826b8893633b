"""`inspect`: the pictures of a dataset as this trainer will see them, without loading a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hubtools.dataset.inspect.look import (
    Crop,
    InspectedPicture,
    Inspection,
    inspect_picture,
)
from hubtools.dataset.metadata.focus import COLUMN as FOCUS
from hubtools.dataset.metadata.focus import Focus, told_focus
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.rows import captions_in
from hubtools.dataset.view import Dataset, view
from hubtools.files import StrPath, sha256_of
from hubtools.models.targets import chosen_target, divisor_of, size_of
from hubtools.settings import DatasetSettings, TrainSettings
from hubtools.training.buckets import targets
from hubtools.training.crops import geometries_of


def inspect(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    train: TrainSettings | None = None,
    *,
    base: StrPath | None = None,
    on_picture: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Look at every picture of `folder`: its size and caption, how `train` (resolution,
    aspect_ratio_buckets, center_crop, seed) resizes and cuts it, and what speaks against that. A
    picture with a crop_focus is cut around it. Of several sizes or places the largest and the first
    is told.

    `base`: pipeline, a folder or a Hub id, that tells the resolution if none is set, and whose
    tokenizer counts caption tokens. Pictures that cannot be read are
    in `broken`. Raises `HubtoolsError` if there is no such folder.
    """
    folder = Path(folder)
    settings, train = settings or DatasetSettings(), train or TrainSettings()
    target = chosen_target(settings.target, base)
    resolution = train.resolution or size_of(target)
    looked = view(folder, settings, resolution=resolution, base=base, on_picture=on_picture)
    found: list[InspectedPicture] = []
    broken: dict[str, str] = {}
    for name, facts in looked.learnt.items():
        if is_broken(facts):
            broken[name] = facts.problem or "it cannot be read"
            continue
        rows = looked.rows_of.get(name)
        focus = told_focus(rows[0].values.get(FOCUS)) if rows else None
        found.append(seen_of(looked, facts, train, focus))
    found.sort(key=lambda one: one.name)
    counter = looked.counter
    unread = {
        f"{file.name}:{one.line}" if one.line else file.name: one.message
        for file in looked.metadata
        for one in file.troubles[:1]
    }
    room = counter.room
    return Inspection(folder, resolution, tuple(found), broken, counter.source, room, unread)


def is_broken(facts: PictureFacts) -> bool:
    """True for a picture that no trainer can read."""
    return facts.problem is not None or not facts.width


def seen_of(
    looked: Dataset, facts: PictureFacts, train: TrainSettings, focus: Focus | None
) -> InspectedPicture:
    """One picture of a set (that is not broken) as `inspect` tells of it, cut around `focus`."""
    size, resolution, counter = facts.upright_size, looked.resolution, looked.counter
    rows = looked.rows_of.get(facts.name, ())
    place = geometries_of(
        size,
        targets(size, train, resolution, divisor_of(looked.target))[-1],
        train,
        # a place by chance hangs on the file, as it does in training
        identity="" if train.center_crop or focus else sha256_of(looked.root / facts.name),
        focus=focus,
    )[0]
    cut = Crop(place.width, place.height, place.left, place.top, place.size)
    controls = tuple(
        one for row in rows[:1] for key in looked.roles_at(row).controls
        for one in row.named(key) if one in looked.listing.names  # a name may lead out
    )  # fmt: skip
    captions = [text for row in rows for text in captions_in(row, looked.settings)[:1]]
    tokens = counter.count(captions[0]) if captions else 0
    return inspect_picture(facts, cut, captions, tokens, counter.room, resolution, controls)
