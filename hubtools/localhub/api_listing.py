"""The repositories of a kind: filtered, sorted, in pages. A filter that there is not is refused:
a list that is not what was asked for is worse than none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from hubtools.localhub.access import may_see
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.info import card_of, describe, likes_of, tags_of
from hubtools.localhub.model import Repo, Snapshot
from hubtools.localhub.problems import Problem

_PAGE = 100
_MORE = {"full", "cardData", "config", "expand"}  # what to tell of each
_FILTERS = {"author", "search", "filter", "gated", "pipeline_tag"}
_ORDER = {"sort", "direction", "limit", "cursor"}
_KNOWN = _MORE | _FILTERS | _ORDER


@dataclass(frozen=True)
class _Found:
    repo: Repo
    snapshot: Snapshot


def _sorting(call: Call) -> Callable[[_Found], Any]:
    """What the list is sorted by, the highest first; the last created comes first among equals."""
    keys: dict[str, Callable[[_Found], Any]] = {
        "": lambda found: 0,
        "lastModified": lambda found: found.snapshot.commit.date,
        "createdAt": lambda found: found.repo.created,
        "likes": lambda found: likes_of(call.hub.store, found.repo),
        "downloads": lambda found: 0,  # this Hub counts none
        "trendingScore": lambda found: 0,
    }
    sort = call.text("sort")
    if sort not in keys:
        raise Problem(400, f'"sort" must be one of [{", ".join(filter(None, keys))}]')
    if call.text("direction", "-1") != "-1":
        raise Problem(400, "This Hub sorts lists from the highest to the lowest: direction=-1")
    return keys[sort]


def _fits(call: Call) -> Callable[[_Found], bool]:
    """Whether a repository is asked for. Raises `Problem` 400 for an unknown filter."""
    names = {name.removesuffix("[]") for name in call.query}
    if strange := names - _KNOWN:
        raise Problem(400, f'This Hub cannot list repositories by "{min(strange)[:100]}"')
    author, task = call.text("author"), call.text("pipeline_tag")
    searches = [text.lower() for text in call.values("search")]
    tags = {word for value in call.values("filter") for word in value.split(",") if word}
    gated = call.text("gated").lower()
    if gated not in ("", "true", "false", "1", "0"):
        raise Problem(400, '"gated" must be true or false')

    def fits(found: _Found) -> bool:
        repo = found.repo
        if author not in ("", repo.namespace):
            return False
        if gated and bool(repo.gated) != (gated in ("true", "1")):
            return False
        if not all(text in repo.full_name.lower() for text in searches):
            return False
        if not tags and not task:
            return True
        card = card_of(call.hub.store, found.snapshot)
        if task not in ("", card.get("pipeline_tag")):
            return False
        return tags <= set(tags_of(repo, card))

    return fits


def _cursor(call: Call) -> tuple[Any, int] | None:
    """Sorting key and number of the last repository of the page before."""
    text = call.text("cursor")
    if not text:
        return None
    try:
        key, number = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise Problem(400, '"cursor" comes from the page before') from None
    if not isinstance(key, (str, int)) or not isinstance(number, int):
        raise Problem(400, '"cursor" comes from the page before')
    return key, number


def listing(call: Call) -> Response:
    """`/api/models?author=&search=&filter=&sort=&limit=`: where a page ends the next begins,
    whatever is created or deleted in between."""
    fits, key, last = _fits(call), _sorting(call), _cursor(call)
    limit = call.number("limit", _PAGE, 1000) or _PAGE
    store = call.hub.store
    there = (_Found(repo, store.snapshot(repo)) for repo in store.repos(call.params["kind"])
             if may_see(call.user, repo))  # fmt: skip
    found = [((key(item), item.repo.id), item) for item in there if fits(item)]
    found.sort(key=lambda pair: pair[0], reverse=True)
    if last is not None:
        if found and type(last[0]) is not type(found[0][0][0]):
            raise Problem(400, '"cursor" comes from another list')
        found = [pair for pair in found if pair[0] < last]
    page = found[:limit]
    headers = {}
    if len(found) > limit:
        headers["Link"] = call.link({**call.query, "cursor": [json.dumps(page[-1][0])]})
    return answer([_told(call, item.snapshot) for _, item in page], headers=headers)


def _told(call: Call, snapshot: Snapshot) -> dict[str, Any]:
    expand = call.values("expand")
    described = describe(
        call.hub.store, snapshot, expand=expand, files=call.flag("full") or "siblings" in expand
    )
    if not (call.flag("cardData") or call.flag("full") or expand):
        described.pop("cardData", None)
    return described


def add_routes(router: Router) -> None:
    router.add("GET", "api/{kinds}", listing)
