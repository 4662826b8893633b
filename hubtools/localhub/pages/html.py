"""Writing HTML: everything is escaped unless it says that it is HTML already."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from html import escape
from importlib import resources
from urllib.parse import quote

from starlette.responses import Response

from hubtools.localhub.http import Call
from hubtools.localhub.problems import Problem

# Forms ask for another view of the same page; nothing else may be loaded, run or sent to.
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
PREFIX: ContextVar[str] = ContextVar("PREFIX", default="")
"""How the addresses of this Hub begin, in the request that is answered."""
_ADDRESSES = ("href", "src", "action")
_VOID = ("img", "link", "meta", "br", "input")


class Html(str):
    """Text that is HTML already and must not be escaped again."""

    __slots__ = ()


# What turns the direction of writing makes `gnp.exe` of a name that ends in .png.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def text(value: object) -> Html:
    """`value` fit to stand between tags or inside a quoted attribute; characters that turn the
    direction of what follows are spelt out."""
    if isinstance(value, Html):
        return value
    shown = _TURNS.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))
    return Html(escape(shown, quote=True))


def tag(element: str, /, *children: object, **attributes: str | None) -> Html:
    """`<element key="value">children</element>`; `class_` is written `class`, `aria_label`
    `aria-label`; None is left out. An address that begins with a slash is one of this Hub."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(at(value) if key in _ADDRESSES else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in _VOID:
        return Html(f"<{element}{written}>")
    return Html(f"<{element}{written}>{join(*children)}</{element}>")


def at(address: str) -> str:
    """An address of this Hub (`/a/b`) as a page has it; others stay as they are."""
    return PREFIX.get() + address if address[:1] == "/" != address[1:2] else address


def join(*parts: object) -> Html:
    """The parts one after the other; None is nothing."""
    return Html("".join(text(part) for part in parts if part is not None))


def link(href: str, *children: object, **attributes: str | None) -> Html:
    """A link inside this Hub, or to the web."""
    return tag("a", *children, href=href, **attributes)


def path(*segments: str) -> str:
    """`/a/b c` as `/a/b%20c`: each segment quoted, slashes within kept."""
    return "/" + "/".join(quote(segment) for segment in segments if segment)


def document(title: str, *body: object, status: int = 200) -> Response:
    """A whole page."""
    content = join(
        Html("<!doctype html>\n"),
        tag(
            "html",
            tag(
                "head",
                tag("meta", charset="utf-8"),
                tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
                tag("title", title),
                tag("link", rel="icon", href="/-/icon.svg", type="image/svg+xml"),
                tag("link", rel="stylesheet", href="/-/style.css"),
                tag("script", src="/-/page.js", defer=""),
            ),
            tag(
                "body",
                tag(
                    "header",
                    tag(
                        "div",
                        tag("strong", link("/", "Embedded Hub")),
                        tag("span", "on this machine only", class_="where"),
                        tag(
                            "nav",
                            *(link(f"/{p.lower()}", p) for p in ("Models", "Datasets", "Spaces")),
                        ),
                    ),
                    class_="top",
                ),
                tag("main", *body),
                tag("footer", "Served by hubtools from this machine. Nothing here is public."),
            ),
            lang="en",
        ),
    )
    headers = {"Content-Security-Policy": CSP, "Content-Type": "text/html; charset=utf-8"}
    return Response(
        content.encode("utf-8", "replace"), status, headers | {"Cache-Control": "no-store"}
    )


_ASSETS = {
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def asset(call: Call) -> Response:
    """Style, script and icon of all pages, which is all that they load beside pictures."""
    name = call.params["asset"]
    if name not in _ASSETS:
        raise Problem(404, f"There is no /-/{name}.")
    data = resources.files(__package__).joinpath(name).read_bytes()
    return Response(data, headers={"Content-Type": _ASSETS[name]})


def cut(value: str, most: int) -> str:
    """The beginning of a text. What people bring has any length, and a page shows it many times."""
    return value if len(value) <= most else f"{value[:most]}..."


def pager(page: int, pages: int, to: Callable[[int], str]) -> Html | None:
    """Links to the pages beside the one with the number `page`, from 0."""
    if pages <= 1:
        return None
    parts: list[object] = []
    if page:
        parts += [link(to(page - 1), "← previous", rel="prev"), " "]
    parts.append(tag("span", f"page {page + 1:,} of {pages:,}", class_="soft"))
    if page + 1 < pages:
        parts += [" ", link(to(page + 1), "next →", rel="next")]
    return tag("p", *parts, class_="pager")


def scrolled(table: Html) -> Html:
    """A table in a box of its own that scrolls where the page is too narrow for it."""
    return tag("div", table, class_="scroll", tabindex="0")
