"""Repositories: created, seen, moved, configured, deleted, by the unmodified client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT


@pytest.fixture
def api(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token="hf_local")


@pytest.fixture
def other(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token="hf_other")


@pytest.fixture
def stranger(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token=False)


def test_whoami_names_user_and_organisations(api: HfApi) -> None:
    answer = api.whoami()
    assert answer["name"] == "me"
    assert [org["name"] for org in answer["orgs"]] == ["studio"]
    assert answer["auth"]["accessToken"]["role"] == "write"


def test_a_wrong_token_is_told_so(local_hub: Hub) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=local_hub.url, token="hf_nobody").whoami(token="hf_nobody")


def test_create_returns_an_address_of_this_hub(api: HfApi, local_hub: Hub) -> None:
    url = api.create_repo("me/one")
    assert str(url) == f"{local_hub.url}/me/one"
    assert (url.repo_id, url.repo_type) == ("me/one", "model")
    data = api.create_repo("studio/two", repo_type="dataset", private=True)
    assert str(data) == f"{local_hub.url}/datasets/studio/two"
    assert api.dataset_info("studio/two").private is True
    assert api.create_repo("bare").repo_id == "me/bare"


def test_addresses_follow_the_name_the_client_uses(local_hub: Hub) -> None:
    named = HfApi(endpoint=f"http://localhost:{local_hub.port}", token="hf_local")
    assert str(named.create_repo("me/one")) == f"http://localhost:{local_hub.port}/me/one"


def test_create_twice(api: HfApi) -> None:
    api.create_repo("me/one")
    with pytest.raises(HfHubHTTPError, match="already created") as caught:
        api.create_repo("me/one")
    assert caught.value.response.status_code == 409
    assert api.create_repo("me/one", exist_ok=True).repo_id == "me/one"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo("me/ONE")


@pytest.mark.parametrize("name", ["me/.hidden", "me/a--b", "me/x.git", "me/a..b", "api/x"])
def test_bad_names_are_refused(local_hub: Hub, name: str) -> None:

    namespace, _, rest = name.partition("/")
    answer = CLIENT.post(
        f"{local_hub.url}/api/repos/create",
        json={"name": rest, "organization": namespace},
        headers={"Authorization": "Bearer hf_local"},
    )
    assert answer.status_code == 400
    assert "Invalid repo name" in answer.json()["error"]


def test_not_in_anothers_namespace(api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="rights to create a model under the namespace"):
        api.create_repo("other/mine")


def test_a_read_token_cannot_write(local_hub: Hub, api: HfApi) -> None:
    api.create_repo("me/one", private=True)
    reader = HfApi(endpoint=local_hub.url, token="hf_reader")
    assert reader.model_info("me/one").private
    with pytest.raises(HfHubHTTPError, match="read access only"):
        reader.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/one")
    with pytest.raises(HfHubHTTPError, match="403"):
        reader.create_repo("me/two")


def test_private_repositories_are_invisible(
    api: HfApi, other: HfApi, stranger: HfApi, tmp_path: Path
) -> None:
    api.create_repo("me/secret", private=True)
    api.create_repo("me/open")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/secret")
    for somebody, status in ((other, 404), (stranger, 401)):
        with pytest.raises(RepositoryNotFoundError) as caught:
            somebody.model_info("me/secret")
        assert caught.value.response.status_code == status
        with pytest.raises(RepositoryNotFoundError):
            somebody.hf_hub_download("me/secret", "a.txt", cache_dir=tmp_path)
        assert [info.id for info in somebody.list_models()] == ["me/open"]
        # A repository that does not exist is answered in the same way.
        with pytest.raises(RepositoryNotFoundError) as missing:
            somebody.model_info("me/missing")
        assert missing.value.response.status_code == status
    assert {info.id for info in api.list_models(author="me")} == {"me/open", "me/secret"}


def test_public_repositories_are_read_by_all_written_by_owners(
    api: HfApi, other: HfApi, stranger: HfApi, tmp_path: Path
) -> None:
    api.create_repo("me/open")
    api.upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", repo_id="me/open")
    path = stranger.hf_hub_download("me/open", "a.txt", cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"hello"
    with pytest.raises(HfHubHTTPError, match="write access"):
        other.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/open")
    with pytest.raises(HfHubHTTPError):
        stranger.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/open")
    with pytest.raises(HfHubHTTPError, match="403"):
        other.delete_repo("me/open")


def test_repositories_without_owner_are_not_found(api: HfApi, stranger: HfApi) -> None:
    for somebody in (api, stranger):
        with pytest.raises(RepositoryNotFoundError):
            somebody.model_info("gpt2")
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("gpt2", "config.json", endpoint=api.endpoint, token=False)


def test_info_reads_the_card(api: HfApi) -> None:
    card = (
        "---\nlicense: mit\ntags: [lora, lora]\nlibrary_name: diffusers\n"
        "pipeline_tag: text-to-image\nbase_model: a/b\nbase_model_relation: adapter\n"
        "datasets: [me/pics]\n---\n# Hi\n"
    )
    api.create_repo("me/one")
    api.upload_file(path_or_fileobj=card.encode(), path_in_repo="README.md", repo_id="me/one")
    info = api.model_info("me/one", files_metadata=True)
    assert info.card_data is not None
    assert info.card_data.license == "mit"
    assert info.library_name == "diffusers"
    assert info.pipeline_tag == "text-to-image"
    assert info.tags is not None
    assert len(info.tags) == len(set(info.tags))
    assert {"lora", "license:mit", "dataset:me/pics", "base_model:adapter:a/b"} <= set(info.tags)
    readme = next(file for file in info.siblings or () if file.rfilename == "README.md")
    assert readme.size == len(card)
    only = api.model_info("me/one", expand=["sha", "tags"])
    assert only.sha == info.sha
    assert only.siblings is None
    with pytest.raises(HfHubHTTPError, match="expand"):
        api.model_info("me/one", expand=["nonsense"])  # type: ignore[list-item]


def test_listing_filters_and_pages(api: HfApi, stranger: HfApi) -> None:
    for index in range(5):
        api.create_repo(f"me/data-{index}", repo_type="dataset")
    api.create_repo("studio/else", repo_type="dataset")
    assert len(list(stranger.list_datasets())) == 6
    assert len(list(stranger.list_datasets(author="me", search="DATA"))) == 5
    assert len(list(stranger.list_datasets(limit=3))) == 3
    assert list(stranger.list_models()) == []


def test_lists_are_what_was_asked_for(api: HfApi, local_hub: Hub) -> None:
    cards = {
        "me/a": "license: mit\npipeline_tag: text-to-image",
        "me/b": "license: mit",
        "me/c": "",
    }
    for name, card in cards.items():
        api.create_repo(name)
        text = f"---\n{card}\n---\n# {name}\n".encode()
        api.upload_file(path_or_fileobj=text, path_in_repo="README.md", repo_id=name)
    api.update_repo_settings("me/c", gated="auto")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a", repo_id="me/a")
    CLIENT.post(
        f"{local_hub.url}/api/models/me/b/like", headers={"Authorization": "Bearer hf_local"}
    )

    def names(**asked: Any) -> str:
        return "".join(info.id[-1] for info in api.list_models(**asked))

    assert names() == "cba"
    assert names(pipeline_tag="text-to-image") == "a"
    assert names(filter="license:mit") == names(filter="license:mit", expand=["sha"]) == "ba"
    assert names(filter=["license:mit", "text-to-image"]) == "a"
    assert (names(gated=True), names(gated=False)) == ("c", "ba")
    assert names(search="E/B") == "b"
    assert names(sort="last_modified") == "acb"
    assert names(sort="created_at", limit=2) == "cb"
    assert names(sort="likes") == "bca"
    for asked in (
        {"apps": "vllm"}, {"num_parameters": "min:6B"}, {"inference": "warm"}, {"sort": "beauty"},
        {"inference_provider": "all"},
    ):  # fmt: skip
        with pytest.raises(HfHubHTTPError, match="Bad request"):
            names(**asked)


def test_no_repository_is_lost_from_a_list_while_others_go(api: HfApi, local_hub: Hub) -> None:
    for number in range(6):
        api.create_repo(f"me/{number}")
    for sort in ("", "&sort=createdAt"):
        url, seen = f"{local_hub.url}/api/models?limit=2{sort}", ""
        while url:
            answer = CLIENT.get(url)
            seen += "".join(info["id"][-1] for info in answer.json())
            api.delete_repo(f"me/{seen[-1]}")
            api.create_repo(f"me/{seen[-1]}")
            url = answer.links.get("next", {}).get("url")
        assert "".join(sorted(seen)) == "012345"


def test_move_leaves_a_signpost(api: HfApi, tmp_path: Path) -> None:
    api.create_repo("me/old")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a b.txt", repo_id="me/old")
    api.create_repo("me/taken")
    with pytest.raises(HfHubHTTPError, match="already exists"):
        api.move_repo("me/old", "me/taken")
    api.move_repo("me/old", "studio/new")
    assert api.model_info("me/old").id == "studio/new"
    path = api.hf_hub_download("me/old", "a b.txt", cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"x"
    # The old name may be used again, and then means the new repository.
    api.create_repo("me/old")
    assert api.model_info("me/old").id == "me/old"
    with pytest.raises(HfHubHTTPError, match="403"):
        api.move_repo("me/old", "other/theirs")


def test_delete(api: HfApi, local_hub: Hub) -> None:
    api.create_repo("me/one")
    api.upload_file(path_or_fileobj=b"\0" * 100, path_in_repo="a.bin", repo_id="me/one")
    assert len(local_hub.store.blobs.all()) == 1
    api.delete_repo("me/one")
    assert local_hub.store.blobs.all() == []
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("me/one")
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("me/one")
    api.delete_repo("me/one", missing_ok=True)


def test_settings_and_gates(api: HfApi, other: HfApi, stranger: HfApi, tmp_path: Path) -> None:
    api.create_repo("me/one")
    api.upload_file(path_or_fileobj=b"x", path_in_repo="a.txt", repo_id="me/one")
    api.auth_check("me/one", write=True)
    other.auth_check("me/one")
    with pytest.raises(HfHubHTTPError, match="403"):
        other.auth_check("me/one", write=True)
    api.update_repo_settings("me/one", gated="manual")
    assert other.model_info("me/one").gated == "manual"
    for somebody in (other, stranger):
        with pytest.raises(GatedRepoError):
            somebody.hf_hub_download("me/one", "a.txt", cache_dir=tmp_path)
        with pytest.raises(GatedRepoError):
            somebody.auth_check("me/one")
    api.update_repo_settings("me/one", gated=False, private=True)
    with pytest.raises(RepositoryNotFoundError):
        other.auth_check("me/one")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("me/one", revision="v9")


def test_what_is_deleted_is_nowhere_in_the_folder_of_the_hub(tmp_path: Path) -> None:
    secret, shared = b"unforgettable words\n" * 40, b"what another repository has too\n" * 40
    with Hub(tmp_path / "hub") as hub:
        api = HfApi(endpoint=hub.url, token="hf_local")
        for name, data in (("me/one", secret), ("me/one", shared), ("me/two", shared)):
            api.create_repo(name, exist_ok=True)
            path = f"unforgettable_{data[:3].decode()}.txt" if name == "me/one" else "a.txt"
            api.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id=name)
        api.create_discussion("me/one", title="unforgettable", description="unforgettable")
        api.delete_repo("me/one")
        there = b"".join(p.read_bytes() for p in (tmp_path / "hub").rglob("*") if p.is_file())
        assert b"unforgettable" not in there
        assert b"what another" in there
        assert CLIENT.get(f"{hub.url}/me/two/resolve/main/a.txt").content == shared


def test_where_a_private_repository_went_is_not_for_everybody(
    api: HfApi, other: HfApi, stranger: HfApi, local_hub: Hub
) -> None:
    api.create_repo("me/old", private=True)
    api.create_repo("me/more")
    api.move_repo("me/old", "me/new-name")
    for guest in (other, stranger):
        with pytest.raises(RepositoryNotFoundError) as refused:
            guest.model_info("me/old")
        assert "new-name" not in str(refused.value)
    for path in ("api/models/me/old", "me/old/resolve/main/a", "me/old/resolve/main/a?key=0"):
        answer = CLIENT.get(f"{local_hub.url}/{path}")
        assert answer.status_code == 401
        assert b"new-name" not in answer.content
    assert api.model_info("me/old").id == "me/new-name"
    with pytest.raises(RepositoryNotFoundError, match="called me/new-name now"):
        api.delete_repo("me/old")
    with pytest.raises(RepositoryNotFoundError, match="called me/new-name now"):
        api.move_repo("me/old", "me/third")
