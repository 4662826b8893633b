"""May this caller see, read or change this repository?"""

from __future__ import annotations

from hubtools.localhub import gate
from hubtools.localhub.accounts import User
from hubtools.localhub.http import Call
from hubtools.localhub.model import Moved, Repo
from hubtools.localhub.names import is_name
from hubtools.localhub.problems import Problem, repo_not_found


def find_repo(call: Call, kind: str, namespace: str, name: str) -> Repo:
    """A repository the caller may see. Raises `Moved` if it has another name by now, `Problem`
    401/404 RepoNotFound if there is none or it is not theirs to see."""
    repo = None
    if is_name(namespace) and is_name(name):
        try:
            repo = call.hub.store.find(kind, namespace, name)
        except Moved as moved:
            # where a private repository went to is not for everybody
            if may_see(call.user, moved.repo):
                raise
    if repo is None or not may_see(call.user, repo):
        raise repo_not_found(call.user is None)
    return repo


def find_named(call: Call, kind: str, namespace: str, name: str) -> Repo:
    """`find_repo` for a name that is not the request's path: by an old name too."""
    try:
        return find_repo(call, kind, namespace, name)
    except Moved as moved:
        return moved.repo


def may_see(user: User | None, repo: Repo) -> bool:
    """Public repositories are for everybody, private ones for their owners."""
    if not repo.private:
        return True
    return user is not None and (
        user.may_read_private(repo.namespace) or user.owns(repo.kind, repo.full_name)
    )


def repo_of(call: Call) -> Repo:
    """The repository of the request's path, if the caller may see it."""
    return find_repo(call, call.params["kind"], call.params["ns"], call.params["name"])


def writable_repo_of(call: Call) -> Repo:
    """The repository of the request's path, if the caller may change it. Raises `Problem`."""
    repo = repo_of(call)
    check_write(call, repo)
    return repo


def check_write(call: Call, repo: Repo) -> None:
    """Raise `Problem` 401/403 unless the caller may change `repo`."""
    user = call.require_user()
    refuse_mount(repo)
    if user.role != "write":
        raise Problem(403, "This token has read access only: the operation needs a write token")
    if not user.may_write(repo.namespace) and not user.owns(repo.kind, repo.full_name):
        raise Problem(
            403, f"You do not have write access to {repo.full_name} (you are {user.name})"
        )


def check_contribute(call: Call, repo: Repo) -> User:
    """Somebody who may open a pull request: anybody with a write token who sees the repository."""
    user = call.require_user()
    refuse_mount(repo)
    if user.role != "write":
        raise Problem(403, "This token has read access only: the operation needs a write token")
    if user.scope is not None and not user.owns(repo.kind, repo.full_name):
        raise Problem(403, f"This token is for {user.scope[1]} only")
    return user


def refuse_mount(repo: Repo) -> None:
    """Raise `Problem` 403 if the repository is a mounted folder."""
    if repo.mount is not None:
        raise Problem(403, f"{repo.full_name} is a mounted folder of this machine: read-only")


def check_gate(call: Call, repo: Repo) -> None:
    """Raise `Problem` GatedRepo if the files are for the admitted only and the caller is not."""
    if not repo.gated:
        return
    if call.user is None:
        raise Problem(
            401,
            f"Access to {repo.kind} {repo.full_name} is restricted. You must have access to it and"
            " be authenticated to access it. Please log in.",
            code="GatedRepo",
        )
    user = call.user
    if user.may_read_private(repo.namespace) or user.owns(repo.kind, repo.full_name):
        return
    with call.hub.store.database.reading() as connection:
        let_in = user.scope is None and gate.is_accepted(connection, repo, user.name)
    if not let_in:
        raise Problem(
            403,
            f"Access to {repo.kind} {repo.full_name} is restricted and you are not in the"
            " authorized list.",
            code="GatedRepo",
        )


def not_mine(call: Call, kind: str, namespace: str) -> Problem:
    """The refusal to create something in somebody else's namespace."""
    return Problem(
        403,
        f'You don\'t have the rights to create a {kind} under the namespace "{namespace}"',
    )
