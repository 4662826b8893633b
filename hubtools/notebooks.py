"""Results as a notebook shows them: small tables, every text escaped; and how far work is, in a
line below the cell."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from hubtools.printable import visible

_PAUSE = 0.5  # seconds between two states of a line


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook. IPython in a terminal is none."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ask is not None and getattr(ask(), "kernel", None) is not None


class Line:
    """A line below the cell that runs, written anew as work goes on; only `in_notebook`."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._last = 0.0

    def show(self, sentence: str, *, ends: bool = False) -> None:
        """Write it, unless the last one was written just now and this is not the one that `ends`
        the work."""
        now = time.monotonic()
        if self._shown is not None and not ends and now - self._last < _PAUSE:
            return
        self._last = now
        from IPython.display import display

        told = {"text/plain": visible(sentence)}
        if self._shown is None:
            self._shown = display(told, raw=True, display_id=True)
        else:
            self._shown.update(told, raw=True)


def followed(doing: str) -> Callable[[int, int], None] | None:
    """A function that is told `done` and `total`, and shows both below the cell; None where this is
    no notebook."""
    if not in_notebook():
        return None
    line = Line()
    return lambda done, total: line.show(f"{doing}: {done:,} of {total:,}", ends=done >= total)


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of texts in HTML; `head` may be empty."""

    def line(tag: str, cells: Sequence[object]) -> str:
        style = ' style="text-align: left; vertical-align: top"'
        shown = (f"<{tag}{style}>{escape(visible(str(cell)))}</{tag}>" for cell in cells)
        return f"<tr>{''.join(shown)}</tr>"

    top = f"<thead>{line('th', head)}</thead>" if head else ""
    body = "".join(line("td", row) for row in rows)
    return f"<table><caption>{escape(visible(title))}</caption>{top}<tbody>{body}</tbody></table>"
