"""Trees: folders as rows, made anew only where they differ, remembered within bounds; and lists in
pages while somebody commits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from hubtools.localhub.database import Database
from hubtools.localhub.model import File
from hubtools.localhub.server import Hub
from hubtools.localhub.trees import Trees, clash_of, folders_of
from tests.localhub.asking import CLIENT


def file(number: int) -> File:
    return File(f"{number:040x}", number, f"{number:064x}" if number % 3 == 0 else None)


@pytest.mark.parametrize("most", [1, 20, 10_000])
def test_a_tree_made_from_another_is_the_same_as_one_made_anew(tmp_path: Path, most: int) -> None:
    chance = random.Random(1)
    names = ["a", "b", "c.txt", "a-b", "a.b"]
    database, trees = Database(tmp_path / "hub.sqlite3"), Trees(most)
    files: dict[str, File] = {}
    with database.writing() as connection:
        base = trees.write(connection, files)
        for _ in range(150):
            files = dict(trees.read(connection, base).files)
            for _ in range(chance.randint(1, 4)):
                path = "/".join(chance.choices(names, k=chance.randint(1, 4)))
                if chance.random() < 0.4:
                    for other in [p for p in files if p == path or p.startswith(path + "/")]:
                        del files[other]
                elif not clash_of([*files, path]):
                    files[path] = file(chance.randint(1, 50))
            root = trees.write(connection, files, base)
            there, folders, _ = folders_of(files)
            assert root == there
            for reader in (trees, Trees()):
                tree = reader.read(connection, root)
                assert dict(tree.files) == files
                assert dict(tree.folders) == folders
                assert list(tree.paths) == sorted([*files, *folders])
            for path in (*files, *folders, "nothing", "a/nothing"):
                known = files[path].oid if path in files else folders.get(path)
                assert trees.id_of(connection, root, path) == known
            base = root
    database.close()


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    database, trees = Database(tmp_path / "hub.sqlite3"), Trees(100)
    with database.writing() as connection:
        for count in (30, 50, 60, 300, 20, 10):
            trees.write(connection, {f"{count}/{n}": file(n) for n in range(count)})
            held = sum(entries for _, entries in trees._trees._held.values())
            assert trees._trees._entries == held
            assert held <= 100 or len(trees._trees._held) == 1
    database.close()


def test_no_file_is_lost_from_a_list_while_somebody_commits(local_hub: Hub) -> None:
    api = HfApi(endpoint=local_hub.url, token="hf_local")
    api.create_repo("me/one")
    names = [f"{number:02}.txt" for number in range(9)]
    api.create_commit("me/one", [CommitOperationAdd(n, b"x") for n in names], commit_message="x")
    url, seen = f"{local_hub.url}/api/models/me/one/tree/main?limit=4", []
    while url:
        answer = CLIENT.get(url)
        seen += [item["path"] for item in answer.json()]
        change = [CommitOperationAdd(f"00-{len(seen)}.txt", b"x")]
        if seen[-1] != names[-1]:
            change.append(CommitOperationDelete(seen[-1]))
        api.create_commit("me/one", change, commit_message="x")
        url = answer.links.get("next", {}).get("url")
    assert seen == [".gitattributes", *names]
