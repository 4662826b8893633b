"""The calls in the source of the package, each with where it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hubtools

PACKAGE = Path(hubtools.__file__).parent


class Found(NamedTuple):
    """A call; `functions`: those that it stands in, the outermost first."""

    module: str
    where: str
    call: ast.Call
    functions: tuple[ast.FunctionDef, ...]


def calls_in(hint: re.Pattern[str]) -> Iterator[Found]:
    """All calls in the modules whose source holds what `hint` looks for."""
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if hint.search(source) is None:
            continue
        module = path.relative_to(PACKAGE).with_suffix("").as_posix()
        pending: list[tuple[ast.AST, str, tuple[ast.FunctionDef, ...]]] = [
            (ast.parse(source), "", ())
        ]
        while pending:
            node, where, functions = pending.pop()
            if isinstance(node, ast.FunctionDef):
                where = f"{where}.{node.name}" if where else node.name
                functions = (*functions, node)
            elif isinstance(node, ast.ClassDef):
                where = node.name
            elif isinstance(node, ast.Call):
                yield Found(module, where, node, functions)
            pending += ((below, where, functions) for below in ast.iter_child_nodes(node))
