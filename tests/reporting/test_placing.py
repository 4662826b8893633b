"""Commands in findings mean the folder that was looked at."""

from __future__ import annotations

import pytest

from hubtools.findings import Finding, Report, Severity
from hubtools.reporting.placing import typed_for


@pytest.mark.parametrize(
    ("fix", "typed"),
    [
        ("`hubtools fix` does it", "`hubtools fix a/b` does it"),
        ("`hubtools fix --unsafe convert`", "`hubtools fix a/b --unsafe convert`"),
        ("crop it (`hubtools review`)", "crop it (`hubtools review a/b`)"),
        ("let `hubtools card` write `configs:`", "let `hubtools card a/b` write `configs:`"),
        ("`hubtools fix c`", "`hubtools fix c`"),
    ],
)
def test_commands_that_name_no_folder_get_it(fix: str, typed: str) -> None:
    report = Report("b", (Finding("D1", Severity.ERROR, "it is so", fix),))
    assert [one.fix for one in typed_for(report, " a/b").findings] == [typed]
