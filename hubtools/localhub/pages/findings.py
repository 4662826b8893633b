"""Findings of checks, beside what they speak of."""

from __future__ import annotations

from collections.abc import Sequence

from hubtools.findings import Finding, plural
from hubtools.localhub.pages.html import Html, join, link, tag

_SHOWN = 100


def finding(found: Finding, *, href: str | None = None, place: bool = True) -> Html:
    """One: its rule, what happens, the fix; its place if that is not where it stands, as a link to
    `href`."""
    where: object = None
    if place and found.place:
        at = f"#L{found.line}" if found.line else ""
        named = link(f"{href}{at}", found.place) if href else found.place
        where = tag("span", named, class_="soft place")
    return tag(
        "div",
        tag("span", found.rule, class_=f"badge {found.severity.value}"),
        where,
        tag("span", found.message, class_="said"),
        tag("span", f"Fix: {found.fix}", class_="soft fix") if found.fix else None,
        class_=f"finding {found.severity.value}",
    )


def counted(found: Sequence[Finding]) -> str:
    """`2 errors, 1 note`."""
    counts = (
        plural(number, noun)
        for severity, noun in (("error", "error"), ("warning", "warning"), ("info", "note"))
        if (number := sum(one.severity.value == severity for one in found))
    )
    return ", ".join(counts)


def findings(
    found: Sequence[Finding], title: str, *, hrefs: dict[str, str] | None = None
) -> Html | None:
    """A folded list, open if one of them is an error; None if there is none."""
    if not found:
        return None
    rows = [finding(one, href=(hrefs or {}).get(one.path or "")) for one in found[:_SHOWN]]
    more = len(found) - len(rows)
    return tag(
        "details",
        tag("summary", tag("strong", title), f" {counted(found)}"),
        *rows,
        tag("p", f"and {more} more", class_="soft") if more else None,
        class_="sheet findings",
        id="findings",
        open="" if any(one.severity.value == "error" for one in found) else None,
    )


def marks(found: Sequence[Finding]) -> Html:
    """The rules that speak of a file, short."""
    worst = {one.rule: one for one in reversed(found)}
    return join(
        *(
            tag("span", rule, class_=f"badge {one.severity.value}", title=one.message)
            for rule, one in sorted(worst.items())
        )
    )
