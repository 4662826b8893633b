"""Every promise of SECURITY.md names a test, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    promises = text.split("\n## Promises\n")[1].split("\n## ")[0]
    rows = [
        line
        for line in promises.splitlines()
        if line.startswith("|") and not re.match(r"\|\s*(-+|promise)", line)
    ]
    assert len(rows) > 20
    for row in rows:
        named = _TEST.findall(row)
        assert named, f"no test is named: {row}"
        for file, name in named:
            source = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^\s*(async )?def {name}\(", source, re.M), f"{file} has no {name}"
