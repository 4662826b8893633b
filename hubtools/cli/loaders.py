"""The table that `validate` shows: what each loader makes of the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hubtools.cli.output import Output

# The three calls of `datasets`; the fourth way, DreamBooth's, reads bare folders of pictures.
_DATASETS = ("auto", "imagefolder", "diffusers")
_NAMES = {
    "auto": "path, the Hub",
    "imagefolder": "imagefolder",
    "diffusers": "diffusers",
    "dreambooth": "DreamBooth",
}


def show_loaders(loaders: dict[str, dict[str, Any]], out: Output) -> None:
    """One line if the three calls of `datasets` agree and lose nothing, else a table (stderr)."""
    ways = [loaders[mode] for mode in _DATASETS]
    splits = {_rows(way) for way in ways}
    if len(splits) == 1 and not any(w["lost"] or w["outcome"] != "loads" for w in ways):
        out.note(f"all loaders agree: {splits.pop()} ({', '.join(_columns(ways[0]))})")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("loader", "module", "rows", "columns", "lost", "outcome"):
        table.add_column(column, header_style="bold", overflow="fold")
    reasons: dict[str, list[str]] = {}
    for mode, way in loaders.items():
        if way["reason"]:
            reasons.setdefault(way["reason"], []).append(_NAMES[mode])
        colour = {"loads": "green", "by chance": "yellow", "may raise": "yellow"}
        table.add_row(
            _NAMES[mode],
            way["module"] or "",
            _rows(way),
            ", ".join(_columns(way)),
            str(way["lost"] or ""),
            Text(way["outcome"], style=colour.get(way["outcome"], "red")),
        )
    console = Console(stderr=True, highlight=False)
    console.print(table)
    for reason, names in reasons.items():
        console.print(Text(f"{'; '.join(names)}: {reason}", style="dim"), soft_wrap=True)


def _rows(way: dict[str, Any]) -> str:
    """`3 rows in train, 1 in test`."""
    parts: list[str] = []
    for name, split in way["splits"].items():
        rows = split["rows"]
        noun = "" if parts else (" row" if rows == 1 else " rows")
        parts.append(f"{'?' if rows is None else rows}{noun} in {name}")
    return ", ".join(parts)


def _columns(way: dict[str, Any]) -> list[str]:
    """Of the first split; all splits have the same."""
    for split in way["splits"].values():
        return list(split["columns"])
    return []
