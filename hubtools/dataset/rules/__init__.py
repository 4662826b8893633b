"""The dataset rules. A rule is a function; `DATASET_RULES` has them all once this is imported."""

from hubtools.dataset.rules import (
    archives,
    bounds,
    captions,
    columns,
    duplicates,
    hub,
    layout,
    links,
    loaders,
    metadata,
    partners,
    pictures,
    private,
    rights,
    shards,
    sources,
    wording,
)
from hubtools.dataset.rules.book import DATASET_RULES

__all__ = [
    "DATASET_RULES",
    "archives",
    "bounds",
    "captions",
    "columns",
    "duplicates",
    "hub",
    "layout",
    "links",
    "loaders",
    "metadata",
    "partners",
    "pictures",
    "private",
    "rights",
    "shards",
    "sources",
    "wording",
]
