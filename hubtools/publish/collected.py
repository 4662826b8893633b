"""The collection that a push puts its repository into, after the commit was verified."""

from __future__ import annotations

from hubtools.errors import HubtoolsError
from hubtools.hub import collections
from hubtools.hub.errors import as_sentence
from hubtools.publish.ledger import read_ledger, write_ledger
from hubtools.publish.plan import PushPlan, collection_for, ledger_key
from hubtools.rooted import Root


def put_into_collection(plan: PushPlan, commit: str) -> str | None:
    """Do it, if the plan says so; the address of the collection's page. What is in it already stays
    as it is. Raises `HubtoolsError` that says that the push itself is done."""
    if plan.options.collection is None or plan.options.pr:
        return None
    try:
        wanted = plan.collection or collection_for(plan.options, plan.repo, plan.repo_type, None)
        assert wanted is not None
        done = wanted if wanted.holds else collections.add(wanted, plan.repo, plan.repo_type)
    except Exception as error:
        said = as_sentence(error)
        if said is None:
            raise
        raise HubtoolsError(
            f"{plan.repo} is pushed, at {commit[:8]}, but not in the collection"
            f" {plan.options.collection!r}: {said.message}",
            hint=said.hint or "push again",
            code=said.code,
        ) from error
    if not wanted.holds:
        _note(plan, str(done.slug))
    return done.url


def _note(plan: PushPlan, slug: str) -> None:
    """So that an undo can tell where the repository stays."""
    with Root(plan.root) as root:
        key = ledger_key(plan.repo, plan.repo_type)
        sent = read_ledger(root)[0].get(key)
        if sent is not None and slug not in sent.collections:
            write_ledger(root, key, sent.in_collection(slug))
