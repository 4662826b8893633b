"""`explain RULE` tells when a rule is more or less severe than it says at its head."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import hubtools
from hubtools.commands.journeys import explain

WORDS = {"ERROR": "error", "WARNING": "warning", "INFO": "note"}
_PACKAGE = Path(hubtools.__file__).parent
# What yields problems of a severity that another function has chosen.
_CHOSEN = {"severity": {"ERROR", "WARNING"}, "milder": {"INFO"}, "grave": {"ERROR"}}


def _severities(function: ast.FunctionDef, all_: dict[str, ast.FunctionDef]) -> set[str]:
    """Those of a rule's problems that differ from its own, also in functions that it calls."""
    found, seen, todo = set(), {function.name}, [function]
    while todo:
        for node in ast.walk(todo.pop()):
            if isinstance(node, ast.keyword) and node.arg == "severity":
                text = ast.unparse(node.value)
                found |= _CHOSEN.get(text, {one for one in WORDS if f"Severity.{one}" in text})
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in all_ and called not in seen:
                seen.add(called)
                todo.append(all_[called])
    return found


def _id(path: Path, said: ast.expr) -> str:
    if isinstance(said, ast.Constant):
        return str(said.value)
    module = ".".join(path.relative_to(_PACKAGE.parent).with_suffix("").parts)
    return str(getattr(importlib.import_module(module), ast.unparse(said)))


def _rules() -> Iterator[tuple[str, list[str]]]:
    for path in sorted(_PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "_RULES.rule(" not in text:
            continue
        body = ast.parse(text).body
        functions = {one.name: one for one in body if isinstance(one, ast.FunctionDef)}
        for function in functions.values():
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("_RULES.rule"):
                    found = _severities(function, functions)
                    if found:
                        yield _id(path, mark.args[0]), sorted(found)


@pytest.mark.parametrize(("id", "severities"), _rules(), ids=lambda value: str(value))
def test_a_rule_tells_its_other_severities(id: str, severities: list[str]) -> None:
    rule = explain(id)
    others = {WORDS[one] for one in severities if WORDS[one] != WORDS[rule.severity.name]}
    told = rule.doc.partition("\nFix:")[0]
    assert [word for word in sorted(others) if word not in told] == []
