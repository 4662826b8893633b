"""What the pages of the P rules say about leaving one out works when it is typed."""

from __future__ import annotations

import re
from pathlib import Path

from hubtools.project import load_project
from tests.security.secrets_corpus import picture
from tests.typed import typed

PAGES = Path(__file__).parents[2] / "docs/rules"


def test_every_advice_to_ignore_can_be_typed(local_hub: object, tmp_path: Path) -> None:
    root = tmp_path / "people"
    root.mkdir()
    (root / "0.png").write_bytes(picture())
    words: list[str] = []
    for page in sorted(PAGES.glob("P*.md")):
        for command in re.findall(r"`hubtools push (--ignore [^`]+)`", page.read_text()):
            assert command.split()[1] == page.stem
            words += command.split()
    assert len(words) > 40
    done = typed("push", root, "me/people", "--type", "dataset", "--dry-run", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for guard in ("P101", "P113", "P117", "P118", "P130", "P131", "P132"):
        assert "--ignore P" not in (PAGES / f"{guard}.md").read_text()


def test_every_setting_of_a_page_is_one(tmp_path: Path) -> None:
    seen = 0
    for page in sorted(PAGES.glob("P*.md")):
        left_out = page.read_text().partition("## Leave it out")[2]
        lines = re.findall(r"^    (.*)$", left_out, re.MULTILINE)
        if lines:
            (tmp_path / "hubtools.toml").write_text("\n".join(lines) + "\n")
            project = load_project(tmp_path)
            assert project.push.allow or project.push.allowed_secrets or project.rules.ignore
            seen += 1
    assert seen > 20
