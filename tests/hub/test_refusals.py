"""What the Hub refuses is told as what it is, and names of repositories as people give them."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError

from hubtools.errors import HubtoolsError, UsageError
from hubtools.hub.client import asking, endpoint
from hubtools.hub.errors import as_sentence
from hubtools.hub.names import repository_named
from hubtools.hub.refusals import refusal
from hubtools.localhub.server import Hub
from tests.typed import typed


@pytest.mark.parametrize(
    ("status", "said", "meaning"),
    [
        (403, "Private repository storage limit reached, please upgrade your plan", "no room left"),
        (403, "You have exceeded your quota", "no room left"),
        (402, "Storage quota exceeded", "no room left"),
        (403, "Your push was rejected because it contains Hugging Face secrets.", "a secret"),
        (403, "Access to model me/x is restricted and you are not in the authorized list", "gated"),
        (403, "Please verify your email address first", "do something first"),
        (403, "You must agree to the new terms of service", "do something first"),
        (403, "This repository has been disabled", "blocked"),
        (403, "You don't have the required permissions to perform this action", "may not do that"),
        (403, "Forbidden: pass create_pr=1", "may not do that"),
        (403, "This Hub runs no jobs: they would be processes of this machine.", "no processes"),
        (401, "Invalid username or password.", "does not know this token"),
        (401, "User Access Token has expired", "has expired"),
        (413, "Payload too large", "too large"),
    ],
)
def test_one_status_many_reasons(status: int, said: str, meaning: str) -> None:
    found = refusal(status, said)
    assert found is not None
    assert meaning in found[0]
    assert found[1]


def test_others_are_no_refusals() -> None:
    assert refusal(500, "storage quota") is None
    assert refusal(404, "gated") is None


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("me/x", "me/x"),
        ("x", "x"),
        ("https://huggingface.co/me/x", "me/x"),
        ("huggingface.co/me/x/", "me/x"),
        ("https://hf.co/models/me/x", "me/x"),
        ("https://huggingface.co/me/x/tree/main", "me/x"),
        ("https://huggingface.co/me/x/blob/main/README.md?download=true", "me/x"),
        ("https://huggingface.co/me/x.git", "me/x"),
        ("models/me/x", "me/x"),
        ("hf://me/x", "me/x"),
        ("hf://models/me/x/", "me/x"),
    ],
)
def test_names_of_models(given: str, found: str) -> None:
    assert repository_named(given, "model") == found


def test_addresses_of_the_hub_at_hand_and_of_datasets() -> None:
    assert repository_named(f"{endpoint()}/datasets/me/x/settings", "dataset") == "me/x"
    assert repository_named("https://huggingface.co/datasets/me/x", "dataset") == "me/x"
    with pytest.raises(UsageError, match="is a dataset, and a model is to be sent"):
        repository_named("https://huggingface.co/datasets/me/x", "model")


@pytest.mark.parametrize(
    "given",
    [
        "me/x/y",
        "me//x",
        "/",
        "",
        "https://github.com/me/x",
        "git@hf.co:me/x",
        "file:///me/x",
        "me/x y",
        "me/-x",
        "me/x..y",
        "ü/x",
        "https://huggingface.co/",
    ],
)
def test_what_is_no_name_is_told(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        repository_named(given, "model")
    assert caught.value.hint


def test_a_name_that_is_not_allowed_is_told_one_that_is() -> None:
    for given, near in (("käthe", "kathe"), ("a/Größe.. 1", "a/Grosse-1"), ("日本", "owner/name")):
        with pytest.raises(UsageError, match="cannot be the name") as caught:
            repository_named(given, "model")
        assert str(caught.value.hint).endswith(f" {near}")


def test_a_name_is_checked_before_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "metadata.jsonl").write_text("")
    done = typed("push", tmp_path, "https://huggingface.co/me/x/y/z", "--type", "dataset")
    assert done.returncode == 2
    assert "is no name of a repository" in done.stderr
    assert "me//" not in done.stderr


def test_a_wrong_token_is_called_so(local_hub: Hub, dataset_folder: Path) -> None:
    done = typed("push", dataset_folder, "me/x", HF_TOKEN="hf_nobody")
    assert done.returncode == 1
    assert "does not know this token" in done.stderr, done.stderr
    reader = typed("push", dataset_folder, "me/x", HF_TOKEN="hf_other")
    assert reader.returncode == 1
    assert "you cannot create it" in reader.stderr or "may not" in reader.stderr, reader.stderr


@pytest.fixture
def dataset_folder(tmp_path: Path) -> Path:
    from tests.drawing import write_pictures

    return write_pictures(tmp_path / "ds", 2)


def test_a_refused_card_is_no_bug() -> None:
    said = 'Invalid metadata in README.md.\n- "license" must be one of [mit]'
    told = r'refuses the card: "license" must be one of'
    with pytest.raises(HubtoolsError, match=told), asking("commit"):
        raise ValueError(said)


def test_sentences_of_the_client(local_hub: Hub) -> None:
    from huggingface_hub import HfApi

    local_hub.fail_next("POST", "repos/create", 403, message="Private storage limit reached")
    with pytest.raises(HfHubHTTPError) as caught:
        HfApi().create_repo("me/x")
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert "no room left" in sentence.message


def test_a_name_that_no_address_has_room_for() -> None:
    with pytest.raises(httpx2.InvalidURL) as caught:
        httpx2.URL(f"http://127.0.0.1/{'n' * 100_000}")
    told = as_sentence(caught.value)
    assert told is not None
    assert told.message == "The Hub, or HF_ENDPOINT, gives an address that is none: URL too long."
