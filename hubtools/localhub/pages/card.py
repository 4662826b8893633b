"""A README as HTML. Of raw HTML a few harmless tags without attributes are kept (as folded parts
have) and pictures of the repository; the rest is shown as text, comments vanish, and `<Gallery />`
becomes the pictures of the front matter's `widget`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import unescape
from itertools import islice
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from hubtools.findings import Finding
from hubtools.localhub import cardyaml
from hubtools.localhub.pages.findings import finding
from hubtools.localhub.pages.html import Html, at, cut, join, link, tag, text
from hubtools.localhub.pages.place import Place, parts_of

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
_BRACKET = re.compile(r"\[")
_BRACKETS = 50_000  # and brackets
_PICTURES = 200  # of a gallery
_WORDS = 2000  # letters below a picture
_BESIDE = 8000  # letters of all that stands beside a large picture
_GALLERY = re.compile(r"<Gallery\s*/?>(?:\s*</Gallery>)?")


def render(readme: str, place: Place, found: Sequence[Finding] = ()) -> Html:
    """The body of a README (without its front matter), with what was `found` in it behind the
    paragraphs, tables and lists that it speaks of."""
    _, body = cardyaml.split(readme)
    first = readme[: len(readme) - len(body)].count("\n") + 1
    pictures = widget_gallery(cardyaml.metadata(readme), place)
    return rendered(body, place, pictures, found, first)


def rendered(
    body: str,
    place: Place,
    pictures: Html = Html(""),  # noqa: B008
    found: Sequence[Finding] = (),
    first: int = 1,
) -> Html:
    """A text in Markdown; `pictures` stand where it has a gallery, `first` is its first line."""
    body = _closed(_within(body[:_LONGEST]))
    markdown = MarkdownIt("commonmark", {"html": True}, renderer_cls=_renderer(place, pictures))
    markdown.enable(["table", "strikethrough"])
    env: EnvType = {}
    tokens = _with_findings(markdown.parse(body, env), found, first)
    return Html(markdown.renderer.render(tokens, markdown.options, env))


def in_body(readme: str, found: Sequence[Finding]) -> list[Finding]:
    """Those that speak of a line behind the front matter."""
    _, body = cardyaml.split(readme)
    last = readme[: len(readme) - len(body)].count("\n")
    return [one for one in found if one.line is not None and one.line > last]


def _with_findings(tokens: list[Token], found: Sequence[Finding], first: int) -> list[Token]:
    """The tokens, and behind each block those of what was found in it. `first`: the line of the
    README in which the body begins, from 1."""
    waiting = sorted((one for one in found if one.line is not None), key=lambda one: one.line or 0)
    if not waiting:
        return tokens
    done: list[Token] = []
    end, place = 0, 0
    for token in tokens:
        done.append(token)
        if token.level == 0 and token.map:
            end = token.map[1]
        if token.level == 0 and token.nesting <= 0:
            while place < len(waiting) and (waiting[place].line or 0) - first < end:
                done.append(_finding(waiting[place]))
                place += 1
    return done + [_finding(one) for one in waiting[place:]]


def _finding(found: Finding) -> Token:
    return Token("finding", "", 0, content=finding(found))


def _within(body: str) -> str:
    """The text up to its last bracket that is looked at: for each that is not closed markdown-it
    takes time and memory."""
    brackets = [match.start() for match in islice(_BRACKET.finditer(body), _BRACKETS + 1)]
    return body if len(brackets) <= _BRACKETS else body[: brackets[-1]]


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
    figures: list[Html] = []
    for entry in entries if isinstance(entries, list) else []:
        output = entry.get("output") if isinstance(entry, dict) else None
        address = output.get("url") if isinstance(output, dict) else None
        if not isinstance(address, str):
            continue
        given = entry.get("parameters")
        parameters = given if isinstance(given, dict) else {}
        prompt = str(entry.get("text") or "")
        facts = [("Prompt", prompt)] if prompt else []
        facts += [(str(k).replace("_", " ").capitalize(), str(v)) for k, v in parameters.items()]
        without = parameters.get("negative_prompt")
        if len(figures) == _PICTURES:
            return gallery([*figures, tag("p", "and more", class_="soft")])
        figures.append(figure(place, address, prompt, facts, without))
    return gallery(figures)


def gallery(figures: Sequence[Html]) -> Html:
    """Figures in a grid; nothing if there are none."""
    return tag("div", *figures, class_="gallery") if figures else Html("")


def figure(
    place: Place,
    address: str,
    caption: str,
    facts: Sequence[tuple[str, str]] = (),
    negative: object = None,
) -> Html:
    """A picture with its caption, which opens large with the `facts` beside it and what its file
    says of how it was drawn; one of another server is named, not loaded."""
    name = place.own(address)
    if name is not None:
        return shown(place, name, caption, facts, negative)
    return tag("figure", tag("div", "missing: ", address, class_="none"), _words(caption, negative))


def shown(
    place: Place,
    name: str,
    caption: str,
    facts: Sequence[tuple[str, str]] = (),
    negative: object = None,
) -> Html:
    """The same of a file of the repository by its name, which is no address: `#` and `%` in it
    mean nothing."""
    words = _words(caption, negative)
    large = opens(place, name, cut(caption, _WORDS))
    return tag("figure", large, about(place, name, facts), words)


def _words(caption: str, negative: object) -> Html | None:
    if not caption:
        return None
    minus = cut(f"without: {negative}", _WORDS) if negative else None
    without = tag("span", minus, class_="soft") if minus else None
    return tag("figcaption", tag("span", cut(caption, _WORDS)), without)


def opens(place: Place, name: str, words: str) -> Html:
    """A picture of the repository that opens large."""
    address = place.file(name)
    shown = tag("img", src=address, alt=words or name, loading="lazy")
    return link(address, shown, class_="zoom")


def about(place: Place, name: str, facts: Sequence[tuple[str, str]]) -> Html:
    """What stands beside the large picture."""
    known = {key for key, _ in facts}
    every = [*facts, *(fact for fact in place.drawn_with(name) if fact[0] not in known)]
    return tag("template", tag("strong", name), listed(every), link(place.page(name), "its file"))


def listed(facts: Sequence[tuple[str, str]]) -> Html | None:
    """Names and values, of all together no more than a few thousand letters."""
    rows: list[Html] = []
    left = _BESIDE
    for key, value in facts:
        if value and left > 0:
            shown = cut(key, 100), cut(value, left)
            rows.append(join(tag("dt", shown[0]), tag("dd", shown[1])))
            left -= len(shown[0]) + len(shown[1])
    return tag("dl", *rows) if rows else None


def _renderer(place: Place, pictures: Html) -> type[RendererHTML]:
    """markdown-it's renderer with our own idea of raw HTML, links and pictures."""

    class Renderer(RendererHTML):
        closing: list[str]  # of links that are open

        def __init__(self, parser: Any = None) -> None:
            super().__init__(parser)
            self.closing = []
            self.pictures = pictures  # until they have been shown

        def finding(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            return tokens[idx].content

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
            first, *others = _GALLERY.split(_COMMENT.sub("", content))
            shown = ["".join(map(self._piece, _TAGS.split(first)))]
            for piece in others:
                shown += [self.pictures, *map(self._piece, _TAGS.split(piece))]
                self.pictures = Html("")
            return "".join(shown)

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
                if not self.closing:  # a picture in a link does not open itself
                    return opens(place, name, words)
                return tag("img", src=place.file(name), alt=words, loading="lazy")
            if parts_of(address).scheme in ("http", "https"):
                return link(address, f"[picture: {words or address}]", rel="noreferrer")
            return join("[picture: ", words or address, "]")

        def link_open(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            token = tokens[idx]
            address = str(token.attrGet("href") or "")
            name = place.own(address)
            if name is not None:
                token.attrSet("href", at(place.page(name)))
            elif parts_of(address).scheme not in ("http", "https", "mailto", ""):
                token.attrSet("href", "#")
            elif (there := place.repository(address)) is not None:
                if not there.here:
                    self.closing.append("</span>")
                    return tag("span", title="this Hub does not have it")[: -len("</span>")]
                token.attrSet("href", at(there.href))
            self.closing.append("</a>")
            token.attrSet("rel", "noreferrer")
            return self.renderToken(tokens, idx, options, env)

        def link_close(
            self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
        ) -> str:
            return self.closing.pop()

    return Renderer
