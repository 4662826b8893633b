"""Who can read what a push sends: looked at before each commit, and once more when all is done."""

from __future__ import annotations

from hubtools.errors import ChecksFailed
from hubtools.hub.client import head_and_privacy
from hubtools.publish.comparison import settings_command
from hubtools.publish.plan import PushPlan


def check_private(plan: PushPlan) -> None:
    """Raise `ChecksFailed` if private files would become public by the next commit."""
    if _is_open(plan):
        raise ChecksFailed(
            f"{plan.repo} was made public since the plan was made; nothing more is sent.",
            hint=f"{_make_private(plan)}; or say --public if that is meant",
            code="hub-changed",
        )


def check_still_private(plan: PushPlan, commit: str) -> None:
    """Raise `ChecksFailed` if what was meant to be private has been sent, and can be read by
    everybody."""
    if _is_open(plan):
        raise ChecksFailed(
            f"{plan.repo} was made public while it was pushed to: everybody can read what was sent"
            f" (commit {commit[:8]}).",
            hint=f"{_make_private(plan)}; push with --public if that is meant",
            code="hub-changed",
        )


def _is_open(plan: PushPlan) -> bool:
    return plan.options.private and head_and_privacy(plan.repo, plan.repo_type)[1] is False


def _make_private(plan: PushPlan) -> str:
    typed = settings_command(plan.repo, plan.repo_type, "private")
    return f"{typed} makes it private (or its settings page)"
