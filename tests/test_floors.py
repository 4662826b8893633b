"""The shape of the code: no circles of files, lazy imports for heavy libraries, short files."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parent.parent

# What takes long to import, or need not be installed.
HEAVY = {
    *("torch", "diffusers", "transformers", "datasets", "accelerate", "peft", "safetensors"),
    *("pyarrow", "daft", "fsspec", "aiohttp", "kornia_rs", "simplejpeg"),
    *("numpy", "PIL", "pydantic", "jinja2", "rich", "huggingface_hub"),
    *("starlette", "uvicorn", "markdown_it"),
    # Of our own: the search for secrets. Every file that prints would bring its fifteen along.
    *("hubtools.leaks.text", "hubtools.leaks.shapes"),
}

LINES = 400


# --- circles -------------------------------------------------------------------------------------


def _circles() -> list[set[str]]:
    """Files that import each other, by whatever kind of import: strongly connected components."""
    graph = grimp.build_graph("hubtools", cache_dir=None, exclude_type_checking_imports=False)
    for module, name, _ in _by_name():
        graph.add_import(importer=module, imported=name.partition(":")[0])
    below = {name: graph.find_downstream_modules(name) for name in graph.modules}
    circles: list[set[str]] = []
    for name in sorted(graph.modules):
        if any(name in circle for circle in circles):
            continue
        circle = {name} | {other for other in below[name] if name in below[other]}
        if len(circle) > 1:
            circles.append(circle)
    return circles


def test_no_file_stands_in_a_circle() -> None:
    found = [sorted(circle) for circle in _circles()]
    assert not found, f"these files import each other, directly or through others: {found}"


# --- one room for the Hub's client ----------------------------------------------------------------


def test_only_one_room_imports_the_client_of_the_hub() -> None:
    """What the client raises, caches and calls its functions changes between its versions. None
    other needs it: diffusers and transformers, which use it too, are given folders."""
    found = {
        module
        for module in _files()
        for name, _, _ in _imports_of(module)
        if name.partition(".")[0] == "huggingface_hub"
    }
    assert {module for module in found if not module.startswith("hubtools.hub.")} == set()
    assert found


# --- lazy imports --------------------------------------------------------------------------------


@cache
def _files() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "hubtools").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(node: ast.AST, lazy: bool = False) -> Iterator[tuple[str, int, bool]]:
    """(module, line, whether it is imported in a function); none for the type checker only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                yield (full if full in _files() else str(child.module)), child.lineno, lazy
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        else:
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _imports(child, lazy or inside)


@cache
def _imports_of(module: str) -> tuple[tuple[str, int, bool], ...]:
    return tuple(_imports(ast.parse(_files()[module].read_text("utf-8"))))


@cache
def _loads(module: str) -> frozenset[str]:
    """The heavy libraries that importing `module` brings along."""
    seen: set[str] = set()
    heavy: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        heavy |= {name, name.partition(".")[0]} & HEAVY
        if name not in _files():
            continue
        package = name.rpartition(".")[0]
        waiting += [package] if package else []
        waiting += [other for other, _, lazy in _imports_of(name) if not lazy]
    return frozenset(heavy)


def _idle() -> list[str]:
    """Imports in functions that spare nothing: what they bring is there already, or weighs little.

    Those of the command line and of the functions it calls are left out: nothing else stands above
    them, so that there is no circle to hide, and a command takes its wing only when it is run.
    """
    found = []
    for module in sorted(_files()):
        if module.split(".")[1:2] in (["cli"], ["commands"]):
            continue
        for name, line, lazy in _imports_of(module):
            if lazy and name.startswith("hubtools") and not _loads(name) - _loads(module):
                found.append(f"{_files()[module].relative_to(ROOT)}:{line}: {name}")
    return found


def test_a_lazy_import_of_a_sibling_spares_a_heavy_library() -> None:
    assert not (found := _idle()), "put these imports at the top of the file:\n" + "\n".join(found)


# --- imports by name ------------------------------------------------------------------------------


@cache
def _by_name() -> tuple[tuple[str, str, int], ...]:
    """(file, the `package.module:function` that it asks `named` for, line)."""
    return tuple(
        (module, node.args[0].value, node.lineno)
        for module, path in sorted(_files().items())
        if "named(" in path.read_text("utf-8")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "named"
        and isinstance(node.args[0], ast.Constant)
    )


def _brings(module: str) -> set[str]:
    """The files that importing `module` brings along."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in _files() and name not in seen:
            seen.add(name)
            waiting += [other for other, _, lazy in _imports_of(name) if not lazy]
    return seen


def test_what_is_asked_for_by_name_is_there_and_spares_a_room() -> None:
    """A name is for what brings many files along that few runs need; the others are imported."""
    assert _by_name()
    for module, name, line in _by_name():
        target, _, function = name.partition(":")
        where = f"{module}:{line}: {name}"
        assert target in _files(), where
        there = {getattr(node, "name", "") for node in ast.parse(_text(target)).body}
        assert function in there, where
        spared = len(_brings(target) - _brings(module))
        assert spared >= 3, f"{where} brings {spared} files along: import it"


def test_a_check_of_a_folder_loads_what_it_needs() -> None:
    """Half of the check of a few pictures is loading modules."""
    brought = _brings("hubtools.dataset.validate")
    rooms = ("hubtools.hub.", "hubtools.dataset.fix.", "hubtools.dataset.edits.")
    others = {"hubtools.dataset.sources.stores", "hubtools.dataset.sources.shards"}
    assert not [name for name in brought if name.startswith(rooms) or name in others]


def test_a_name_leads_down() -> None:
    """As import-linter holds imports to the floors: what is named lies below, or beside in the room
    of whoever asks."""
    floors = _floors()
    for module, name, line in _by_name():
        mine, other = (one.split(".")[:3] for one in (module, name.partition(":")[0]))
        if mine[:2] == other[:2] == ["hubtools", "dataset"]:
            if mine[2] != other[2]:
                assert floors[other[2]] > floors[mine[2]], f"{module}:{line}: {name}"
        else:
            assert mine[:2] == other[:2], f"{module}:{line}: {name} lies in another room"


def _floors() -> dict[str, int]:
    """{file or folder of `dataset`: its floor, from the top}, from pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = next(
        one["layers"]
        for one in contracts["tool"]["importlinter"]["contracts"]
        if one["name"] == "floors of dataset"
    )
    return {
        word.strip(): number
        for number, layer in enumerate(layers)
        for word in layer.replace(":", "|").split("|")
    }


def _text(module: str) -> str:
    return _files()[module].read_text("utf-8")


# --- one flow a command ---------------------------------------------------------------------------

# What a command asks about before it calls its function, and the words that it asks with.
ASKED_ABOUT = {
    "hubtools.dataset.edits.journal.finish",
    "hubtools.dataset.edits.replay.would",
    "hubtools.dataset.packing.plan_file.would",
    "hubtools.publish.plan_file.would",
    "hubtools.publish.prune_plan.would",
    "hubtools.publish.trash",
    "hubtools.plans.check_plan_file",
    "hubtools.plans.read_plan",
    "hubtools.project.load_project",
    "hubtools.hub.errors.as_sentence",
}


def _functions(room: str) -> dict[str, set[str]]:
    """{function that the files of a room import: those files}."""
    found: dict[str, set[str]] = {}
    for module in _files():
        if not module.startswith(f"hubtools.{room}."):
            continue
        for node in ast.walk(ast.parse(_files()[module].read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith("hubtools"):
                continue
            for alias in node.names:
                if alias.name == alias.name.lower():
                    found.setdefault(f"{node.module}.{alias.name}", set()).add(module)
    return found


def test_the_command_line_does_not_do_itself_what_the_function_of_a_command_does() -> None:
    """It reads options, asks, calls the function and prints: one flow, typed or called."""
    typed, called = _functions("cli"), _functions("commands")
    twice = {name: sorted(typed[name]) for name in typed.keys() & called.keys() - ASKED_ABOUT}
    twice = {n: who for n, who in twice.items() if not n.startswith("hubtools.commands.")}
    assert not twice, f"call the function in hubtools/commands instead: {twice}"


def test_files_of_tests_that_are_begun_early_are_there() -> None:
    """A file of another name stops the whole suite."""
    names = (ROOT / "tests/plain.txt").read_text("utf-8").split()
    assert not [name for name in names if not (ROOT / name).is_file()]


# --- length --------------------------------------------------------------------------------------


def test_files_are_short() -> None:
    counts = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in _files().values()
    }
    long = {name: count for name, count in counts.items() if count > LINES}
    assert not long, f"split these files by topic, {LINES} lines are the most: {long}"


ONE_PLACE = {
    # names of files of peft; `modelfiles.peft_config` reads the one
    '"adapter_config.json"': ("layout.py",),
    '"adapter_model.safetensors"': ("layout.py",),
    # who looks at pixels turns them upright there; the other imitates what `datasets` does
    "exif_transpose(": ("dataset/pictures/rgb.py", "dataset/loaders/source.py"),
    # rows of parquet; the gate reads columns of whatever a stranger packed, not rows
    "ParquetFile(": ("dataset/metadata/parquet_batches.py", "publish/contents/row_groups.py"),
}


@pytest.mark.parametrize("call", ONE_PLACE)
def test_a_question_is_answered_in_one_place(call: str) -> None:
    found = {
        path.relative_to(ROOT / "hubtools").as_posix()
        for path in _files().values()
        if call in path.read_text("utf-8")
    }
    assert found == set(ONE_PLACE[call])


def test_files_of_tests_have_names_of_their_own() -> None:
    """pytest imports them by their last name: of two alike one is not run."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
