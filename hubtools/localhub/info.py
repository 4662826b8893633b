"""A repository as the JSON of `/api/models/...` and its kin."""

from __future__ import annotations

import hashlib
from typing import Any

from hubtools.localhub import cardyaml, likes
from hubtools.localhub.model import File, Repo, Snapshot
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store

# What `expand` may ask for: what is answered, and what this Hub has nothing to say about.
_ANSWERED_WORDS = (
    "author baseModels cardData citation config createdAt description disabled downloads"
    " downloadsAllTime gated lastModified library_name likes model-index paperswithcode_id"
    " pipeline_tag private region resourceGroup runtime safetensors sdk sha siblings subdomain tags"
    " trendingScore usedStorage xetEnabled childrenModelCount evalResults gguf inference"
    " inferenceProviderMapping mask_token models datasets spaces transformersInfo widgetData"
    " securityRepoStatus mainSize"
)
_ANSWERED = _ANSWERED_WORDS.split()


def file_item(path: str, file: File) -> dict[str, Any]:
    """A file in a tree listing."""
    item: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.sha256 is not None:
        item["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return item


def siblings(snapshot: Snapshot, blobs: bool) -> list[dict[str, Any]]:
    """The files of a repository; `blobs` adds sizes and hashes."""
    items: list[dict[str, Any]] = []
    for path, file in snapshot.files.items():
        item: dict[str, Any] = {"rfilename": path}
        if blobs:
            item |= {"size": file.size, "blobId": file.oid}
            if file.sha256 is not None:
                item["lfs"] = {
                    "sha256": file.sha256,
                    "size": file.size,
                    "pointerSize": file.pointer_size,
                }
        items.append(item)
    return items


def card_of(store: Store, snapshot: Snapshot) -> dict[str, Any]:
    """The front matter of its README.md; {} without one."""
    data = store.read_small(snapshot, "README.md")
    return cardyaml.metadata(data.decode("utf-8", "replace")) if data else {}


def strings(value: Any) -> list[str]:
    """The strings of a value that is a string, a list, or neither."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def tags_of(repo: Repo, card: dict[str, Any]) -> list[str]:
    """The tags the Hub derives from a card, in its spelling, each once."""
    tags: list[str] = []
    if repo.kind == "model":
        tags += strings(card.get("library_name"))
    tags += strings(card.get("tags"))
    if repo.kind == "model":
        tags += strings(card.get("pipeline_tag"))
        relation = strings(card.get("base_model_relation"))
        for base in strings(card.get("base_model")):
            tags.append(f"base_model:{base}")
            tags += [f"base_model:{word}:{base}" for word in relation]
        tags += [f"dataset:{name}" for name in strings(card.get("datasets"))]
        tags += strings(card.get("language"))
    if repo.kind == "dataset":
        for key in ("task_categories", "task_ids", "size_categories", "language"):
            tags += [f"{key}:{value}" for value in strings(card.get(key))]
    tags += [f"license:{name}" for name in strings(card.get("license"))]
    if repo.kind != "space":
        tags.append("region:us")
    return list(dict.fromkeys(tags))


def used_storage(store: Store, repo: Repo) -> int:
    """Bytes of all Git LFS objects of a repository, whichever commit they belong to."""
    if repo.mount is not None:
        return sum(file.size for file in repo.mount.snapshot(repo).files.values())
    with store.database.reading() as connection:
        row = connection.execute(
            "SELECT COALESCE(SUM(size), 0) AS size FROM lfs_objects WHERE repo = ?", (repo.id,)
        ).fetchone()
    return int(row["size"])


def likes_of(store: Store, repo: Repo) -> int:
    """How many users like it."""
    if repo.mount is not None:
        return 0
    with store.database.reading() as connection:
        return likes.count(connection, repo)


def describe(
    store: Store,
    snapshot: Snapshot,
    *,
    blobs: bool = False,
    expand: list[str] | None = None,
    files: bool = True,
) -> dict[str, Any]:
    """The info of a repository at a commit. With `expand`, nothing but the properties asked for
    (and `_id`, `id`). Raises `Problem` 400 for a property nobody knows."""
    repo = snapshot.repo
    wanted = set(expand or ())
    if unknown := wanted - set(_ANSWERED):
        raise Problem(400, f'"expand" must be one of [{", ".join(_ANSWERED)}], not {min(unknown)}')
    card = card_of(store, snapshot)
    info: dict[str, Any] = {
        "_id": hashlib.sha256(f"{repo.kind}{repo.id}".encode()).hexdigest()[:24],
        "id": repo.full_name,
        "author": repo.namespace,
        "sha": snapshot.commit.oid,
        "lastModified": snapshot.commit.date,
        "createdAt": repo.created,
        "private": repo.private,
        "gated": repo.gated or False,
        "disabled": False,
        "downloads": 0,
        "likes": likes_of(store, repo),
        "tags": tags_of(repo, card),
        "cardData": card,
        "usedStorage": used_storage(store, repo) if not wanted or "usedStorage" in wanted else 0,
    }
    if repo.kind == "model":
        info["modelId"] = repo.full_name
        for key in ("pipeline_tag", "library_name", "mask_token"):
            if isinstance(card.get(key), str):
                info[key] = card[key]
        if "model-index" in card:
            info["model-index"] = card["model-index"]
        info["spaces"] = []
    if repo.kind == "space":
        info |= {"sdk": repo.sdk, "subdomain": f"{repo.namespace}-{repo.name}".lower()}
        info["runtime"] = {"stage": "NO_APP_FILE", "hardware": {"current": None, "requested": None}}
    if files:
        info["siblings"] = siblings(snapshot, blobs)
    if wanted:
        info |= {"downloadsAllTime": 0, "trendingScore": 0}
        info = {key: value for key, value in info.items() if key in wanted | {"_id", "id"}}
    return info
