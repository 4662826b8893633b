"""Commits, branches, pull requests, history: the write side of the API."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    ModelCard,
)
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)

from hubtools.localhub import api_commits, api_discussions
from hubtools.localhub.server import Hub
from tests.localhub.asking import CLIENT

REPO = "me/one"


@pytest.fixture
def api(local_hub: Hub) -> HfApi:
    api = HfApi(endpoint=local_hub.url, token="hf_local")
    api.create_repo(REPO)
    return api


def add(path: str, data: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, data)


def read(api: HfApi, path: str, revision: str = "main") -> bytes:
    return Path(api.hf_hub_download(REPO, path, revision=revision)).read_bytes()


def names(api: HfApi, revision: str = "main") -> set[str]:
    return set(api.list_repo_files(REPO, revision=revision)) - {".gitattributes"}


def test_regular_and_lfs_files_in_one_commit(api: HfApi) -> None:
    weights = os.urandom(200_000)
    done = api.create_commit(
        REPO,
        [add("notes/a.txt", "schön".encode()), add("w/x.safetensors", weights)],
        commit_message="Two files",
        commit_description="More words",
    )
    assert done.commit_url == f"{api.endpoint}/{REPO}/commit/{done.oid}"
    files = {
        file.path: file for file in api.get_paths_info(REPO, ["notes/a.txt", "w/x.safetensors"])
    }
    assert files["notes/a.txt"].lfs is None
    assert files["w/x.safetensors"].lfs.size == 200_000
    assert read(api, "notes/a.txt").decode() == "schön"
    assert read(api, "w/x.safetensors") == weights
    newest, first = api.list_repo_commits(REPO)
    assert (newest.title, newest.message, newest.authors) == ("Two files", "More words", ["me"])
    assert first.title == "initial commit"
    api.snapshot_download(REPO)
    assert api.verify_repo_checksums(REPO).checked_count == 3


def test_a_hash_known_in_another_repository_must_still_be_uploaded(
    api: HfApi, local_hub: Hub
) -> None:
    secret = os.urandom(5000)
    api.create_repo("me/secret", private=True)
    api.upload_file(path_or_fileobj=secret, path_in_repo="a.bin", repo_id="me/secret")
    other = HfApi(endpoint=local_hub.url, token="hf_other")
    other.create_repo("other/one")
    import hashlib
    import json

    lines = [
        {"key": "header", "value": {"summary": "steal"}},
        {
            "key": "lfsFile",
            "value": {"path": "a.bin", "oid": hashlib.sha256(secret).hexdigest(), "size": 5000},
        },
    ]
    answer = CLIENT.post(
        f"{local_hub.url}/api/models/other/one/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Authorization": "Bearer hf_other"},
    )
    assert answer.status_code == 400
    assert "not uploaded" in answer.json()["error"]


def test_unchanged_files_make_no_commit(api: HfApi) -> None:
    first = api.create_commit(REPO, [add("a.txt", b"x")], commit_message="one")
    again = api.create_commit(REPO, [add("a.txt", b"x")], commit_message="two")
    assert again.oid == first.oid
    assert len(api.list_repo_commits(REPO)) == 2


def test_a_repeated_commit_after_a_lost_answer_does_no_harm(api: HfApi, local_hub: Hub) -> None:
    fault = local_hub.fail_next("POST", "/commit/main", "drop-after")
    with pytest.raises(Exception, match=r"disconnected|reset|closed"):
        api.create_commit(REPO, [add("a.txt", b"x")], commit_message="one")
    assert fault.hits == 1
    head = api.model_info(REPO).sha
    again = api.create_commit(REPO, [add("a.txt", b"x")], commit_message="one")
    assert again.oid == head
    assert [commit.title for commit in api.list_repo_commits(REPO)] == ["one", "initial commit"]


def test_delete_files_and_folders(api: HfApi) -> None:
    api.create_commit(
        REPO, [add("a.txt", b"1"), add("d/b.txt", b"2"), add("d/e/c.txt", b"3")], commit_message="x"
    )
    api.create_commit(
        REPO,
        [CommitOperationDelete("d/", is_folder=True), add("a.txt", b"4")],
        commit_message="drop the folder",
    )
    assert names(api) == {"a.txt"}
    with pytest.raises(RemoteEntryNotFoundError):
        api.delete_file("missing.txt", REPO)
    with pytest.raises(RemoteEntryNotFoundError):
        api.delete_folder("missing", REPO)


def test_copy(api: HfApi) -> None:
    weights = os.urandom(3000)
    api.create_commit(REPO, [add("a.txt", b"1"), add("w.bin", weights)], commit_message="x")
    api.create_commit(
        REPO,
        [CommitOperationCopy("a.txt", "b/a.txt"), CommitOperationCopy("w.bin", "b/w.bin")],
        commit_message="copies",
    )
    assert read(api, "b/a.txt") == b"1"
    assert read(api, "b/w.bin") == weights


@pytest.mark.parametrize("path", ["a.txt/b.txt", "d"])
def test_a_file_is_no_folder(api: HfApi, path: str) -> None:
    api.create_commit(REPO, [add("a.txt", b"1"), add("d/b.txt", b"2")], commit_message="x")
    with pytest.raises(HfHubHTTPError, match="a file and a folder at once"):
        api.create_commit(REPO, [add(path, b"3")], commit_message="y")
    assert names(api) == {"a.txt", "d/b.txt"}


def test_a_stale_parent_is_refused(api: HfApi) -> None:
    first = api.create_commit(REPO, [add("a.txt", b"1")], commit_message="one")
    second = api.create_commit(
        REPO, [add("a.txt", b"2")], commit_message="two", parent_commit=first.oid
    )
    with pytest.raises(HfHubHTTPError, match="updated since") as caught:
        api.create_commit(
            REPO, [add("a.txt", b"3")], commit_message="three", parent_commit=first.oid
        )
    assert caught.value.response.status_code == 412
    assert api.model_info(REPO).sha == second.oid


def test_of_many_commits_on_one_parent_one_wins(api: HfApi) -> None:
    head = api.model_info(REPO).sha
    outcomes: list[int] = []

    def push(number: int) -> None:
        try:
            api.create_commit(
                REPO,
                [add(f"{number}.txt", b"x")],
                commit_message=str(number),
                parent_commit=head,
            )
            outcomes.append(200)
        except HfHubHTTPError as error:
            outcomes.append(error.response.status_code)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(outcomes) == [200] + [412] * 5
    assert len(names(api)) == 1


def test_commits_without_parent_queue_up(api: HfApi) -> None:
    blob = os.urandom(300_000)

    def push(number: int) -> None:
        # The same blob from every side, and a file of one's own.
        api.create_commit(
            REPO,
            [add("same.bin", blob), add(f"{number}.txt", b"x")],
            commit_message=str(number),
        )

    threads = [threading.Thread(target=push, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert names(api) == {"same.bin", *(f"{number}.txt" for number in range(6))}
    assert len(api.list_repo_commits(REPO)) == 7
    assert read(api, "same.bin") == blob


def test_upload_folder(api: HfApi, tmp_path: Path) -> None:
    for name in ("README.md", "a/b/c.txt", "a/w.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"# hello" if name.endswith("md") else os.urandom(2000))
    done = api.upload_folder(folder_path=tmp_path, repo_id=REPO, commit_message="all")
    assert names(api) == {"README.md", "a/b/c.txt", "a/w.bin"}
    assert len(api.list_repo_commits(REPO)) == 2
    again = api.upload_folder(folder_path=tmp_path, repo_id=REPO, commit_message="again")
    assert again.oid == done.oid
    api.upload_folder(
        folder_path=tmp_path / "a", repo_id=REPO, delete_patterns="*.md", commit_message="less"
    )
    assert "README.md" not in names(api)


def test_gitignore_is_honoured(api: HfApi, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.safetensors\n!keep.safetensors\n")
    for name in ("a.safetensors", "keep.safetensors", "b.txt"):
        (tmp_path / name).write_text(name)
    api.upload_folder(folder_path=tmp_path, repo_id=REPO)
    assert names(api) == {".gitignore", "keep.safetensors", "b.txt"}
    # The one on the Hub counts from now on.
    api.upload_file(path_or_fileobj=b"x", path_in_repo="c.safetensors", repo_id=REPO)
    assert "c.safetensors" not in names(api)


def test_gitattributes_decide_about_lfs(api: HfApi) -> None:
    api.upload_file(
        path_or_fileobj=b"*.txt filter=lfs diff=lfs merge=lfs -text\n",
        path_in_repo=".gitattributes",
        repo_id=REPO,
    )
    api.create_commit(
        REPO,
        [add("a.txt", b"text"), add("b.dat", b"\0\1"), add("c.md", b"# c")],
        commit_message="x",
    )
    lfs = {file.path: file.lfs is not None for file in api.list_repo_tree(REPO)}
    assert lfs == {".gitattributes": False, "a.txt": True, "b.dat": True, "c.md": False}


def test_big_text_goes_to_lfs(api: HfApi) -> None:
    api.upload_file(path_or_fileobj=b"x" * (11 << 20), path_in_repo="big.txt", repo_id=REPO)
    (info,) = api.get_paths_info(REPO, "big.txt")
    assert info.lfs is not None


def test_an_invalid_card_is_refused(api: HfApi) -> None:
    with pytest.raises(ValueError, match='"license" must be one of'):
        api.upload_file(
            path_or_fileobj=b"---\nlicense: my-own\n---\n", path_in_repo="README.md", repo_id=REPO
        )
    assert names(api) == set()


def test_card_push(api: HfApi) -> None:
    card = ModelCard("---\nlicense: mit\n---\n# Mine\n")
    card.push_to_hub(REPO, token="hf_local")
    assert ModelCard.load(REPO, token="hf_local").data.license == "mit"


def test_branches_and_tags(api: HfApi) -> None:
    first = api.create_commit(REPO, [add("a.txt", b"1")], commit_message="one").oid
    api.create_tag(REPO, tag="v1", tag_message="first")
    api.create_branch(REPO, branch="try/this")
    api.create_commit(REPO, [add("a.txt", b"2")], commit_message="two", revision="try/this")
    assert read(api, "a.txt") == b"1"
    assert read(api, "a.txt", "try/this") == b"2"
    assert read(api, "a.txt", "v1") == b"1"
    assert read(api, "a.txt", first[:10]) == b"1"
    refs = api.list_repo_refs(REPO)
    assert {branch.name for branch in refs.branches} == {"main", "try/this"}
    assert [(tag.name, tag.target_commit) for tag in refs.tags] == [("v1", first)]
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_tag(REPO, tag="v1")
    api.create_tag(REPO, tag="v1", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="Invalid reference for a branch"):
        api.create_branch(REPO, branch="a..b")
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(REPO, tag="v2", revision="nowhere")
    with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main"):
        api.delete_branch(REPO, branch="main")
    api.delete_branch(REPO, branch="try/this")
    api.delete_tag(REPO, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_files(REPO, revision="try/this")
    with pytest.raises(RevisionNotFoundError):
        api.create_commit(REPO, [add("a", b"1")], commit_message="x", revision="nowhere")


def test_pull_request_by_somebody_else(api: HfApi, local_hub: Hub) -> None:
    other = HfApi(endpoint=local_hub.url, token="hf_other")
    done = other.create_commit(
        REPO, [add("a.txt", b"theirs")], commit_message="A better one", create_pr=True
    )
    assert done.pr_url == f"{api.endpoint}/{REPO}/discussions/1"
    assert done.pr_revision == "refs/pr/1"
    assert names(api) == set()
    assert read(api, "a.txt", "refs/pr/1") == b"theirs"
    other.create_commit(
        REPO, [add("b.bin", b"\0")], commit_message="And more", revision="refs/pr/1"
    )
    details = api.get_discussion_details(REPO, 1)
    assert (details.status, details.author, details.target_branch) == (
        "open",
        "other",
        "refs/heads/main",
    )
    assert details.conflicting_files == []
    assert "+theirs" in (details.diff or "")
    assert [event.type for event in details.events] == ["comment", "commit", "commit"]
    with pytest.raises(HfHubHTTPError, match="403"):
        other.merge_pull_request(REPO, 1)
    api.comment_discussion(REPO, 1, "Thank you")
    api.merge_pull_request(REPO, 1)
    assert names(api) == {"a.txt", "b.bin"}
    assert api.get_discussion_details(REPO, 1).status == "merged"
    titles = [commit.title for commit in api.list_repo_commits(REPO)]
    assert titles == ["A better one (#1)", "And more", "A better one", "initial commit"]
    with pytest.raises(HfHubHTTPError, match="is merged"):
        other.create_commit(REPO, [add("c", b"1")], commit_message="x", revision="refs/pr/1")


def test_a_draft_is_opened_then_conflicts(api: HfApi) -> None:
    request = api.create_pull_request(REPO, title="Draft", description="words")
    assert request.status == "draft"
    assert request.git_reference is not None
    api.create_commit(
        REPO, [add("a.txt", b"1")], commit_message="here", revision=request.git_reference
    )
    with pytest.raises(HfHubHTTPError, match="draft"):
        api.merge_pull_request(REPO, request.num)
    api.change_discussion_status(REPO, request.num, "open")
    api.create_commit(REPO, [add("a.txt", b"2")], commit_message="there")
    assert api.get_discussion_details(REPO, request.num).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match=r"conflicts with main in a\.txt"):
        api.merge_pull_request(REPO, request.num)
    api.rename_discussion(REPO, request.num, "Better title")
    api.change_discussion_status(REPO, request.num, "closed", comment="no")
    listed = list(api.get_repo_discussions(REPO))
    assert [(item.title, item.status) for item in listed] == [("Better title", "closed")]


def test_lists_come_in_pages_and_the_client_reads_them_all(
    api: HfApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_commits, "_PAGE", 2)
    monkeypatch.setattr(api_discussions, "_PAGE", 2)
    for number in range(4):
        api.create_commit(REPO, [add("a.txt", b"%d" % number)], commit_message=str(number))
        api.create_discussion(REPO, title=f"Number {number}", description="x")
    titles = [commit.title for commit in api.list_repo_commits(REPO)]
    assert titles == ["3", "2", "1", "0", "initial commit"]
    listed = [item.title for item in api.get_repo_discussions(REPO, discussion_status="open")]
    assert listed == [f"Number {number}" for number in (3, 2, 1, 0)]
    place = f"{api.endpoint}/api/models/{REPO}"
    last = CLIENT.get(f"{place}/commits/main?p=2&expand[]=formatted")
    assert [row["title"] for row in last.json()] == ["initial commit"]
    assert last.headers["x-total-count"] == "5"
    assert "link" not in last.headers
    assert "p=1&limit=3" in CLIENT.get(f"{place}/commits/main?p=0&limit=3").headers["link"]
    assert CLIENT.get(f"{place}/commits/main?p=99999999999").json() == []
    beyond = CLIENT.get(f"{place}/discussions?p=7&type=discussion").json()
    assert (beyond["count"], beyond["start"], beyond["discussions"]) == (4, 14, [])
    assert CLIENT.get(f"{place}/discussions?p=-1").status_code == 400


def test_super_squash_keeps_files_and_tags(api: HfApi) -> None:
    for number in range(3):
        api.create_commit(REPO, [add("a.txt", b"%d" % number)], commit_message=str(number))
    old = api.list_repo_commits(REPO)[1].commit_id
    api.create_tag(REPO, tag="before", revision=old)
    api.super_squash_history(REPO, commit_message="All in one")
    assert [commit.title for commit in api.list_repo_commits(REPO)] == ["All in one"]
    assert read(api, "a.txt") == b"2"
    assert read(api, "a.txt", "before") == b"1"


def test_lfs_objects_deleted_for_good(api: HfApi, local_hub: Hub) -> None:
    keep, drop = os.urandom(1000), os.urandom(2000)
    api.create_commit(REPO, [add("keep.bin", keep), add("drop.bin", drop)], commit_message="x")
    api.create_commit(
        REPO, [CommitOperationDelete("drop.bin"), add("a.txt", b"1")], commit_message="y"
    )
    api.create_tag(REPO, tag="now")
    listed = {item.filename: item for item in api.list_lfs_files(REPO)}
    assert {name: item.size for name, item in listed.items()} == {
        "keep.bin": 1000,
        "drop.bin": 2000,
    }
    api.permanently_delete_lfs_files(REPO, [listed["drop.bin"]])
    assert [item.filename for item in api.list_lfs_files(REPO)] == ["keep.bin"]
    assert len(local_hub.store.blobs.all()) == 1
    titles = [commit.title for commit in api.list_repo_commits(REPO)]
    assert titles == ["y", "x", "initial commit"]
    for commit in api.list_repo_commits(REPO):
        assert "drop.bin" not in names(api, commit.commit_id)
    assert read(api, "keep.bin", "now") == keep
    # What is gone can be pushed again.
    api.create_commit(REPO, [add("drop.bin", drop)], commit_message="back")
    assert read(api, "drop.bin") == drop


def test_last_commit_of_each_path(api: HfApi) -> None:
    api.create_commit(REPO, [add("a.txt", b"1"), add("d/b.txt", b"1")], commit_message="one")
    api.create_commit(REPO, [add("d/b.txt", b"2")], commit_message="two")
    found = {
        item.path: item.last_commit.title
        for item in api.list_repo_tree(REPO, recursive=True, expand=True)
    }
    assert found == {
        ".gitattributes": "initial commit",
        "a.txt": "one",
        "d": "two",
        "d/b.txt": "two",
    }


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b'{"key": "file"}',
        b'{"key": "file", "value": {"path": "../up.txt", "content": "eA=="}}',
        b'{"key": "file", "value": {"path": "/abs", "content": "eA=="}}',
        b'{"key": "file", "value": {"path": ".git/config", "content": "eA=="}}',
        b'{"key": "file", "value": {"path": "a", "content": "%%", "encoding": "base64"}}',
        b'{"key": "file", "value": {"path": 3, "content": "eA=="}}',
        b'{"key": "lfsFile", "value": {"path": "a", "oid": "../../etc/passwd"}}',
        b'{"key": "nonsense", "value": {}}',
        b'{"key": "deletedFile", "value": {}}',
    ],
)
def test_a_malformed_operation_changes_nothing(api: HfApi, line: bytes) -> None:

    head = api.model_info(REPO).sha
    good = b'{"key": "file", "value": {"path": "ok.txt", "content": "eA==", "encoding": "base64"}}'
    answer = CLIENT.post(
        f"{api.endpoint}/api/models/{REPO}/commit/main",
        content=b'{"key": "header", "value": {"summary": "x"}}\n' + good + b"\n" + line,
        headers={"Authorization": "Bearer hf_local"},
    )
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]
    assert api.model_info(REPO).sha == head


def test_without_a_header_no_commit(api: HfApi) -> None:

    for body in (b"", b'{"key": "header", "value": {"summary": " "}}', b"[]"):
        answer = CLIENT.post(
            f"{api.endpoint}/api/models/{REPO}/commit/main",
            content=body,
            headers={"Authorization": "Bearer hf_local"},
        )
        assert answer.status_code == 400


def test_bad_request_is_a_sentence(api: HfApi) -> None:
    with pytest.raises(BadRequestError, match="Invalid reference"):
        api.create_tag(REPO, tag="bad tag")
