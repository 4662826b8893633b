"""What is found in the table of model families: by a base's name, its pipeline's class, its
configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hubtools.models.registry import LICENSES, SUPPORTED, TARGETS
from hubtools.models.rows import Encoder, LicenseRow, Support, Target


def title_of(family: str) -> str:
    """The title of a family of manifests; its name if it is unknown."""
    return SUPPORTED[family].title if family in SUPPORTED else family


def support_of(pipeline: str) -> Support | None:
    """What opens pipelines of this class; None if nothing does yet."""
    return next((s for s in SUPPORTED.values() if pipeline in s.pipelines), None)


def texts_of(support: Support) -> tuple[str, ...]:
    """Components of the family's pipelines that captions go through."""
    rows = (row for row in TARGETS.values() if row.support is support)
    parts = next(rows).components
    return tuple(part for part in parts if part.startswith(("text_encoder", "tokenizer")))


def instead_of(base: str, family: str) -> str | None:
    """The base to train on instead of a distilled one of this Hub id or folder's name; None for
    any other. `family`: its name in manifests."""
    for row in TARGETS.values():
        if row.support is not None and row.support.name == family:
            for pattern, instead in row.distilled:
                if re.search(pattern, base.lower()):
                    return instead
    return None


def widest_of(support: Support) -> Encoder:
    """The family's text encoder that reads most."""
    return next(row for row in TARGETS.values() if row.support is support).encoders[-1]


def is_flow(scheduler: Mapping[str, Any]) -> bool:
    """True if a base with a scheduler of this configuration predicts a flow (rectified flow), not
    noise or velocity."""
    named = str(scheduler.get("_class_name", "")).startswith("FlowMatch")
    return named or scheduler.get("prediction_type") == "flow_prediction"


def license_row(base_id: str) -> LicenseRow | None:
    """The licence of a base by its Hub id; first match decides, None if nothing is known."""
    return next((row for row in LICENSES if re.search(row.pattern, base_id.lower())), None)


def row_of_class(pipeline: str) -> tuple[Target, ...]:
    """The rows that pipelines of this class may belong to; those told by their configuration
    first."""
    found: dict[str, list[Target]] = {}
    for row in TARGETS.values():
        for beginning in row.classes:
            if pipeline.startswith(beginning):
                found.setdefault(beginning, []).append(row)
    rows = found[max(found, key=len)] if found else []
    return tuple(sorted(rows, key=lambda row: row.marker is None))
