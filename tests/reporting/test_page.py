"""The HTML page: one file, nothing from outside, and hostile names stay text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubtools.exhibits import (
    Bar,
    Cluster,
    Exhibits,
    Histogram,
    Loader,
    Shown,
    Wanted,
    Word,
    Words,
)
from hubtools.findings import Finding, Report, Rule, Severity
from hubtools.reporting.page import MOST_OF_A_RULE, to_html
from tests.browser import CHROMIUM, Browser

RULE = Rule("X101", "Odd number", Severity.WARNING, "It is odd.\n\nFix: add one.")
VOID = {"meta", "img", "input", "rect"}


class Page(HTMLParser):
    """Elements with their attributes, and the text inside of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, "an element is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.inside.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.inside[self.open[-1]][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def data_of(page: Page) -> Any:
    return json.loads(page.inside["script"][0])


def check(page: Page) -> None:
    """Nothing but the page's own script and style, no handler, no address."""
    assert [script.get("type") for script in page.all("script")] == ["application/json", None]
    (policy,) = [m["content"] or "" for m in page.all("meta") if "http-equiv" in m]
    for tag in ("script", "style"):
        digest = hashlib.sha256(page.inside[tag][-1].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    allowed = {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "bdi", "p", "dl", "div",
        "dt", "dd", "nav", "a", "main", "section", "h2", "h3", "table", "thead", "tbody", "tr",
        "th", "td", "button", "span", "form", "fieldset", "legend", "label", "input", "select",
        "option", "output", "noscript", "details", "summary", "ul", "ol", "li", "figure", "img",
        "figcaption", "strong", "svg", "rect", "footer", "code", "script",
    }  # fmt: skip
    for tag, attributes in page.elements:
        assert tag in allowed
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
        assert tag != "a" or (attributes["href"] or "").startswith("#")


def full(text: str, picture: bytes = b"jpeg") -> Report:
    """A report that says `text` wherever something comes from a dataset."""
    finding = Finding("X101", Severity.ERROR, text, text, text, 3, 1, text)
    shown = Shown(text, (text, text), (text,))
    exhibits = Exhibits(
        figures=(("trigger", text),),
        loaders=(Loader("auto", text, text, text, 2, "raises", text),),
        pictures=(shown,),
        clusters=(Cluster((shown, shown), 2),),
        clusters_more=3,
        histograms=(Histogram(text, text, (Bar(text, 2, True, text), Bar(text, 0))),),
        coverage=(Wanted(text, 1, None, 2, (text,)), Wanted(text, 3, 4, 2)),
        unplanned=1,
        words=Words(3, 5, (Word(text, 3),), (text,)),
        thumbnails={text: picture},
        unseen=4,
    )
    stale = [{"rule": "X101", "place": text, "message": text, "count": 1}]
    facts = {"baseline": {"file": "b.json", "known": 1, "stale": stale}}
    return Report(text, (finding,), facts, (RULE,), (replace(finding, line=9),), exhibits)


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></style></title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#60;",
    "\u202egnp.exe\u2066\x00\x1b[31m\u2028",
    "\udcff.png",
    "__proto__",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    page = Page(to_html(full(text)))
    check(page)
    told = text.encode("utf-8", "replace").decode()
    (one, known) = data_of(page)["findings"]
    assert (one["message"], one["known"], known["known"]) == (told, False, True)
    assert list(data_of(page)["pictures"]) == [told]
    if "\x00" not in text:
        assert told in page.inside["bdi"]


any_character = st.characters(exclude_categories=())


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=()) | st.sampled_from("<>&\"'/`=-!{}%#"), min_size=1)
)
def test_any_words_stay_words(text: str) -> None:
    page = Page(to_html(full(text)))
    check(page)
    assert data_of(page)["findings"][0]["message"] == text.encode("utf-8", "replace").decode()


def test_a_report_without_exhibits_or_findings() -> None:
    page = Page(to_html(Report("card")))
    check(page)
    assert "Nothing to complain about." in page.inside["p"]
    assert not page.all("svg")
    with_finding = Page(to_html(replace(full("x"), exhibits=None)))
    check(with_finding)
    assert data_of(with_finding)["pictures"] == {}


def test_the_same_report_gives_the_same_page() -> None:
    assert to_html(full("x")) == to_html(full("x"))


def test_many_findings_are_capped_by_rule_and_told() -> None:
    many = tuple(
        Finding(rule, Severity.WARNING, f"{number} is odd", path=f"{number}.png")
        for rule, count in (("X101", 20_000), ("X102", 3))
        for number in range(count)
    )
    text = to_html(Report("set", many, {}, (RULE,)))
    page = Page(text)
    held = data_of(page)["findings"]
    assert len(held) == MOST_OF_A_RULE + 3
    assert any("19,000 more findings are not on this page" in p for p in page.inside["p"])
    assert len(text) < 400_000


@pytest.mark.skipif(CHROMIUM is None, reason="no browser here")
def test_a_browser_runs_it(tmp_path: Path) -> None:
    texts = "</script><script>document.title='hacked'</script>"
    report = full(texts)
    assert report.exhibits is not None
    blank = Finding("X101", Severity.ERROR, "it is damaged", None, "b.png", None, None, "b.png")
    exhibits = report.exhibits._replace(blank={"b.png": 'it is "cut off"'})
    report = replace(report, findings=(*report.findings, blank), exhibits=exhibits)
    (tmp_path / "page.html").write_text(to_html(report), encoding="utf-8")
    with Browser(tmp_path) as browser:
        browser.open((tmp_path / "page.html").as_uri())
        browser.until("document.querySelector('.finding') && document.readyState === 'complete'")
        shown = browser.html()
    assert "<title>hacked" not in shown
    found = re.search(r'<div class="finding">(.*?)</div></div>', shown, re.DOTALL)
    assert found, "the script has not run"
    assert "&lt;/script&gt;&lt;script&gt;document.title='hacked'" in found[1]
    assert 'src="data:image/jpeg;base64,' in found[1]
    assert 'data-why="it is &quot;cut off&quot;"' in shown
