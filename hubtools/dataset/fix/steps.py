"""All steps of a fix in their order, and the table of remedies that they say beside themselves."""

from __future__ import annotations

from collections.abc import Callable

from hubtools.dataset.fix import (
    archives,
    captions,
    columns,
    formats,
    pictures,
    places,
    records,
    shards,
    sidecars,
)
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import Remedy, known_remedies

# The order matters: files first find their names and formats, then records their pictures, then
# columns and captions their form; what lies where is last.
STEPS: tuple[Callable[[Draft], None], ...] = (
    places.junk,
    formats.misnamed,
    places.metadata_names,
    archives.packed,
    formats.two_formats,
    columns.name_column,
    columns.pictures_column,
    columns.image_column,
    columns.caption_column,
    columns.rows_again,
    pictures.links,
    pictures.names,
    records.names,
    records.drop,
    pictures.removals,
    sidecars.sidecars,
    sidecars.encodings,
    records.twice,
    pictures.encodings,
    pictures.turning,
    pictures.trailers,
    pictures.privacy,
    captions.texts,
    columns.types,
    columns.missing_keys,
    columns.order,
    captions.mojibake,
    captions.trigger,
    shards.shards,
    places.besides,
    places.others,
    places.spread,
    formats.empty,
    places.split_metadata,
    places.configs,
    places.dataset_info,
)

_ROUNDS = 6

# Which rules `fix` can satisfy, by their id.
REMEDIES: dict[str, Remedy] = known_remedies()


def run_steps(draft: Draft) -> None:
    """Take every step, again and again, until none changes anything."""
    for _ in range(_ROUNDS):
        before = draft.state
        for step in STEPS:
            step(draft)
        if draft.state == before:
            break
