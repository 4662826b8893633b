"""Nothing is written over unseen: each place of the package that writes a file asks first what lies
there (`check=`, `write_over`, `filling`, `create`), or is listed here with the reason why no file
of a person's can lie there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.callers import calls_in

_WRITERS = {
    *("write", "write_json", "write_text", "write_bytes", "replacing", "taking_place", "take"),
    *("copyfile", "copy2", "copytree", "save_file", "save_pretrained"),
}
_HINT = re.compile(
    r"\b(?:write|write_json|write_text|write_bytes|replacing|taking_place|take|copyfile"
    r"|copy2|copytree|save_file|save_pretrained|fdopen|open)\(|shutil\.move|os\.(?:replace|rename)\("
    r"|replace=True"
)
_OWN = "in .hubtools, which hubtools alone writes"
_CACHE = "in the cache, under a name made of a hash"
_NEW = "in a folder that this call has made, under a name that nobody knows"
_HUB = "in the store of an embedded Hub, by hash"
_MADE = "in a temporary folder of this process"
_JOB = "on the machine of a job, which is empty when it begins"
_BELOW = "what others call: they are asked themselves"
# what has a method of such a name, and is no folder
_NO_FOLDERS = {"draft", "self.draft", "journal", "manifest", "self.manifest", "formatter", "os"}
_NO_FOLDERS |= {"store.trees", "self._below", "found"}
_OTHERS = ("journey/trainers/config", "dataset/caption/planner", "reviewing/wording")

# (module, function): why nothing of a person's can lie there
UNSEEN: dict[tuple[str, str], str] = {
    ("cards/kept", "kept_cards"): _OWN,
    ("cards/merge", "Memory.write"): _OWN,
    ("cli/answer", "_kept_stdout"): "standard output",
    ("cli/ci", "_tell_github"): "appends to what the job of GitHub reads",
    ("conversion/adapter", "_unpickled"): _MADE,
    ("conversion/export", "_fill_folder"): "a new folder; of one that is there --overwrite says it",
    ("conversion/halving", "halve"): _MADE,
    ("conversion/merge", "_put"): _MADE,
    ("conversion/merge", "merge"): _NEW,
    ("dataset/caption/model", "Captioner.captions"): _CACHE,
    ("dataset/edits/journal_files", "mark_staging"): _OWN,
    ("dataset/edits/journal_files", "Journal.write"): _OWN,
    ("dataset/edits/stage", "_make"): _OWN,
    ("dataset/fix/draft", "Draft._scratch_file"): _MADE,
    ("dataset/packing/unpack", "_carry_card"): _NEW,
    ("dataset/packing/write", "_write_state"): _OWN,
    ("dataset/sources/download", "_unpack_row"): _MADE,
    ("dataset/sources/download", "_unpack"): _MADE,
    ("files", "write_json"): _BELOW,
    ("files", "write_text"): _BELOW,
    ("files", "write_bytes"): _BELOW,
    ("files", "taking_place"): _BELOW,
    ("files", "replacing"): _BELOW,
    ("jobs/onjob", "Sender._copy"): _MADE,
    ("jobs/onjob", "_job"): _JOB,
    ("jobs/place", "bring"): "a new folder, or on the machine of a job, which is empty at first",
    ("journey/ledger", "Ledger.save"): _OWN,
    ("journey/rehearse", "_answers"): _OWN,
    ("journey/selftest", "_draw"): _MADE,
    ("journey/stage", "free_port"): _OWN,
    ("kept", "write_kept"): _CACHE,
    ("localhub/blobs", "Incoming.keep"): _HUB,
    ("localhub/jobtools", "_program"): _JOB,
    ("localhub/jobtools", "lay_out"): _JOB,
    ("localhub/xet", "Areas.keep"): _HUB,
    ("models/families/tiny", "_mark"): _MADE,
    ("models/families/tiny", "write_tokenizer"): _MADE,
    ("models/families/tiny", "write_pipeline"): _MADE,
    ("models/families/tiny_edit", "build_tiny_qwen_edit"): _MADE,
    ("models/families/tiny_flow", "build_tiny_flux2_dev"): _MADE,
    ("models/tensors", "write_tensors"): "nothing in the package calls it",
    ("models/unpacking", "_convert"): _CACHE,
    ("models/unpacking", "_take"): _CACHE,
    ("models/unpacking", "unpack"): _CACHE,
    ("models/unpacking", "unpacked_folder"): _CACHE,
    ("owned", "claim"): "in a folder that the call begins",
    ("publish/trash", "_moved"): _OWN,
    ("renaming", "replace"): _BELOW,
    ("reviewing/pending", "save_applied"): _OWN,
    ("reviewing/pending", "save"): _OWN,
    ("rooted/outputs", "note_written"): _OWN,
    ("rooted/writing", "Writing.take"): _BELOW,
    ("rooted/writing", "Writing.write_json"): _BELOW,
    ("rooted/writing", "Writing.create"): "O_EXCL: never what is there",
    ("rooted/writing", "Writing.append"): "at the end of what is there",
    ("rooted/writing", "Writing.replacing"): _BELOW,
    ("sums", "write_sums"): "nothing in the package calls it",
    ("tinypeople/classifier", "write_classifier"): "nothing in the package calls it",
    ("training/cache", "Cache.fetch"): _CACHE,
    ("training/checkpoints", "_write_facts"): _NEW,
    ("training/trackers/tensorboard", "TensorBoard.begin"): "kept, if somebody has changed it",
    ("training/written", "written_tensors"): "in a folder that the call before has begun",
    ("trust", "_make"): "O_EXCL: never what is there",
}


def calls() -> Iterator[tuple[str, str, str]]:
    """(module, function, the call) of what writes a file without a look at what lies there."""
    for module, where, call, _functions in calls_in(_HINT):
        if module not in _OTHERS and _is_unseen(call):
            yield module, where, ast.unparse(call)


def _is_unseen(call: ast.Call) -> bool:
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    of = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
    given = {one.arg for one in call.keywords}
    if of in _NO_FOLDERS and not (of == "os" and name in ("replace", "rename", "fdopen")):
        return False
    if name in ("replace", "rename", "move") and of in ("os", "shutil"):
        return True
    if name == "rename":
        return "replace" in given and "check" not in given
    if name in ("open", "fdopen"):
        return any(
            isinstance(one, ast.Constant) and re.fullmatch(r"[wa+]b?\+?", str(one.value))
            for one in (*call.args, *(k.value for k in call.keywords if k.arg == "mode"))
        )
    if name in ("write", "take") and (len(call.args) < 2 or isinstance(called, ast.Name)):
        return False  # of an open file, a budget; a card
    return name in _WRITERS and "check" not in given


def test_what_writes_looks_first_or_says_why_not() -> None:
    found = {(module, where): call for module, where, call in calls()}
    new = {place: call for place, call in found.items() if place not in UNSEEN}
    assert not new, "give them a check=, or a reason here"
    assert not UNSEEN.keys() - found.keys(), "they are gone: take them out of this list"
