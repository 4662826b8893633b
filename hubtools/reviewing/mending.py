"""Findings that are to be repaired by a remedy of `fix`: of all pictures, or of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import Unsafe, parse_unsafe
from hubtools.dataset.fix.scope import Only
from hubtools.dataset.fix.sidecars import FROM_SIDECARS, has_sidecars
from hubtools.dataset.fix.steps import REMEDIES, run_steps
from hubtools.dataset.folder.listing import Listing
from hubtools.reviewing.pending import Key, Value

Names = set[str] | None  # None: all
_ENDINGS = {"D309": (".png",)}  # of the files that the safe remedy of a rule is for, if not of all
_READING = "read_table"  # the step that repairs a file while it is read


@dataclass
class Asked:
    """`keys`: each entry and the rule it is about. `passes`: by the names of unsafe fixes that were
    asked for together, the rules and of which pictures."""

    keys: dict[Key, str] = field(default_factory=dict)
    passes: dict[tuple[str, ...], dict[str, Names]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Mapping[Key, Value]) -> Asked:
        """What is pending of it."""
        made = cls()
        for key, value in entries.items():
            if key[0] not in ("fix", "mend"):
                continue
            rule = key[1] if key[0] == "fix" else key[2]
            made.keys[key] = rule
            rules = made.passes.setdefault(tuple(sorted(value["unsafe"])), {})
            names = rules.setdefault(rule, set())
            if key[0] == "fix":
                rules[rule] = None
            elif names is not None:
                names.add(key[1])
        return made

    @property
    def rules(self) -> frozenset[str]:
        """The rules of all of them."""
        return frozenset(self.keys.values())

    @property
    def reading(self) -> Unsafe:
        """What was asked for of what is done while the metadata are read."""
        return parse_unsafe(
            name
            for names, rules in self.passes.items()
            for name in names
            if any(step.endswith(_READING) for rule in rules for step in REMEDIES[rule].steps)
        )

    def run(self, draft: Draft) -> None:
        """Take the steps, those first that nothing unsafe was asked for."""
        for names, rules in sorted(self.passes.items()):
            draft.ask(parse_unsafe(names), frozenset(rules), _only(rules))
            run_steps(draft)


def _only(rules: Mapping[str, Names]) -> Only | None:
    if all(names is None for names in rules.values()):
        return None
    some = [names for names in rules.values() if names is not None]
    every = None if len(some) < len(rules) else set().union(*some)

    def meant(rule: str, name: str) -> bool:
        names = rules.get(rule, every) if rule else every
        return names is None or name in names

    return meant


def fixes_of(listing: Listing) -> dict[str, dict[str, Any]]:
    """What `fix` does about each rule, by its id. A caption is offered from sidecars only where
    the folder has some."""
    lacking = () if has_sidecars(listing) else FROM_SIDECARS
    return {
        id: {
            "safe": None if id in lacking else remedy.safe,
            "unsafe": list(remedy.unsafe),
            "each": remedy.each,
            "ends": list(_ENDINGS.get(id, ())),
        }
        for id, remedy in REMEDIES.items()
    }
