"""One schema of a card for the rules, the gate of a push and the embedded Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hubtools import cardschema
from hubtools.cards.rules import check_card
from hubtools.frontmatter import lines_of, parse
from hubtools.localhub.cardyaml import judge

ODD = st.sampled_from(
    [None, True, False, 0, 3, 2.5, "", "x", "mit", "en", "English", "me/x", "./x", [], {}, [None]]
)
VALUES = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "name", "text", "url", "output", "config_name", "split", "a"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
CARDS = st.dictionaries(st.sampled_from([*sorted(cardschema.keys()), "zwx"]), VALUES, max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("card")


@settings(max_examples=100)
@given(CARDS, st.sampled_from(["model", "dataset"]))
def test_what_the_hub_refuses_is_a_finding(folder: Path, data: dict[str, Any], kind: Any) -> None:
    text = f"---\n{yaml.safe_dump(data)}---\n# A title\n\nSome words of what it is about.\n"
    (folder / "README.md").write_text(text)
    report = check_card(folder, kind)
    refused = judge(text, kind).errors
    assert not (refused and report.ok), refused
    known = {finding.rule for finding in report.findings}
    told = {violation.rule for violation in cardschema.violations(data, kind)}
    # some keys have rules that ask for more than the form
    own = {"C102", "C103"} | ({"C116"} if "C104" in known else set())
    assert told <= known | own


def test_lines_are_those_of_the_values() -> None:
    card = parse(
        "---\n# a comment\ntags:\n- a\n\n- b\nwidget:\n- text: x\n  output: {url: y}\n---\n"
    )
    paths = [("tags", 1), ("widget", 0, "output", "url"), ("widget", 3), ("none",), ("tags", 0)]
    assert lines_of(card, paths) == [6, 9, 7, None, 4]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("licence", "license"),
        ("langauge", "language"),
        ("base-model", "base_model"),
        ("pipeline tag", "pipeline_tag"),
        ("Tags", "tags"),
        ("model_index", "model-index"),
        ("library", None),
        ("my_own_key", None),
    ],
)
def test_keys_that_people_misspell(written: str, meant: str | None) -> None:
    assert cardschema.nearest_key(written, "model") == meant


def test_the_table_names_rules_and_lists_that_exist() -> None:
    from hubtools.cards.rules import CARD_RULES

    known = {rule.id for rule in CARD_RULES}
    for key, form in cardschema.schema()["properties"].items():
        assert form.get("x-rule", "C127") in known, key
    assert "text-to-image" in cardschema.values_of("tasks")
    assert len(cardschema.values_of("languages")) > 180


def test_a_card_of_thousands_of_faults_is_told_in_part() -> None:
    data = {"tags": list(range(50_000))}
    assert len(cardschema.violations(data, "model")) == cardschema.MOST
