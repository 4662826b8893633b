"""`validate`: everything that can be wrong with a folder of pictures, before anything is done."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.view import DatasetView, view
from hubtools.files import StrPath
from hubtools.findings import Report
from hubtools.project import DatasetSettings


def validate(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    strict: bool = False,
    resolution: int | None = None,
    base: StrPath | None = None,
    on_picture: Callable[[int, int], None] | None = None,
) -> Report:
    """Check the imagefolder at `folder` by all dataset rules (`select`, `ignore`: id prefixes).

    `resolution` is that of the training to come, in pixels; default that of the target: what
    `settings.target` names, else what `base` is, a pipeline folder or a Hub id. Its tokenizers
    count the captions' tokens where they are on this machine. `strict` makes warnings errors.
    `on_picture(done, total)` follows the reading. Raises `HubtoolsError` if there is no such
    folder, `UsageError` for an unknown rule id.
    """
    folder = Path(folder)
    settings = settings or DatasetSettings()
    with _no_collector():
        looked = view(folder, settings, resolution=resolution, base=base, on_picture=on_picture)
        findings = DATASET_RULES.run(looked, select=select, ignore=ignore, strict=strict)
        return Report(folder.name or str(folder), tuple(findings), _facts(looked))


@contextmanager
def _no_collector() -> Iterator[None]:
    """Without the search for cycles: of a million records none is garbage, and it would look at
    all of them again and again, for half of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _facts(looked: DatasetView) -> dict[str, Any]:
    table = looked.table
    width, height = (table.column(side).tolist() for side in ("width", "height"))
    sizes = sorted({size for size in zip(width, height, strict=True) if size[0]})
    facts: dict[str, Any] = {
        "pictures": len(looked.pictures),
        "rows": len(looked.rows),
        "captions": len(looked.captions),
        "bytes": int(table.column("bytes").sum()),
        "resolution": looked.resolution,
        "target": looked.target.name if looked.target else None,
        "tokens_counted_by": looked.counter.source,
        "text_encoders": [
            {
                "name": counter.encoder.name,
                "tokens": counter.room,
                "counted_by": counter.source,
                "exact": counter.exact,
            }
            for counter in looked.counters
        ],
        "loaders": {mode.value: loaded.to_dict() for mode, loaded in looked.loaders.items()},
    }
    if looked.settings.plan:
        entries, unplanned = looked.coverage
        facts["coverage"] = [entry.to_dict() for entry in entries]
        facts["unplanned"] = list(unplanned)
    if sizes:
        facts["smallest"] = "{}x{}".format(*min(sizes, key=lambda s: s[0] * s[1]))
        facts["largest"] = "{}x{}".format(*max(sizes, key=lambda s: s[0] * s[1]))
    return facts
