"""The book of the P rules."""

from __future__ import annotations

from collections.abc import Sequence

from hubtools.errors import UsageError
from hubtools.findings import RuleBook
from hubtools.publish.release import Release

PUBLISH_RULES: RuleBook[Release] = RuleBook()

# Secrets are let through one by one, by fingerprint and with a reason; never all of them.
SECRETS = ("P101", "P113", "P118")


def refuse_to_ignore_secrets(ignore: Sequence[str]) -> None:
    """Raise `UsageError` for a prefix that would leave out the search for secrets."""
    for prefix in ignore:
        if "P117".startswith(prefix.upper()) and len(prefix) == 4:
            raise UsageError(
                "P117 cannot be left out with --ignore: what was not read may hold a secret.",
                hint="if you know what is in the file, name it in hubtools.toml: [push] allow ="
                ' ["NAME"]',
            )
        if hit := next((id for id in SECRETS if id.startswith(prefix.upper())), None):
            raise UsageError(
                f"{hit} cannot be left out with --ignore {prefix}: secrets are let through one by"
                " one.",
                hint="name the finding's fingerprint and a reason in hubtools.toml: [push]"
                ' allowed_secrets = [{ fingerprint = "...", reason = "..." }]',
            )
