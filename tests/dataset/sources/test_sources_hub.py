"""Datasets on the Hub: any revision, over HTTP, without a copy on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from huggingface_hub import HfApi, constants, snapshot_download
from simple import picture

from hubtools.dataset.examples import read_examples
from hubtools.dataset.packing.write import shard
from hubtools.dataset.sources.download import fetch_dataset
from hubtools.dataset.validate import validate
from hubtools.errors import HubtoolsError
from hubtools.findings import Finding
from hubtools.settings import DatasetSettings

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

REPO = "me/people"


@pytest.fixture
def there(good: Path, local_hub: Hub) -> str:
    """`good` on main; on the branch `spoiled` and in a pull request a copy as well; a tag on the
    first."""
    # tests of other rooms fetch a set of this name
    kept = Path(constants.HF_HUB_CACHE) / f"datasets--{REPO.replace('/', '--')}"
    shutil.rmtree(kept, ignore_errors=True)
    api = HfApi()
    api.create_repo(REPO, repo_type="dataset")
    first = api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path=good).oid
    api.create_tag(REPO, tag="v1", repo_type="dataset")
    api.create_branch(REPO, branch="spoiled", repo_type="dataset")
    for where in ({"revision": "spoiled"}, {"create_pr": True}):
        api.upload_file(
            path_or_fileobj=(good / "0.png").read_bytes(),
            path_in_repo="copy.png",
            repo_id=REPO,
            repo_type="dataset",
            **where,  # type: ignore[arg-type]
        )
    return first


def found(where: str, settings: DatasetSettings) -> list[Finding]:
    return validate(where, settings, resolution=64).sorted()


def rules(where: str, settings: DatasetSettings) -> list[tuple[str, str]]:
    return [(finding.rule, finding.place) for finding in found(where, settings)]


def test_every_revision_is_judged_by_itself(there: str, settings: DatasetSettings) -> None:
    spoiled = [("D401", "0.png"), ("D202", "copy.png")]
    base = f"hf://datasets/{REPO}"
    for revision in ("", "@main", "@v1", f"@{there}", "@refs%2Fheads%2Fmain"):
        assert rules(base + revision, settings) == []
    for revision in ("@spoiled", "@refs/pr/1", "@refs%2Fpr%2F1", "@refs/pr/1/"):
        assert rules(base + revision, settings) == spoiled
    report = validate(f"{base}@v1", settings, resolution=64)
    assert report.subject == f"{base}@{there}"
    assert report.facts["pictures"] == report.facts["rows"] == 3
    hub = Path(constants.HF_HUB_CACHE) / f"datasets--{REPO.replace('/', '--')}"
    assert not hub.exists()


def test_a_folder_and_a_file_of_a_repository(
    good: Path, tmp_path: Path, local_hub: Hub, settings: DatasetSettings
) -> None:
    api = HfApi()
    api.create_repo(REPO, repo_type="dataset")
    shutil.copy(good / "0.png", good / "4.png")
    shard(good.rename(tmp_path / "in"), tmp_path / "out" / "parquet")
    shard(tmp_path / "in", tmp_path / "out" / "tars", format="webdataset")
    shutil.make_archive(str(tmp_path / "out" / "all"), "zip", tmp_path / "in")
    shutil.copytree(tmp_path / "in", tmp_path / "out" / "sub" / "in")
    api.upload_folder(repo_id=REPO, repo_type="dataset", folder_path=tmp_path / "out")
    base = f"hf://datasets/{REPO}"
    inside = [("D401", "0.png"), ("D202", "4.png")]
    assert rules(f"{base}/sub/in", settings) == inside
    assert rules(f"{base}@main/sub/in/", settings) == inside
    assert rules(f"{base}/all.zip", settings) == [(r, f"all.zip!{p}") for r, p in inside]
    for kind in ("parquet", "tars"):
        for _ in range(2):
            assert rules(f"{base}/{kind}", settings) == []
    api.create_repo("me/shards", repo_type="dataset")
    api.upload_folder(
        repo_id="me/shards", repo_type="dataset", folder_path=tmp_path / "out" / "parquet"
    )
    report = validate("hf://datasets/me/shards", settings, resolution=64)
    assert (report.findings, report.facts["pictures"]) == ((), 3)
    assert report.facts["loaders"]["auto"]["splits"]["train"]["rows"] == 3
    folder, commit = fetch_dataset("me/shards")
    assert folder.name == commit
    assert [example.caption[-1] for example in read_examples(folder, "text")] == ["0", "1", "2"]
    one = f"{base}/parquet/data/train-00000-of-00001.parquet"
    assert validate(one, settings, resolution=64).facts["pictures"] == 3


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("me/nobody", "The Hub knows no dataset me/nobody"),
        ("other/secret", "The Hub knows no dataset other/secret, or your token may not see it"),
        (f"{REPO}@nowhere", "Not found on the Hub: "),
        (f"{REPO}@refs/pr/9", "Not found on the Hub: "),
        (f"{REPO}/no/where", f"There is no no/where in {REPO}"),
        (f"{REPO}/metadata.jsonl", "is a file that is no dataset"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(
    there: str, settings: DatasetSettings, where: str, words: str
) -> None:
    HfApi(token="hf_other").create_repo("other/secret", repo_type="dataset", private=True)
    with pytest.raises(HubtoolsError) as error:
        found(f"hf://datasets/{where}", settings)
    assert words in error.value.message


def test_offline_the_client_s_copy_is_read(
    there: str, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubtoolsError, match="is not in the cache of the Hub client"):
        found(f"hf://datasets/{REPO}", settings)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    snapshot_download(REPO, repo_type="dataset", revision="spoiled")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert rules(f"hf://datasets/{REPO}@spoiled", settings) == [
        ("D401", "0.png"),
        ("D202", "copy.png"),
    ]


def test_a_hub_that_fails_on_the_way(
    there: str, local_hub: Hub, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    utils: Any = huggingface_hub.utils
    original = utils.http_backoff
    broken = {"0.png": "gone", "1.png": "short"}

    def flaky(method: str, url: str, **options: Any) -> Any:
        kind = broken.get(url.rpartition("/")[2])
        answer = original(method, url + ("x" if kind == "gone" else ""), **options)
        if kind == "short":
            answer._content = answer.content[:-5]
        return answer

    monkeypatch.setattr(utils, "http_backoff", flaky)
    findings = found(f"hf://datasets/{REPO}", settings)
    assert [(f.rule, f.place) for f in findings] == [("D301", "0.png"), ("D301", "1.png")]
    assert "the Hub answered HTTP 404" in findings[0].message
    assert "it changed while it was read" in findings[1].message


def test_a_picture_that_the_client_has_is_not_fetched(
    there: str, good: Path, local_hub: Hub, settings: DatasetSettings
) -> None:
    from huggingface_hub import hf_hub_download

    from hubtools.dataset.sources.opening import open_source

    picture(good / "9.png", 9)
    kept = hf_hub_download(REPO, "1.png", repo_type="dataset", revision=there)
    source = open_source(f"hf://datasets/{REPO}@{there}")
    read = {entry.name: what for entry, what in source.stream(source.look().pictures)}
    assert read["1.png"] == kept
    assert read["0.png"] == (good / "0.png").read_bytes()
