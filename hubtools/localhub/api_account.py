"""Who am I, is this card valid, may I write here."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response

from hubtools.localhub import cardyaml
from hubtools.localhub.access import check_gate, check_write, repo_of
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.info import used_storage
from hubtools.localhub.names import KINDS
from hubtools.localhub.problems import Problem


def whoami(call: Call) -> Response:
    return answer(call.hub.accounts.whoami(call.require_user()))


def agent_harnesses(call: Call) -> Response:
    """Which AI tools the client should report. None; and it must be an object, not a list."""
    return answer({"standardEnvVars": [], "harnesses": {}})


def validate_yaml(call: Call) -> Response:
    body = call.json()
    content, kind = body.get("content"), body.get("repoType") or "model"
    if not isinstance(content, str) or kind not in KINDS:
        raise Problem(400, "validate-yaml needs a content and a repoType.")
    verdict = cardyaml.judge(content, kind)
    status = 400 if verdict.errors else 200
    if "text/plain" in call.headers.get("accept", ""):
        lines = [f"- Error: {message}" for message in verdict.errors]
        lines += [f"- Warning: {message}" for message in verdict.warnings]
        return PlainTextResponse("\n".join(lines), status)
    return answer(
        {
            "errors": [{"message": message} for message in verdict.errors],
            "warnings": [{"message": message} for message in verdict.warnings],
        },
        status,
    )


def auth_check(call: Call) -> Response:
    check_gate(call, repo_of(call))
    return answer({})


def auth_check_write(call: Call) -> Response:
    check_write(call, repo_of(call))
    return answer({})


def user_overview(call: Call) -> Response:
    name = call.params["user"]
    if not any(user.name == name for user in call.hub.accounts.users):
        raise Problem(404, f"There is no user {name}")
    count = {
        kind: sum(
            repo.namespace == name and not repo.private for repo in call.hub.store.repos(kind)
        )
        for kind in KINDS
    }
    return answer(
        {
            "_id": name,
            "user": name,
            "fullname": name,
            "avatarUrl": "",
            "type": "user",
            "isPro": False,
            "orgs": [],
            "numModels": count["model"],
            "numDatasets": count["dataset"],
            "numSpaces": count["space"],
        }
    )


def my_repositories(call: Call) -> Response:
    """Every repository of a namespace with its storage, for `list_user_repos`."""
    user = call.require_user()
    namespace = call.params.get("org", user.name)
    if not user.may_read_private(namespace):
        raise Problem(403, f"You are not a member of {namespace}")
    return answer(
        [
            {
                "id": repo.full_name,
                "type": repo.kind,
                "private": repo.private,
                "visibility": repo.visibility,
                "storage": used_storage(call.hub.store, repo),
                "storagePercent": 0,
                "updatedAt": repo.created,
            }
            for repo in call.hub.store.repos()
            if repo.namespace == namespace
        ]
    )


def add_routes(router: Router) -> None:
    router.add("GET", "api/whoami-v2", whoami)
    router.add("GET", "api/agent-harnesses", agent_harnesses)
    router.add("POST", "api/validate-yaml", validate_yaml)
    router.add("GET", "api/{kinds}/{ns}/{name}/auth-check", auth_check)
    router.add("GET", "api/{kinds}/{ns}/{name}/auth-check/write", auth_check_write)
    router.add("GET", "api/users/{user}/overview", user_overview)
    router.add("GET", "api/settings/repositories", my_repositories)
    router.add("GET", "api/organizations/{org}/settings/repositories", my_repositories)
