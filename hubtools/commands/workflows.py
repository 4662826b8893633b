"""`ci init` and `ci run` as functions: what a workflow of GitHub or GitLab does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hubtools.commands.asked import ProjectLike, project_of
from hubtools.commands.releasing import Kind, card, plan_push, push
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath
from hubtools.findings import Finding, Report
from hubtools.hub.client import has_token, resource_of
from hubtools.layout import CARD, PROJECT_FILE
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.journey.ci import Provider, Workflow
    from hubtools.publish.push import PushPlan, PushResult

Mode = Literal["check", "pr", "push", "release"]


@dataclass(frozen=True)
class CiRun:
    """What a step of a workflow found and did. `plan` is None if only the folder was checked,
    `result` if nothing was to be sent or an error stopped it."""

    folder: Path
    kind: Literal["model", "dataset"]
    report: Report
    plan: PushPlan | None = None
    result: PushResult | None = None
    notes: tuple[str, ...] = ()

    @property
    def commit_url(self) -> str | None:
        """Page of the commit that was made, or of that of the pull request."""
        if self.plan is None or self.result is None:
            return None
        from hubtools.publish.again import url_of

        return f"{url_of(self.plan.repo, self.plan.repo_type)}/commit/{self.result.commit}"

    @property
    def pr_url(self) -> str | None:
        """Page of the pull request that was opened."""
        return self.result.pr_url if self.result is not None else None


def ci_init(
    project: ProjectLike = None,
    *,
    provider: Provider = "github",
    branch: str | None = None,
    repository: str | None = None,
    action: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Workflow:
    """Write the workflow that checks pull requests, proposes what main gets and releases tags."""
    from hubtools.journey.ci import ci_init as run

    return run(
        project_of(ci_init, project, {}),
        provider=provider,
        branch=branch,
        repository=repository,
        action=action,
        force=force,
        dry_run=dry_run,
    )


def ci_run(
    folder: StrPath | None = None,
    repo: str | None = None,
    project: ProjectLike = None,
    *,
    type: Kind = "auto",
    mode: Mode = "check",
    version: str | None = None,
    public: bool = False,
    overwrite: bool = False,
    plan_file: StrPath | None = None,
) -> CiRun:
    """One step of a workflow. `check` asks the rules on pictures, card and publishing; `pr` then
    opens a pull request on the Hub, `push` commits to main, `release` commits and tags with
    `version` (default: the tag that started the workflow). `plan_file`: the plan of the push is
    written there too.

    A trusted publisher (an identity of the workflow) comes before a token. Without either, `check`
    judges the folder without asking the Hub. Raises `HubtoolsError` if the Hub does not trust the
    workflow, and what `push` raises; a report with errors is not raised.
    """
    from hubtools.publish.options import PushOptions
    from hubtools.publish.plan import judge_alone
    from hubtools.publish.release import kind_of

    project = project_of(ci_run, project, {})
    source = Path(folder) if folder is not None else project.dataset_dir
    kind = kind_of(source) if type == "auto" else type
    target = repo or (project.model.repo if kind == "model" else project.dataset.repo)
    tag = _version(version) if mode == "release" else None
    if mode != "check" and target is None:
        raise UsageError(
            f"No repository is set for the {kind}.",
            hint=f"name it, or set repo in the section [{kind}] of {PROJECT_FILE}",
            code="bad-setting",
        )
    found = list(_checked(project, source, kind))
    notes: list[str] = []
    with _identity(kind, target, notes) as known:
        if target is None or (mode == "check" and not known):
            notes.append("the Hub was not asked: there is no identity and no token")
            options = PushOptions.of(project, kind, public=public, overwrite=overwrite)
            report = judge_alone(source, kind, options)
            return CiRun(source, kind, _one(source, report, found), None, None, tuple(notes))
        plan = plan_push(
            source,
            target,
            project,
            type=kind,
            public=public,
            overwrite=overwrite,
            release=tag,
            plan_file=plan_file,
            pr=mode == "pr",
            only_shown=mode == "check",  # the card stays as it is
        )
        report = _one(source, plan.report, found)
        notes += plan.notes
        result = push(plan=plan) if mode != "check" and report.ok else None
    return CiRun(source, kind, report, plan, result, tuple(notes))


def _version(given: str | None) -> str:
    found = given
    if not found and os.environ.get("GITHUB_REF_TYPE") == "tag":
        found = os.environ.get("GITHUB_REF_NAME")
    found = found or os.environ.get("CI_COMMIT_TAG")
    if not found:
        raise UsageError(
            "There is no version to release.",
            hint="give --version v1.0, or let a tag start the workflow",
        )
    return found


def _checked(
    project: Project, folder: Path, kind: Literal["model", "dataset"]
) -> Iterator[Finding]:
    """What the rules on pictures and cards say."""
    if kind == "dataset":
        from hubtools.commands.pictures import validate

        yield from validate(folder, project).findings
    if (folder / CARD).is_file():
        for one in card(folder, project, kind=kind, check=True):
            yield from one.report.findings if one.report is not None else ()


def _one(folder: Path, report: Report, found: list[Finding]) -> Report:
    """The findings of all rules in one report, each once."""
    findings = tuple(dict.fromkeys([*found, *report.findings]))
    return Report(folder.name, findings, report.facts, report.rules)


@contextmanager
def _identity(kind: str, repo: str | None, notes: list[str]) -> Iterator[bool]:
    """Let the Hub's client prove which workflow this is, for one repository; else a token serves.
    False if there is neither."""
    mintable = bool(os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL")) or bool(
        os.environ.get("HF_OIDC_ID_TOKEN")
    )
    if repo is None or not mintable or os.environ.get("HF_OIDC_RESOURCE"):
        yield repo is not None and has_token()
        return
    os.environ["HF_OIDC_RESOURCE"] = resource_of(repo, kind)
    try:
        why = _refusal()
        if why is not None:
            del os.environ["HF_OIDC_RESOURCE"]
            if not has_token():
                raise _untrusted(kind, repo, why)
            notes.append(f"the Hub does not trust this workflow ({why}); the token is used instead")
        yield True
    finally:
        os.environ.pop("HF_OIDC_RESOURCE", None)


def _refusal() -> str | None:
    """Why the Hub gives no token for this workflow's identity."""
    try:
        has_token()
    except Exception as error:  # of the client, its HTTP library, or an answer that makes no sense
        from hubtools.hub.errors import as_sentence

        sentence = as_sentence(error)
        return sentence.message if sentence is not None else str(error).splitlines()[0][:300]
    return None


def _untrusted(kind: str, repo: str, why: str) -> HubtoolsError:
    from hubtools.publish.again import url_of

    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0].rpartition("/")[2]
    claims = {
        "repository": os.environ.get("GITHUB_REPOSITORY") or os.environ.get("CI_PROJECT_PATH"),
        "workflow": workflow,
    }
    said = ", ".join(f"{name} {value}" for name, value in claims.items() if value)
    return HubtoolsError(
        f"The Hub gives this workflow no token for {repo}: {why}",
        hint=f"add a trusted publisher ({said}) at {url_of(repo, kind)}/settings; the repository"
        " must exist. Or give a token as HF_TOKEN",
        code="hub-refused",
    )
