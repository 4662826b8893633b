"""Cards of somebody else: every rule takes time in proportion to the card, and ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools import cardschema
from hubtools.cardlinks import prose
from hubtools.cards.rules import check_card
from hubtools.cards.view import CardView
from tests.typed import typed

FRONT = "---\nlicense: mit\n---\n# A\n\n"
# A piece that is repeated, with what stands before and behind it.
BODIES: dict[str, tuple[str, str, str]] = {
    "a heading of marks": ("# a", "#", "x"),
    "a heading of blanks": ("# a", " ", "x"),
    "blanks below a table's head": ("a|\n", " ", "x|"),
    "dashes below a table's head": ("a|\n", "- ", "x|"),
    "cells below a table's head": ("a|\n", "|-", "x"),
    "backticks": ("", "`", "a"),
    "brackets": ("", "![", ""),
    "brackets in brackets": ("", "![a[b]", ""),
}
LONG = 1_000_000  # letters: an hour, where the time grows by the square


@pytest.mark.parametrize("shape", BODIES)
def test_rules_of_a_text_end(tmp_path: Path, shape: str) -> None:
    before, piece, behind = BODIES[shape]
    text = FRONT + before + piece * (LONG // len(piece)) + behind + "\n"
    (tmp_path / "README.md").write_text(text)
    assert check_card(tmp_path, "model").findings


FRONTS: dict[str, Callable[[int], str]] = {
    "keys that nobody knows": lambda number: f"k{number}: x\n",
    "keys that are nearly known": lambda number: f"licence{number}: x\n",
    "widgets": lambda number: (
        "widget:\n" * (not number) + "- output: {url: https://hf.co/a/b/c/blob/x}\n"
    ),
}


@pytest.mark.parametrize("shape", FRONTS)
def test_rules_of_a_front_matter_end(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number of keys is compared with those of the Hub, and lines are read once."""
    asked: list[str] = []
    nearest = cardschema.nearest_key

    def counted(key: str, kind: str) -> str | None:
        asked.append(key)
        return nearest(key, kind)

    monkeypatch.setattr(cardschema, "nearest_key", counted)
    lines = "".join(FRONTS[shape](number) for number in range(1500))
    (tmp_path / "README.md").write_text(f"---\nlicense: mit\n{lines}---\n# A\n")
    assert check_card(tmp_path, "model").findings
    assert len(asked) <= 500


def test_a_link_that_no_disk_has(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        FRONT + f"[a]({'x' * 5000}) [b](a%00b) [c]({'d/' * 900}x)\n"
        f'<img src="{"y" * 1500}">\n```python\nload(weight_name="{"z" * 999}")\n```\n'
    )
    found = [one.rule for one in check_card(tmp_path, "model").findings]
    assert found.count("C205") >= 3
    assert "C206" in found
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n')
    done = typed("card", "--check", tmp_path)
    assert done.returncode == 3, done.stderr
    assert "too long" not in done.stderr


def test_what_is_meant_is_read_as_before(tmp_path: Path) -> None:
    assert prose("a `b` ``c`` d").replace(" ", "") == "ad"
    lines = ["license: mit", "'tags' : [a]", '"language": en', "license: x", "---"]
    text = "---\n" + "\n".join(lines) + "\n# A\n"
    view = CardView(tmp_path, "model", text, None)  # type: ignore[arg-type]
    assert [view.line_of(key) for key in ("license", "tags", "language")] == [2, 3, 4]
    assert (view.line_of("license", last=True), view.line_of("A")) == (5, None)
    assert not re.search("`", prose("x `y`"))
