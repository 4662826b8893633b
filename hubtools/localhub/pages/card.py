"""A README as HTML. Of raw HTML a few harmless tags without attributes are kept (as folded parts
have) and pictures of the repository; the rest is shown as text, comments vanish, and `<Gallery />`
becomes the pictures of the front matter's `widget`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from hubtools.localhub import cardyaml
from hubtools.localhub.model import Snapshot
from hubtools.localhub.names import path_fault
from hubtools.localhub.pages.html import Html, join, link, path, tag, text

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_RAW = (("<!--", "-->"), ("<?", "?>"), ("<![CDATA[", "]]>"), ("<!", ">"))
# of what is kept, and pictures
_TAGS = re.compile(
    r"(</?(?:details|summary|br|hr|sub|sup|kbd|b|i|em|strong|p|center)[ \t]{0,9}/?>|<details open>"
    r"|<img\b[^<>]{0,2000}>)",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"\b(src|alt)\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+))", re.I)
_LONGEST = 500_000  # letters of a card that are shown
_GALLERY = re.compile(r"<Gallery\s*/?>(?:\s*</Gallery>)?")


@dataclass(frozen=True)
class Place:
    """Where the links of a page lead: a snapshot, and the key that opens its files."""

    snapshot: Snapshot
    key: str | None

    def file(self, name: str) -> str:
        """The address of a file's bytes."""
        where = path(self.snapshot.repo.url_path, "resolve", self.snapshot.commit.oid, name)
        return f"{where}?key={self.key}" if self.key else where

    def page(self, name: str) -> str:
        """The address of a file's page."""
        return path(self.snapshot.repo.url_path, "blob", "main", name)

    def own(self, address: str) -> str | None:
        """The repository's file an address in a card means; None if it means none of them."""
        parts = urlsplit(address)
        name = unquote(parts.path)
        if parts.scheme or parts.netloc:
            # Cards written for the Hub name their pictures by full address.
            match = re.search(r"/(?:resolve|blob|raw)/[^/]+/(.+)$", name)
            repo = f"/{self.snapshot.repo.full_name}/"
            name = match[1] if match and repo in name else ""
        name = name.removeprefix("./").removeprefix("/")
        return name if path_fault(name) is None and name in self.snapshot.files else None


def render(readme: str, place: Place) -> Html:
    """The body of a README (without its front matter)."""
    _, body = cardyaml.split(readme)
    body = _closed(body[:_LONGEST])
    pictures = widget_gallery(cardyaml.metadata(readme), place)
    markdown = MarkdownIt("commonmark", {"html": True}, renderer_cls=_renderer(place, pictures))
    markdown.enable(["table", "strikethrough"])
    return Html(markdown.render(body))


def _closed(body: str) -> str:
    """The text with raw HTML that does not end as plain text: markdown-it would look for its end
    from each beginning anew."""
    for begin, end in _RAW:
        last = body.rfind(end)
        at = body.find(begin, last + 1)
        if at >= 0:
            body = body[:at] + body[at:].replace(begin, f"&lt;{begin[1:]}")
    return body


def widget_gallery(card: Mapping[str, Any], place: Place) -> Html:
    """The pictures of `widget` with their prompts; nothing if there are none."""
    entries = card.get("widget")
    figures = []
    for entry in entries if isinstance(entries, list) else []:
        output = entry.get("output") if isinstance(entry, dict) else None
        address = output.get("url") if isinstance(output, dict) else None
        if not isinstance(address, str):
            continue
        parameters = entry.get("parameters")
        without = parameters.get("negative_prompt") if isinstance(parameters, dict) else None
        figures.append(picture(place, address, str(entry.get("text") or ""), without))
    return gallery(figures)


def gallery(figures: Sequence[Html]) -> Html:
    """Figures in a grid; nothing if there are none."""
    return tag("div", *figures, class_="gallery") if figures else Html("")


def picture(place: Place, address: str, caption: str, negative: object = None) -> Html:
    """A picture with its caption; a picture of another server is named, not loaded."""
    name = place.own(address)
    if name is None:
        shown = tag("div", "missing: ", address, class_="none")
    else:
        shown = link(
            place.file(name), tag("img", src=place.file(name), alt=caption, loading="lazy")
        )
    without = tag("span", f"without: {negative}", class_="soft") if negative else None
    return tag("figure", shown, tag("figcaption", caption, without) if caption else None)


def _renderer(place: Place, pictures: Html) -> type[RendererHTML]:
    """markdown-it's renderer with our own idea of raw HTML, links and pictures."""

    class Renderer(RendererHTML):
        def html_block(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            shown = self._raw(tokens[idx].content)
            return f"{shown}\n" if shown else ""

        def html_inline(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            return self._raw(tokens[idx].content)

        def _raw(self, content: str) -> str:
            pieces = _GALLERY.split(_COMMENT.sub("", content))
            return pictures.join(Html("".join(map(self._piece, _TAGS.split(p)))) for p in pieces)

        def _piece(self, piece: str) -> str:
            if not piece.strip():
                return ""
            if not _TAGS.fullmatch(piece):
                return text(piece)
            if not piece.lower().startswith("<img"):
                return piece
            said = {m[1].lower(): m[2] or m[3] or m[4] or "" for m in _ATTRIBUTE.finditer(piece)}
            return self._picture(unescape(said.get("src", "")), unescape(said.get("alt", "")))

        def image(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            token = tokens[idx]
            address = str(token.attrGet("src") or "")
            words = self.renderInlineAsText(token.children or [], options, env)
            return self._picture(address, words)

        def _picture(self, address: str, words: str) -> str:
            name = place.own(address)
            if name is not None:
                return tag("img", src=place.file(name), alt=words, loading="lazy")
            if urlsplit(address).scheme in ("http", "https"):
                return link(address, f"[picture: {words or address}]", rel="noreferrer")
            return join("[picture: ", words or address, "]")

        def link_open(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            token = tokens[idx]
            address = str(token.attrGet("href") or "")
            name = place.own(address)
            if name is not None:
                token.attrSet("href", place.page(name))
            elif urlsplit(address).scheme not in ("http", "https", "mailto", ""):
                token.attrSet("href", "#")
            token.attrSet("rel", "noreferrer")
            return self.renderToken(tokens, idx, options, env)

    return Renderer
