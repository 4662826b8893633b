"""Nothing of a person's is read by a path that is looked up anew: each place of the package that
opens a file by its path itself, and not through `open_kept` (`open_regular`, `open_inside`, a
`Root`), is listed here with the reason why nobody else can have put another file there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.callers import calls_in

_READERS = {"read_bytes", "read_text", "copyfile", "copy2", "copytree", "safe_open", "load_file"}
_HINT = re.compile(rf"\b(?:{'|'.join(sorted(_READERS))}|open)\(")
_PACKAGE = "a file of the package"
_MODEL = "a model's folder, which libraries open by its path: what they open is judged before"
_MADE = "what this process has made, where nobody else writes"
_HOME = "in the user's own folders"
_SYSTEM = "a file of the system"
_JOB = "on the machine of a job"
_THROUGH = "it opens nothing by itself: what is called so reads through `open_regular`"
_BELOW = "what compares the folder with the one that was opened first"

# (module, function): why it is read by its path
BY_PATH: dict[tuple[str, str], str] = {
    ("cardschema", "_table"): _PACKAGE,
    ("chats", "_bounded"): _SYSTEM,
    ("cli/answer", "_kept_stdout"): _SYSTEM,
    ("cli/main", "_open_closed"): _SYSTEM,
    ("cli/main", "_run"): _SYSTEM,
    ("compiled", "_is_for_it"): _HOME,
    ("conversion/adapter", "_opened"): _MODEL,
    ("conversion/halving", "halve"): _MADE,
    ("dataset/caption/model", "Captioner._known"): _HOME,
    ("dataset/caption/model", "_whole"): _MODEL,
    ("dataset/fix/draft", "Draft.content"): _MADE,
    ("dataset/pictures/private/besides", "_by_content"): _THROUGH,
    ("dataset/pictures/private/besides", "private_in"): _THROUGH,
    ("dataset/pictures/rgb", "open_image"): _THROUGH,
    ("dataset/sources/stores", "FsspecStore._bytes_of"): "on a Hub or in a bucket",
    ("dataset/sources/stores", "FsspecStore.open"): "on a Hub or in a bucket",
    ("dataset/workers/worker", "address_space"): _SYSTEM,
    ("dataset/workers/worker", "main"): _MADE,
    ("fences", "_take_over"): _BELOW,
    ("fences", "keep_same"): _BELOW,
    ("fences", "make_folder"): _BELOW,
    ("fences", "open_kept"): _BELOW,
    ("files", "_folder_of"): _BELOW,
    ("findings", "report_schema"): _PACKAGE,
    ("hub/reading", "open_ranges"): "on a Hub or in a bucket",
    ("inference/adapters", "_keep_exact"): _MODEL,
    ("inference/controls", "_bytes"): _THROUGH,
    ("jobs/onjob", "Sender._copy"): _JOB,
    ("journey/ci", "_filled"): _PACKAGE,
    (
        "journey/readback",
        "compare",
    ): "compared with what was drawn; no more than the difference is told",
    ("journey/readback", "main"): _MADE,
    ("journey/selftest", "_Tried.resumed"): _MADE,
    ("journey/stage", "free_port"): _SYSTEM,
    ("kept", "read_kept"): _HOME,
    ("localhub/disk", "_try"): "of an embedded Hub, whose folder is locked",
    ("localhub/lock", "_opened"): "of an embedded Hub, whose folder is locked",
    ("localhub/pages/html", "asset"): _PACKAGE,
    ("loopback", "Files.__init__"): _PACKAGE,
    ("models/device", "cpu_model"): _SYSTEM,
    ("models/families/tiny", "_is_ours"): _MODEL,
    ("models/families/tiny", "_mark"): _MADE,
    ("models/families/tiny_edit", "build_tiny_qwen_edit"): _MADE,
    ("models/families/tiny_flow", "build_tiny_flux2_dev"): _MADE,
    ("models/needs", "fitting"): _PACKAGE,
    ("models/outlines", "table"): _PACKAGE,
    ("models/targets", "_commit_of"): _MODEL,
    ("models/tensors", "read_tensors"): _MODEL,
    ("models/unpacking", "_convert"): _MODEL,
    ("models/unpacking", "_take"): _HOME,
    ("models/unpacking", "unpacked_folder"): _HOME,
    ("peers", "_users"): _SYSTEM,
    ("publish/halving", "exchange"): _MADE,
    ("publish/outbox", "_copy"): _MADE,
    ("publish/plan", "_is_fresh"): _HOME,
    ("reporting/page", "_part"): _PACKAGE,
    ("rooted/looking", "Looking.__init__"): _BELOW,
    ("rooted/writing", "Writing.take"): _MADE,
    ("shelves", "_alone"): _HOME,
    ("shelves", "hold"): _HOME,
    ("sums", "check_sums"): _MODEL,
    ("tinypeople/__init__", "copy_model"): _MODEL,
    ("tinypeople/__init__", "is_tiny_people"): _MODEL,
    ("tinypeople/classifier", "read_classifier"): _MODEL,
    ("training/encode", "EncodedDataset._encode"): _THROUGH,
    ("training/given", "Given.opened"): _THROUGH,
    ("training/masks", "Masks._by_mask.make"): _THROUGH,
    ("training/memory", "_told"): _MODEL,
    ("trust", "_make"): _HOME,
    ("trust", "_read"): _HOME,
}


def calls() -> Iterator[tuple[str, str]]:
    """(module, function) of what opens a file by its path."""
    for module, where, call, functions in calls_in(_HINT):
        if _is_by_path(call, frozenset().union(*map(_open_files, functions))):
            yield module, where


@cache
def _open_files(function: ast.FunctionDef) -> frozenset[str]:
    """Names that stand for open files: of `with ... as NAME`, and arguments that are said to be."""
    found = set[str]()
    for node in ast.walk(function):
        if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
            found.add(node.optional_vars.id)
        elif isinstance(node, ast.arg) and "IO" in ast.unparse(node.annotation or node):
            found.add(node.arg)
    return frozenset(found)


def _is_by_path(call: ast.Call, opened: frozenset[str]) -> bool:
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    of = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
    if name in _READERS:
        return of not in ("self._store", "root", "self.root")
    if name != "open":
        return False
    first = ast.unparse(call.args[0]) if call.args else ""
    if of == "Image":
        return first not in opened and not first.startswith("io.BytesIO(")
    if of == "os":
        return not any(key.arg in ("dir_fd", None) for key in call.keywords)
    modes = [one.value for one in call.args[of == "" :] if isinstance(one, ast.Constant)]
    return of == "" or any(mode in ("r", "rb", "r+b") for mode in modes)


def test_nothing_is_read_by_a_path_but_for_a_reason() -> None:
    found = {*calls()}
    assert found - BY_PATH.keys() == set(), "read it through open_regular, open_inside or a Root"
    assert BY_PATH.keys() - found == set(), "take these off the list"
