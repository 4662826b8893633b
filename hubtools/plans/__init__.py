"""Saved plans: one envelope for all commands that change files or the Hub.

    {
      "schema": 3,
      "kind": "fix",                  the command that made it and that carries it out
      "made_with": "0.1.0",           version of hubtools
      "root": "people",               the folder, seen from where the plan lies
      "subject": "people",            the repository of a push, the folder's name of all others
      "head": null,                   the commit that a push builds on; null for a new repository
      "digest": "9f86...",            SHA-256 over `made_from`
      "made_from": {"a.png": "..."},  fingerprint of each file that the plan was made from
      "options": {...},               what was asked for
      "operations": [...],            what will be done, deletions too
      "seal": {"mac": "..."}          tells whether this user wrote it (`hubtools.trust`)
    }

A replay does what the operations say, or refuses; it never plans anew. A plan is input like any
other: it is read within bounds, each name stays inside the folder and stands there once. What a
command's operations hold is checked by the command.
"""

from hubtools.plans.envelope import (
    KINDS,
    SCHEMA,
    Kind,
    SavedPlan,
    check_plan_file,
    no_plan,
    read_plan,
)
from hubtools.plans.state import Changes, root_of, state_of

__all__ = [
    "KINDS",
    "SCHEMA",
    "Changes",
    "Kind",
    "SavedPlan",
    "check_plan_file",
    "no_plan",
    "read_plan",
    "root_of",
    "state_of",
]
