"""The tag that a push gives its commit."""

from __future__ import annotations

from hubtools.errors import HubtoolsError
from hubtools.hub.commit import Repository
from hubtools.patterns import regex

# What git takes for no name (git-check-ref-format(1)): the Hub says so once all is sent.
_NO_TAG = regex(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|(?:^|/)[.-]|(?:[/.]|\.lock)(?:/|$)|^/|^@?$")


def check_tag(repo: str, repo_type: str, tag: str, head: str | None, changes: bool) -> None:
    """Raise `HubtoolsError` if `tag` is no name of one, or is there already: on another commit than
    `head`, or where a push `changes` something. `head` is None for a new repository."""
    if _NO_TAG.search(tag) or len(tag) > 200:
        raise HubtoolsError(
            f"{tag!r} is no name of a tag.", hint="choose another, e.g. v1.2", code="bad-setting"
        )
    if head is None:
        return
    there = Repository(repo, repo_type).tags().get(tag)
    if there is not None and (changes or there != head):
        raise HubtoolsError(
            f"The tag {tag} exists in {repo} already, on commit {there[:8]}.",
            hint="choose another --tag",
            code="hub-changed",
        )
