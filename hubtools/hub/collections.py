"""Collections of the Hub: lists of repositories with a title."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.hub.client import endpoint, owners, resource_of
from hubtools.hub.errors import asking, status_of
from hubtools.hub.patience import api

_MOST = 1000  # collections of one owner that are looked at
_PAGE = "/collections/"  # in the address of a collection
# It becomes a part of addresses that are asked.
_SLUG = re.compile(r"[\w-][\w.-]{0,99}/[\w-][\w.-]{0,299}", re.ASCII)


@dataclass(frozen=True)
class Collection:
    """A collection as it was looked up for one repository. `slug` (owner/title-id) is None for one
    that is to be made; `holds`: the repository is in it."""

    title: str
    owner: str
    slug: str | None = None
    private: bool = True
    holds: bool = False

    @property
    def url(self) -> str | None:
        """Of its page."""
        return f"{endpoint()}{_PAGE}{self.slug}" if self.slug else None


def find(named: str, repo: str, repo_type: str, *, private: bool) -> Collection:
    """The collection that `named` means: OWNER/SLUG or the address of its page, else a title among
    those of the repository's owner; none of that title is one to be made, as `private` as the
    repository. Raises `HubtoolsError` for a slug that is not there, a title that several have, and
    an owner whose collections the token cannot change."""
    name = named.strip()
    base = f"{endpoint()}{_PAGE}"
    for start in (base, f"https://huggingface.co{_PAGE}"):
        name = name.removeprefix(start)
    if not name:
        raise HubtoolsError("A collection needs a title.", code="bad-setting")
    owner = (name if "/" in name else repo).partition("/")[0]
    _may_change(owner)
    if "/" in name:
        return _looked_up(name, repo, repo_type)
    with asking(f"collections of {owner}"):
        same = [
            one
            for one in islice(api().list_collections(owner=owner), _MOST)
            if one.title.strip().casefold() == name.casefold()
        ]
    if len(same) > 1:
        raise HubtoolsError(
            f"{owner} has {len(same)} collections called {name!r}.",
            hint=f"name one by its slug: {', '.join(one.slug for one in same[:3])}",
            code="bad-setting",
        )
    if not same:
        return Collection(name, owner, None, private)
    return _looked_up(_checked(same[0].slug), repo, repo_type)


def _may_change(owner: str) -> None:
    if os.environ.get("HF_OIDC_RESOURCE"):
        raise HubtoolsError(
            "A trusted publisher may write to its repository only, and change no collection.",
            hint="leave --collection out here, and add the repository by hand or with a token",
            code="hub-refused",
        )
    known = owners()
    if owner not in known:
        raise HubtoolsError(
            f"You cannot change collections of {owner}: the token is of"
            f" {', '.join(known) or 'nobody'}.",
            hint="name a collection of your own: its title, or OWNER/SLUG",
            code="hub-refused",
        )


def _checked(slug: object) -> str:
    """What the Hub calls a collection, if it can be called so."""
    if not isinstance(slug, str) or _SLUG.fullmatch(slug) is None:
        raise HubtoolsError(
            f"The Hub's answer cannot be used: no collection is called {slug!a:.100}.",
            hint="try again later; check HF_ENDPOINT if it stays so",
            code="hub-refused",
        )
    return slug


def _looked_up(slug: str, repo: str, repo_type: str) -> Collection:
    if _SLUG.fullmatch(slug) is None:
        raise HubtoolsError(
            f"{slug!r} is no collection: its slug is OWNER/TITLE-ID.",
            hint="give the end of its page's address, or its title alone",
            code="bad-setting",
        )
    try:
        with asking(f"collection {slug}"):
            found: Any = api().get_collection(slug)
    except Exception as error:
        if status_of(error) != 404:
            raise
        raise HubtoolsError(
            f"There is no collection {slug}.",
            hint="give the end of its page's address, OWNER/TITLE-ID, or its title alone",
            code="nothing-there",
        ) from error
    holds = any(item.item_type == repo_type and item.item_id == repo for item in found.items)
    owner = slug.partition("/")[0]
    return Collection(str(found.title), owner, _checked(found.slug), bool(found.private), holds)


def add(collection: Collection, repo: str, repo_type: str) -> Collection:
    """Put the repository into the collection, which is made if it is not there; what is in it
    already stays so. The collection as it is then."""
    hub = api()
    slug = collection.slug
    if slug is None:
        with asking(f"new collection {collection.title}"):
            made: Any = hub.create_collection(
                collection.title, namespace=collection.owner, private=collection.private,
                exists_ok=True,
            )  # fmt: skip
        slug = _checked(made.slug)
    with asking(f"collection {slug}"):
        hub.add_collection_item(slug, repo, repo_type, exists_ok=True)  # type: ignore[arg-type]
    return Collection(collection.title, collection.owner, slug, collection.private, True)


def collection_sentence(collection: Collection, repo: str, repo_type: str) -> str:
    """What `add` will do, in words."""
    name = f"{collection.title!r} of {collection.owner}"
    what = resource_of(repo, repo_type)
    if collection.holds:
        return f"{what} is in the collection {name}"
    if collection.slug is None:
        seen = "private" if collection.private else "public"
        return f"a new collection {name} ({seen}) is made, and {what} is put into it"
    return f"{what} is put into the collection {name}"
