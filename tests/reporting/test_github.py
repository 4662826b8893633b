"""Findings as workflow commands of GitHub."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hubtools.findings import Finding, Report, Severity, to_json
from hubtools.reporting.github import to_github


def test_github_annotations_are_escaped() -> None:
    finding = Finding("X1", Severity.INFO, "50%\nof it", None, "a,b:c.txt", 3, 4)
    assert to_github(Report("x", (finding,)), "data/") == (
        "::notice file=data/a%2Cb%3Ac.txt,line=3,col=4,title=X1::50%25%0Aof it"
    )


@given(st.text(), st.text(), st.none() | st.text(min_size=1), st.none() | st.integers(1, 9))
def test_any_words_stay_on_one_line_of_github(
    message: str, fix: str, path: str | None, line: int | None
) -> None:
    finding = Finding("X1", Severity.ERROR, message, fix, path, line)
    text = to_github(Report("x", (finding,)))
    assert "\n" not in text
    assert "\r" not in text
    assert text.startswith("::error ")
    assert json.loads(to_json(Report("x", (finding,))))["findings"][0]["message"] == message
