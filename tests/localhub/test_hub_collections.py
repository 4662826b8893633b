"""Collections, by the unmodified client."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from huggingface_hub import Collection, HfApi
from huggingface_hub.errors import HfHubHTTPError

from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT


@pytest.fixture
def api(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token="hf_local")


@pytest.fixture
def other(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token="hf_other")


def items(collection: Collection) -> list[tuple[str, str, str | None]]:
    return [(item.item_type, item.item_id, item.note) for item in collection.items]


def test_a_collection_keeps_its_items_in_order(api: HfApi) -> None:
    api.create_repo("me/one")
    api.create_repo("me/data", repo_type="dataset")
    made = api.create_collection("My Élan 2026!", description="all of them")
    assert made.slug.startswith("me/my-elan-2026-")
    assert made.description == "all of them"
    api.add_collection_item(made.slug, "me/one", "model", note="the first")
    api.add_collection_item(made.slug, "me/data", "dataset")
    api.add_collection_item(made.slug, "2106.09685", "paper")
    there = api.get_collection(made.slug)
    one, data = ("model", "me/one", "the first"), ("dataset", "me/data", None)
    paper = ("paper", "2106.09685", None)
    assert items(there) == [one, data, paper]
    api.update_collection_item(made.slug, there.items[0].item_object_id, position=2, note="last")
    assert items(api.get_collection(made.slug)) == [data, paper, ("model", "me/one", "last")]
    api.delete_collection_item(made.slug, there.items[1].item_object_id)
    assert len(api.get_collection(made.slug).items) == 2
    with pytest.raises(HfHubHTTPError, match="404"):
        api.delete_collection_item(made.slug, there.items[1].item_object_id)


def test_an_item_follows_its_repository(api: HfApi) -> None:
    api.create_repo("me/one")
    slug = api.create_collection("mine").slug
    api.add_collection_item(slug, "me/one", "model")
    api.move_repo("me/one", "me/two")
    assert items(api.get_collection(slug)) == [("model", "me/two", None)]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.add_collection_item(slug, "me/one", "model")  # by its old name
    api.delete_repo("me/two")
    assert items(api.get_collection(slug)) == []


def test_what_is_not_there_cannot_be_added(api: HfApi) -> None:
    api.create_repo("me/one")
    slug = api.create_collection("mine").slug
    for name, kind in (("me/one", "dataset"), ("me/none", "model"), ("me/one-0", "collection")):
        with pytest.raises(HfHubHTTPError, match="404"):
            api.add_collection_item(slug, name, kind)
    with pytest.raises(HfHubHTTPError, match="cannot be an item of itself"):
        api.add_collection_item(slug, slug, "collection")


def test_a_private_collection_and_private_items_are_for_their_owner(
    api: HfApi, other: HfApi
) -> None:
    api.create_repo("me/secret", private=True)
    api.create_repo("me/open")
    inner = api.create_collection("inner", private=True).slug
    slug = api.create_collection("outer").slug
    for name, kind in (("me/secret", "model"), ("me/open", "model"), (inner, "collection")):
        api.add_collection_item(slug, name, kind)
    assert len(api.get_collection(slug).items) == 3
    assert items(other.get_collection(slug)) == [("model", "me/open", None)]
    assert [found.title for found in other.list_collections()] == ["outer"]
    assert [found.title for found in api.list_collections()] == ["outer", "inner"]
    with pytest.raises(HfHubHTTPError, match="404"):
        other.get_collection(inner)
    theirs = other.create_collection("theirs").slug
    with pytest.raises(HfHubHTTPError, match="404"):
        other.add_collection_item(theirs, "me/secret", "model")


def test_only_its_owners_may_change_a_collection(api: HfApi, other: HfApi, local_hub: Hub) -> None:
    slug = api.create_collection("mine", namespace="studio").slug
    api.create_repo("me/one")
    api.add_collection_item(slug, "me/one", "model")
    item = api.get_collection(slug).items[0].item_object_id
    reader = HfApi(endpoint=local_hub.url, token="hf_reader")
    for guest in (other, reader):
        for attempt in (
            lambda who: who.update_collection_metadata(slug, title="theirs"),
            lambda who: who.delete_collection(slug),
            lambda who: who.add_collection_item(slug, "me/one", "model"),
            lambda who: who.update_collection_item(slug, item, note="theirs"),
            lambda who: who.delete_collection_item(slug, item),
            lambda who: who.create_collection("more", namespace="studio"),
        ):
            with pytest.raises(HfHubHTTPError, match="403"):
                attempt(guest)
    assert api.get_collection(slug).title == "mine"


def test_a_collection_gets_another_title_and_is_found_by_both(api: HfApi) -> None:
    first = api.create_collection("first")
    second = api.update_collection_metadata(
        first.slug, title="second", theme="pink", private=True, description="d"
    )
    assert (second.title, second.theme, second.private) == ("second", "pink", True)
    assert first.slug != second.slug
    assert api.get_collection(first.slug).slug == second.slug
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_collection("second")
    assert api.create_collection("second", exists_ok=True).slug == second.slug
    api.delete_collection(second.slug)
    with pytest.raises(HfHubHTTPError, match="404"):
        api.delete_collection(second.slug)


def test_lists_are_filtered_and_cut(api: HfApi, other: HfApi, tmp_path: Path) -> None:
    for number in range(5):
        api.create_repo(f"me/m{number}")
    full = api.create_collection("full").slug
    for number in range(5):
        api.add_collection_item(full, f"me/m{number}", "model")
    other.create_collection("theirs")
    assert [found.title for found in api.list_collections(owner="other")] == ["theirs"]
    (found,) = api.list_collections(item="models/me/m4")
    assert (found.slug, len(found.items)) == (full, 4)
    assert list(api.list_collections(item="datasets/me/m4")) == []
    assert len(list(api.list_collections(limit=1))) == 1


def test_a_folder_of_before_collections_is_served(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as hub:
        HfApi(endpoint=hub.url, token="hf_local").create_repo("me/one")
    with sqlite3.connect(tmp_path / "hub/hub.sqlite3") as connection:
        connection.execute("DROP TABLE collection_items")
        connection.execute("DROP TABLE collections")
    connection.close()
    with Hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token="hf_local")
        slug = api.create_collection("mine").slug
        api.add_collection_item(slug, "me/one", "model")
        assert items(api.get_collection(slug)) == [("model", "me/one", None)]


def test_the_page_of_a_collection(api: HfApi, other: HfApi, local_hub: Hub) -> None:
    api.create_repo("me/one")
    slug = api.create_collection("Of <people>", description="all & more").slug
    api.add_collection_item(slug, "me/one", "model", note="the <first>")
    api.add_collection_item(slug, "2106.09685", "paper")
    api.add_collection_item(slug, api.create_collection("inner").slug, "collection")
    page = CLIENT.get(f"{local_hub.url}/collections/{slug}").text
    for said in (
        "Of &lt;people&gt;",
        "all &amp; more",
        "the &lt;first&gt;",
        "/me/one",
        "2106.09685",
    ):
        assert said in page
    assert f"/collections/{slug}" in CLIENT.get(f"{local_hub.url}/me").text
    assert CLIENT.get(f"{local_hub.url}/collections/me/none-{'0' * 24}").status_code == 404


def test_a_private_collection_has_no_page_where_pages_are_closed(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub", open_pages=False) as hub:
        api = HfApi(endpoint=hub.url, token="hf_local")
        slug = api.create_collection("hidden words", private=True).slug
        assert CLIENT.get(f"{hub.url}/collections/{slug}").status_code == 404
        assert "hidden words" not in CLIENT.get(f"{hub.url}/me").text
        me = {"Authorization": "Bearer hf_local"}
        assert "hidden words" in CLIENT.get(f"{hub.url}/collections/{slug}", headers=me).text
