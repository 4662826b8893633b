"""How many findings `fix` would repair: counted on a draft, with the steps that make the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import Remedy, Unsafe
from hubtools.dataset.fix.scope import Only
from hubtools.dataset.fix.steps import REMEDIES, run_steps
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.view import Dataset
from hubtools.errors import UsageError
from hubtools.findings import Finding

# What a count may cost: files of the dataset, and bytes of pictures that would be encoded anew.
_FILES = 5_000
_ENCODED = 16_000_000
# Names whose steps encode pictures.
_ENCODING = frozenset(
    ["convert", "to-rgb", "scale-16-bit", "flatten-alpha", "rotate", "first-frame"]
)
_REMOVING = ("remove-", "delete-", "drop-")


@dataclass(frozen=True)
class Offers:
    """`safe`: so many of the findings `hubtools fix` repairs. `by_name`: so many more it repairs
    with `--unsafe NAME`; names that repair none are not in it. None: it was not counted, because
    the dataset is too large for that."""

    safe: int | None
    by_name: dict[str, int | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"safe": self.safe, "by_name": self.by_name}


def wanted_rules(
    select: Sequence[str], ignore: Sequence[str], *, each: bool = False
) -> frozenset[str]:
    """Ids of the rules that `fix` is to satisfy, with `each` of those that it can satisfy in some
    files alone. Raises `UsageError` for a prefix of none."""
    DATASET_RULES.check_prefixes((*select, *ignore))
    chosen = tuple(prefix.upper() for prefix in select)
    dropped = tuple(prefix.upper() for prefix in ignore)
    found = frozenset(
        rule
        for rule in REMEDIES
        if (not chosen or rule.startswith(chosen)) and not rule.startswith(dropped)
    )
    some = frozenset(rule for rule in found if REMEDIES[rule].each)
    if each and found and not some:
        raise UsageError(
            f"{', '.join(sorted(found))}: what `fix` does about it is for a whole file of metadata"
            " or the whole folder.",
            hint="leave --only out",
        )
    return some if each else found


def offers(
    looked: Dataset,
    found: Collection[Finding],
    wanted: frozenset[str],
    told: Callable[[Iterable[Finding]], Iterable[Finding]] = lambda findings: findings,
) -> Offers | None:
    """What `fix` would do about `found`, the findings on `looked`; None if nothing.

    `told` leaves out the findings that are not told, of those that would remain.
    """
    # a repair may satisfy further rules along the way
    before = Counter(finding.rule for finding in found)
    if not wanted & before.keys():
        return None
    if len(looked.listing.entries) > _FILES:
        return Offers(None)

    def remain(unsafe: Unsafe) -> list[Finding]:
        return list(told(remaining(looked, unsafe, wanted, sorted(before))))

    rest = remain(Unsafe())
    safe, names = _repaired(before, rest), by_name(looked, rest, Unsafe(), remain)
    return Offers(safe, names) if safe or names else None


def remaining(
    looked: Dataset,
    unsafe: Unsafe,
    wanted: frozenset[str],
    rules: Sequence[str],
    leave: Mapping[str, str] | None = None,
    only: Only | None = None,
) -> list[Finding]:
    """What `rules` would say after a fix. One that would remove all pictures mends nothing."""
    with Draft(looked, unsafe, wanted=wanted, leave=leave or {}, only=only) as draft:
        run_steps(draft)
        if looked.listing.pictures and not draft.view.listing.pictures and unsafe.names:
            return DATASET_RULES.run(looked, select=rules)
        return DATASET_RULES.run(draft.view, select=rules)


def by_name(
    looked: Dataset,
    rest: Collection[Finding],
    asked: Unsafe,
    remain: Callable[[Unsafe], list[Finding]],
) -> dict[str, int | None]:
    """So many of the findings `rest` are gone with one --unsafe name more than `asked`."""
    there = Counter(finding.rule for finding in rest)
    names = dict.fromkeys(
        name
        for rule in sorted(there)
        for name in REMEDIES.get(rule, Remedy()).unsafe
        if name not in asked.names
    )
    # what removes something is told last
    names = dict.fromkeys(sorted(names, key=lambda name: name.startswith(_REMOVING)))
    many = len(looked.listing.entries) > _FILES
    found: dict[str, int | None] = {}
    for name in names:
        if many or (name in _ENCODING and _encoded(looked, rest, name) > _ENCODED):
            found[name] = None
        else:
            # what goes along with a picture is not repaired by that
            own = _rules_of(name) if name.startswith(_REMOVING) else there.keys()
            before = {rule: count for rule, count in there.items() if rule in own}
            after = remain(replace(asked, names=asked.names | {name}))
            if count := _repaired(before, after):
                found[name] = count
    return found


def _repaired(before: Mapping[str, int], rest: Iterable[Finding]) -> int:
    """How many findings are gone, rule by rule: a picture may have another name by now."""
    after = Counter(finding.rule for finding in rest)
    return sum(max(0, count - after[rule]) for rule, count in before.items())


def _rules_of(name: str) -> set[str]:
    return {rule for rule, remedy in REMEDIES.items() if name in remedy.unsafe}


def _encoded(looked: Dataset, rest: Iterable[Finding], name: str) -> int:
    """Bytes of the pictures that would be encoded anew."""
    rules = _rules_of(name)
    paths = {finding.path for finding in rest if finding.rule in rules}
    also = FOREIGN_ENDINGS | {".webp"} if name == "convert" else frozenset()
    return sum(
        entry.size
        for entry in looked.listing.entries
        if entry.name in paths or entry.ending in also
    )
