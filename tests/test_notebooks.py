"""What notebooks show is escaped, and bounded."""

from __future__ import annotations

from hubtools.findings import Finding, Report, Severity


def test_a_report_shows_itself() -> None:
    bad = "<img src=x onerror=alert(1)>\x1b[31m"
    found = tuple(Finding("D101", Severity.ERROR, bad, bad, bad, n) for n in range(300))
    shown = Report(bad, found)._repr_html_()
    assert "<img" not in shown
    assert "\x1b" not in shown
    assert shown.count("<tr>") == 1 + 100 + 1
    assert "and 200 more" in shown
    assert "no problems found" in Report("pictures")._repr_html_()
    assert str(Report("pictures")) == "pictures: no problems found"
