"""Results as a notebook shows them: small tables, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hubtools.printable import visible


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts in HTML; `head` may be empty."""

    def line(tag: str, cells: Sequence[object]) -> str:
        style = ' style="text-align: left; vertical-align: top"'
        shown = (f"<{tag}{style}>{escape(visible(str(cell)))}</{tag}>" for cell in cells)
        return f"<tr>{''.join(shown)}</tr>"

    top = f"<thead>{line('th', head)}</thead>" if head else ""
    body = "".join(line("td", row) for row in rows)
    return f"<table><caption>{escape(visible(title))}</caption>{top}<tbody>{body}</tbody></table>"
