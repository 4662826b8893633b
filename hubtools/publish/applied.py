"""The P rules, and those of `validate`, on what is to be sent, as --ignore and [rules] choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubtools.dataset.rules import DATASET_RULES
from hubtools.errors import UsageError
from hubtools.findings import Finding, Rule
from hubtools.publish.book import SECRETS
from hubtools.publish.comparison import COMPARISON_RULES, GUARDS, Comparison
from hubtools.publish.judged import RuleChoice, chosen, findings
from hubtools.publish.release import Release
from hubtools.publish.rules import PUBLISH_RULES
from hubtools.reporting.baseline import without_ignored

# These count whatever a file says.
PROTECTED = (*SECRETS, "P117", *GUARDS)


def apply_rules(
    release: Release, comparison: Comparison, ignored: Sequence[str], choice: RuleChoice
) -> tuple[list[Finding], list[Rule]]:
    """(findings, rules that were applied). `ignored` are prefixes of --ignore. Raises `UsageError`
    for a prefix of no rule, and of one that guards the work of others."""
    of_file = choice.publishing
    ignore = (*ignored, *of_file.ignore)
    named = [p for p in (*ignored, *of_file.left_out) if p.upper() in GUARDS]
    if named:
        flag = "--public" if named[0].upper() == "P132" else "--overwrite"
        raise UsageError(
            f"{named[0]} cannot be left out with --ignore.", hint=f"say {flag} if you mean it"
        )
    books: tuple[Any, ...] = (PUBLISH_RULES, COMPARISON_RULES, DATASET_RULES)
    asked = (*of_file.select, *ignored, *of_file.left_out)
    PUBLISH_RULES.check_prefixes(p for p in asked if not any(_begins(b, p) for b in books))
    own, compared = (_kept(book, of_file.select, ignore) for book in books[:2])
    judged = _of_dataset(ignored)
    found = PUBLISH_RULES.run(release, select=own)
    found += COMPARISON_RULES.run(comparison, select=compared)
    by_file = set(map(id, without_ignored(found, of_file.per_file_ignores)))
    found = [one for one in found if id(one) in by_file or one.rule in PROTECTED]
    rules = [*PUBLISH_RULES.chosen(own), *COMPARISON_RULES.chosen(compared)]
    if release.repo_type == "dataset":
        found += findings(comparison, choice, judged)
        rules += chosen(choice, judged)
    return found, rules


def judges_pictures(release: Release, ignored: Sequence[str], choice: RuleChoice) -> bool:
    """Whether `apply_rules` will ask what the pictures of a release are."""
    return release.repo_type == "dataset" and bool(chosen(choice, _of_dataset(ignored)))


def may_be_known(finding: Finding) -> bool:
    """Whether a baseline can hide it. D rules go by theirs when `validate` is asked; what guards
    secrets and the work of others always counts."""
    return finding.rule.startswith("P") and finding.rule not in PROTECTED


def _kept(book: Any, select: Sequence[str], ignore: Sequence[str]) -> list[str]:
    """The ids that count. Protected ones do always: a project file may come from anybody."""
    wanted, dropped = tuple(p.upper() for p in select), tuple(p.upper() for p in ignore)
    return [
        rule.id
        for rule in book
        if rule.id in PROTECTED
        or ((not wanted or rule.id.startswith(wanted)) and not rule.id.startswith(dropped))
    ]


def _of_dataset(prefixes: Sequence[str]) -> list[str]:
    return [prefix for prefix in prefixes if _begins(DATASET_RULES, prefix)]


def _begins(book: Any, prefix: str) -> bool:
    return any(rule.id.startswith(prefix.upper()) for rule in book)
