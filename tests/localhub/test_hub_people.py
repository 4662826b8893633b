"""Who may read a gated repository, who likes what, webhooks and organisations, by the unmodified
client."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from PIL import Image

from hubtools.errors import UsageError
from hubtools.localhub.accounts import Org, User, parse_org, parse_user
from hubtools.localhub.serve import serve
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT


@pytest.fixture
def api(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token="hf_local")


@pytest.fixture
def other(local_hub: Hub) -> HfApi:
    return HfApi(endpoint=local_hub.url, token="hf_other")


def gated(api: HfApi, how: str) -> None:
    api.create_repo("me/gated")
    api.upload_file(path_or_fileobj=b"secret", path_in_repo="a.txt", repo_id="me/gated")
    api.update_repo_settings("me/gated", gated=how)


def read(api: HfApi, folder: Path) -> bytes:
    path = hf_hub_download(
        "me/gated", "a.txt", endpoint=api.endpoint, token=api.token, cache_dir=folder
    )
    return Path(path).read_bytes()


def ask(api: HfApi) -> str:
    answer = CLIENT.post(
        f"{api.endpoint}/me/gated/ask-access", headers={"Authorization": f"Bearer {api.token}"}
    )
    return str(answer.json()["status"])


def test_access_is_granted_taken_back_and_refused(api: HfApi, other: HfApi, tmp_path: Path) -> None:
    gated(api, "manual")
    with pytest.raises(GatedRepoError):
        read(other, tmp_path / "a")
    api.grant_access("me/gated", "other")
    assert read(other, tmp_path / "b") == b"secret"
    with pytest.raises(HfHubHTTPError, match="already has access"):
        api.grant_access("me/gated", "other")
    (request,) = api.list_accepted_access_requests("me/gated")
    assert (request.username, request.email) == ("other", None)
    api.reject_access_request("me/gated", "other", rejection_reason="no")
    assert [r.username for r in api.list_rejected_access_requests("me/gated")] == ["other"]
    with pytest.raises(GatedRepoError):
        read(other, tmp_path / "c")
    api.accept_access_request("me/gated", request_id=request.request_id)
    other.auth_check("me/gated")
    api.cancel_access_request("me/gated", "other")
    assert [r.username for r in api.list_pending_access_requests("me/gated")] == ["other"]
    with pytest.raises(GatedRepoError):
        other.auth_check("me/gated")


def test_who_asks_is_let_in_at_once_or_waits(api: HfApi, other: HfApi, tmp_path: Path) -> None:
    gated(api, "manual")
    assert ask(other) == "pending"
    (request,) = api.list_pending_access_requests("me/gated")
    assert (request.username, request.email) == ("other", "other@localhost")
    api.update_repo_settings("me/gated", gated="auto")
    assert ask(other) == "pending"  # what somebody decides on is not decided by asking again
    api.accept_access_request("me/gated", "other")
    assert read(other, tmp_path) == b"secret"


def test_requests_are_for_the_owners_of_a_gated_repository(api: HfApi, other: HfApi) -> None:
    gated(api, "auto")
    with pytest.raises(HfHubHTTPError, match="403"):
        list(other.list_accepted_access_requests("me/gated"))
    with pytest.raises(HfHubHTTPError, match="403"):
        other.grant_access("me/gated", "other")
    with pytest.raises(HfHubHTTPError, match="no user nobody"):
        api.grant_access("me/gated", "nobody")
    api.create_repo("me/open")
    with pytest.raises(HfHubHTTPError, match="not gated"):
        api.grant_access("me/open", "other")


def test_a_gated_diff_is_not_for_everybody(api: HfApi, other: HfApi) -> None:
    gated(api, "manual")
    api.upload_file(
        path_or_fileobj=b"more secret", path_in_repo="a.txt", repo_id="me/gated", create_pr=True
    )
    assert "more secret" in (api.get_discussion_details("me/gated", 1).diff or "")
    with pytest.raises(GatedRepoError):
        other.get_discussion_details("me/gated", 1)


def test_no_page_shows_gated_files_to_a_stranger(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (4, 4)).save(picture, "PNG")
    files = {
        "a.txt": b"secret words",
        "0.png": picture.getvalue(),
        "metadata.jsonl": b'{"file_name": "0.png", "text": "secret words"}\n',
    }
    users = [User("me", "hf_local"), User("other", "hf_other")]
    with Hub(tmp_path / "hub", open_pages=False, users=users) as hub:
        api = HfApi(endpoint=hub.url, token="hf_local")
        api.create_repo("me/gated", repo_type="dataset")
        operations = [CommitOperationAdd(name, data) for name, data in files.items()]
        for pull in (False, True):
            api.create_commit(
                "me/gated", operations, repo_type="dataset", create_pr=pull, commit_message="x"
            )
            operations = [CommitOperationAdd("a.txt", b"more secret words")]
        page = f"{hub.url}/datasets/me/gated"
        sha = api.dataset_info("me/gated").sha
        pages = ("", "/tree/main", "/blob/main/a.txt", f"/commit/{sha}", "/commits/main",
                 "/discussions", "/discussions/1", "/viewer", "/resolve/main/a.txt")  # fmt: skip
        told = [path for path in pages if b"secret" in CLIENT.get(page + path).content]
        assert {"", "/blob/main/a.txt", f"/commit/{sha}", "/discussions/1"} <= set(told)
        api.update_repo_settings("me/gated", repo_type="dataset", gated="manual")
        assert [path for path in pages if b"secret" in CLIENT.get(page + path).content] == []
        assert CLIENT.get(page).status_code == 200  # the card is for everybody, as on the Hub
        api.grant_access("me/gated", "other", repo_type="dataset")
        guest = {"Authorization": "Bearer hf_other"}
        assert b"secret" in CLIENT.get(f"{page}/blob/main/a.txt", headers=guest).content


def test_likes(api: HfApi, other: HfApi) -> None:
    api.create_repo("me/one")
    for _ in range(2):
        CLIENT.post(
            f"{api.endpoint}/api/models/me/one/like", headers={"Authorization": "Bearer hf_other"}
        )
    assert api.model_info("me/one").likes == 1
    assert other.list_liked_repos().models == ["me/one"]
    assert [user.username for user in api.list_repo_likers("me/one")] == ["other"]
    api.update_repo_settings("me/one", private=True)
    assert api.list_liked_repos("other").models == ["me/one"]
    assert other.list_liked_repos().models == []
    api.update_repo_settings("me/one", private=False)
    other.unlike("me/one")
    assert api.model_info("me/one").likes == 0
    with pytest.raises(RepositoryNotFoundError):
        other.unlike("bare")


def test_webhooks_are_kept_for_their_user(api: HfApi, other: HfApi) -> None:
    made = api.create_webhook(
        url="https://example.com/hook", watched=[{"type": "user", "name": "me"}], secret="s"
    )
    assert api.list_webhooks() == [made]
    assert other.list_webhooks() == []
    assert api.disable_webhook(made.id).disabled
    changed = api.update_webhook(made.id, url="https://example.com/b", domains=["repo"])
    assert (changed.url, changed.domains, changed.secret) == (
        "https://example.com/b",
        ["repo"],
        "s",
    )
    with pytest.raises(HfHubHTTPError, match="no such webhook"):
        other.delete_webhook(made.id)
    with pytest.raises(HfHubHTTPError, match="http or https"):
        api.update_webhook(made.id, url="file:///etc/passwd")
    api.delete_webhook(made.id)
    assert api.list_webhooks() == []


def test_an_address_that_is_not_there_is_not_a_missing_repository(
    api: HfApi, local_hub: Hub
) -> None:
    api.create_repo("me/one")
    for method, path in (
        ("GET", "models/me/one/scan"),
        ("POST", "spaces/me/one/hardware"),
        ("GET", "papers/1234.56789"),
    ):
        answer = CLIENT.request(method, f"{local_hub.url}/api/{path}")
        assert answer.status_code == 501
        assert path in answer.json()["error"]
    for path in ("models/bare", "models/bare/refs", "datasets/bare/tree/main"):
        answer = CLIENT.get(f"{local_hub.url}/api/{path}")
        assert answer.headers["X-Error-Code"] == "RepoNotFound"


def test_users_and_organisations_of_the_command_line(tmp_path: Path) -> None:
    assert parse_org("lab=The Lab:private") == Org("lab", "The Lab", private=True)
    assert parse_org("lab") == Org("lab")
    assert parse_user("me=Mia Example+lab:hf_a") == User(
        "me", "hf_a", "write", ("lab",), "Mia Example"
    )
    for wrong in ("", "=The Lab", "lab:closed", "lab:"):
        with pytest.raises(UsageError, match="--org"):
            parse_org(wrong)
    options = {"user": ["me=Mia Example+lab:hf_a"], "org": ["lab=The Lab:private"]}
    with serve(tmp_path / "hub", **options) as running:
        api = HfApi(endpoint=running.hub.url, token="hf_a")
        answer = api.whoami()
        assert (answer["fullname"], answer["orgs"][0]["fullname"]) == ("Mia Example", "The Lab")
        api.create_repo("lab/one")
        api.create_repo("lab/two", private=False)
        api.create_repo("me/three")
        names = ("lab/one", "lab/two", "me/three")
        assert [api.model_info(name).private for name in names] == [True, False, False]
    with serve(tmp_path / "hub", org=["lab"]) as running:
        HfApi(endpoint=running.hub.url, token="hf_local").create_repo("lab/four")
    with pytest.raises(UsageError, match="a user and an organisation"):
        Hub(tmp_path / "other", orgs=[Org("me")])
