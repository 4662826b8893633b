"""What `validate` says that `fix` repairs is what `fix` repairs, for every rule's bad dataset, and
a command that a finding names takes the finding away when it is typed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_rules import BAD, Spoil

from hubtools.dataset.fix.run import fix
from hubtools.dataset.fix.steps import REMEDIES
from hubtools.dataset.validate import validate
from hubtools.settings import DatasetSettings
from tests.typed import typed

# too many files, or too large ones, to be copied again and again
_LARGE = ("D702", "D709")
CASES = [row for row in BAD if isinstance(row, tuple) and row[0] not in _LARGE]


def counts(root: Path, settings: DatasetSettings) -> Counter[str]:
    return Counter(finding.rule for finding in validate(root, settings, resolution=64).findings)


@pytest.mark.parametrize(("rule", "spoil", "place", "also", "changes"), CASES)
def test_validate_counts_what_fix_repairs(
    good: Path,
    settings: DatasetSettings,
    rule: str,
    spoil: Spoil,
    place: str,
    also: set[str],
    changes: dict[str, Any],
) -> None:
    spoil(good)
    settings = settings.model_copy(update=changes)
    report = validate(good, settings, resolution=64, repairs=True)
    before = Counter(finding.rule for finding in report.findings)
    offered = report.facts["repairs"] or {"safe": 0, "by_name": {}}

    def repaired(*unsafe: str) -> tuple[int, Counter[str]]:
        copy = good.parent / "-".join(("copy", *unsafe))
        shutil.copytree(good, copy, symlinks=True)
        fix(copy, settings, unsafe=unsafe, resolution=64)
        after = counts(copy, settings)
        return sum(max(0, n - after[id]) for id, n in before.items()), after

    safe, rest = repaired()
    assert offered["safe"] == safe
    for name, more in offered["by_name"].items():
        assert more > 0
        _, after = repaired(name)
        # of a picture that is removed only the findings count that the name is for
        removes = name.startswith(("remove-", "delete-", "drop-"))
        own = {id for id, remedy in REMEDIES.items() if name in remedy.unsafe} if removes else rest
        named = {id: n for id, n in rest.items() if id in own}
        assert sum(max(0, n - after[id]) for id, n in named.items()) == more, name
    advice = next(finding.fix or "" for finding in report.findings if finding.rule == rule)
    for command in re.findall(r"`hubtools ([^`]+)`", advice):
        if command.startswith("review"):  # a page, which waits for a person
            continue
        take(command, good, settings)
        assert rule not in counts(good, settings), advice


def take(command: str, folder: Path, settings: DatasetSettings) -> None:
    """Type it in the project that has `folder` as its dataset; whoever is asked says yes."""
    own = settings.model_dump(exclude_defaults=True, mode="json") | {"path": folder.name}
    lines = [f"{name} = {json.dumps(value)}" for name, value in own.items()]
    text = "\n".join(["[train]", "resolution = 64", "[dataset]", *lines])
    (folder.parent / "hubtools.toml").write_text(text)
    yes = ["--yes"] if command.startswith(("fix", "caption")) else []
    done = typed(*shlex.split(command), *yes, cwd=folder.parent)
    assert done.returncode in (0, 3), done.stderr
