"""Which files of its repository a card names."""

from __future__ import annotations

import os
import random
import re

import pytest

from hubtools.cardlinks import gallery_files, linked_files, mentioned_files, names_meant
from hubtools.frontmatter import parse

PIECES = (
    *("---\n", "widget:\n- output:\n    url: ", "license_link: ", "path: ", "url: ", "```python\n"),
    *(
        "```\n",
        "`",
        "![a](",
        "[b]( <",
        ")",
        ">",
        '<img alt="',
        '" src=',
        'src="',
        "href='",
        '"',
        "'",
    ),
    *("images/a.png", "./b c.png", "x/../c%20d.png", "d.png#e", "e.png?f=1#g", "../out.png"),
    *("/etc/f", "https://example.com/g.png", "//h/i.png", "j.safetensors", "\n", " ", "](", "text"),
)


def mentioned(card: str) -> frozenset[str]:
    matter = parse(card)
    return mentioned_files(card, matter.body, matter.data)


@pytest.mark.parametrize("seed", range(40))
def test_nothing_that_looks_like_a_link_is_passed_over(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(25):
        card = "".join(dice.choices(PIECES, k=dice.randint(1, 30)))
        names = mentioned(card)
        for pattern in (
            r"(?:url|path|license_link)\s{0,20}:\s{0,20}[\"']?([^\s\"']+)",
            r"\]\(\s{0,20}<?([^)\s>]+)",
            r"(?:src|href)=[\"']([^\"'\n]{1,4000})",
        ):
            for name in re.findall(pattern, card):
                clean = os.path.normpath(name.split("#")[0].split("?")[0])
                if "://" not in name and not clean.startswith(("..", "/")):
                    assert clean in names, card
        matter = parse(card)
        shown = [name for name, _ in linked_files(matter.body)]
        shown += [url for _, url in gallery_files(matter.data)]
        assert names >= {name for path in shown for name in names_meant(path)}, card


def test_code_and_front_matter_name_files_as_well() -> None:
    card = "---\nlicense_link: LICENSE.md\n---\n```html\n<a href='n.html'>\n```\n![p](a%20b.png)"
    assert {"LICENSE.md", "n.html", "a b.png"} <= mentioned(card)
