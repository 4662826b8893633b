"""hubtools: a folder of pictures becomes a published, licensed, small, reproducible LoRA.

Importing the package is cheap on purpose: no torch, no diffusers, no Hub client. Every command is
there as a function of the same name and arguments, imported when it is first used
(docs/python-api.md):

    report = hubtools.validate("pictures", strict=True)
    manifest = hubtools.train("my-project", max_train_steps=500)
"""

# Before anything else is imported: the folder one stands in may hold a `typing.py`.
from hubtools import interpreter

if interpreter.is_program():
    interpreter.leave_here()

from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any

from hubtools.entrance import entered
from hubtools.version import __version__

if TYPE_CHECKING:
    from hubtools.cards.render import write_dataset_card, write_model_card
    from hubtools.cards.rules import check_card
    from hubtools.commands.caches import cache_ls, cache_prune
    from hubtools.commands.clusters import launch_slurm
    from hubtools.commands.drawing import evaluate, generate, grid, plan_grid, train
    from hubtools.commands.edits import caption, fix
    from hubtools.commands.elsewhere import attach_train, plan_train_remote, train_remote
    from hubtools.commands.journeys import (
        demo,
        doctor,
        explain,
        forecast,
        init,
        rehearse,
        rules,
        schema,
        ship,
    )
    from hubtools.commands.packing import plan_shards, shard, unshard
    from hubtools.commands.pictures import inspect, merge_parts, validate
    from hubtools.commands.releasing import card, plan_push, prune, push
    from hubtools.commands.remote import plan_prune_remote, prune_remote, purge_remote
    from hubtools.commands.reviews import review
    from hubtools.commands.undoing import (
        fix_journal,
        plan_undo_push,
        purge_fix,
        purge_prune,
        undo_prune,
        undo_push,
    )
    from hubtools.commands.watching import watch
    from hubtools.commands.weights import convert, export, merge
    from hubtools.commands.workflows import ci_init, ci_run
    from hubtools.dataset.caption.exchange import export_captions
    from hubtools.dataset.caption.planner import plan_captions
    from hubtools.dataset.fix.planner import plan_fix
    from hubtools.dataset.fix.run import undo_fix
    from hubtools.dataset.parts import validate_part
    from hubtools.errors import ChecksFailed, HubtoolsError, UsageError
    from hubtools.commands.serving import preview, serve
    from hubtools.project import Project, load_project
    from hubtools.publish.classify import classify
    from hubtools.reporting.formats import write_report

_WHERE = {
    "ChecksFailed": "hubtools.errors",
    "HubtoolsError": "hubtools.errors",
    "Project": "hubtools.project",
    "UsageError": "hubtools.errors",
    "attach_train": "hubtools.commands.elsewhere",
    "cache_ls": "hubtools.commands.caches",
    "cache_prune": "hubtools.commands.caches",
    "caption": "hubtools.commands.edits",
    "card": "hubtools.commands.releasing",
    "check_card": "hubtools.cards.rules",
    "convert": "hubtools.commands.weights",
    "export": "hubtools.commands.weights",
    "merge": "hubtools.commands.weights",
    "ci_init": "hubtools.commands.workflows",
    "ci_run": "hubtools.commands.workflows",
    "classify": "hubtools.publish.classify",
    "demo": "hubtools.commands.journeys",
    "doctor": "hubtools.commands.journeys",
    "evaluate": "hubtools.commands.drawing",
    "explain": "hubtools.commands.journeys",
    "export_captions": "hubtools.dataset.caption.exchange",
    "fix": "hubtools.commands.edits",
    "forecast": "hubtools.commands.journeys",
    "generate": "hubtools.commands.drawing",
    "grid": "hubtools.commands.drawing",
    "init": "hubtools.commands.journeys",
    "inspect": "hubtools.commands.pictures",
    "launch_slurm": "hubtools.commands.clusters",
    "load_project": "hubtools.project",
    "merge_parts": "hubtools.commands.pictures",
    "plan_captions": "hubtools.dataset.caption.planner",
    "plan_fix": "hubtools.dataset.fix.planner",
    "plan_grid": "hubtools.commands.drawing",
    "plan_prune_remote": "hubtools.commands.remote",
    "plan_push": "hubtools.commands.releasing",
    "plan_shards": "hubtools.commands.packing",
    "plan_train_remote": "hubtools.commands.elsewhere",
    "plan_undo_push": "hubtools.commands.undoing",
    "prune": "hubtools.commands.releasing",
    "prune_remote": "hubtools.commands.remote",
    "fix_journal": "hubtools.commands.undoing",
    "purge_fix": "hubtools.commands.undoing",
    "purge_prune": "hubtools.commands.undoing",
    "purge_remote": "hubtools.commands.remote",
    "push": "hubtools.commands.releasing",
    "rehearse": "hubtools.commands.journeys",
    "review": "hubtools.commands.reviews",
    "rules": "hubtools.commands.journeys",
    "schema": "hubtools.commands.journeys",
    "preview": "hubtools.commands.serving",
    "serve": "hubtools.commands.serving",
    "shard": "hubtools.commands.packing",
    "ship": "hubtools.commands.journeys",
    "train": "hubtools.commands.drawing",
    "train_remote": "hubtools.commands.elsewhere",
    "undo_fix": "hubtools.dataset.fix.run",
    "undo_prune": "hubtools.commands.undoing",
    "undo_push": "hubtools.commands.undoing",
    "unshard": "hubtools.commands.packing",
    "validate": "hubtools.commands.pictures",
    "validate_part": "hubtools.dataset.parts",
    "watch": "hubtools.commands.watching",
    "write_dataset_card": "hubtools.cards.render",
    "write_model_card": "hubtools.cards.render",
    "write_report": "hubtools.reporting.formats",
}

__all__ = [
    "__version__",
    "ChecksFailed",
    "HubtoolsError",
    "Project",
    "UsageError",
    "attach_train",
    "cache_ls",
    "cache_prune",
    "caption",
    "card",
    "check_card",
    "ci_init",
    "ci_run",
    "convert",
    "export",
    "merge",
    "classify",
    "demo",
    "doctor",
    "evaluate",
    "explain",
    "export_captions",
    "fix",
    "fix_journal",
    "forecast",
    "generate",
    "grid",
    "init",
    "inspect",
    "launch_slurm",
    "load_project",
    "merge_parts",
    "plan_captions",
    "plan_fix",
    "plan_grid",
    "plan_prune_remote",
    "plan_push",
    "plan_shards",
    "plan_train_remote",
    "plan_undo_push",
    "preview",
    "prune",
    "prune_remote",
    "purge_fix",
    "purge_prune",
    "purge_remote",
    "push",
    "rehearse",
    "review",
    "rules",
    "schema",
    "serve",
    "shard",
    "ship",
    "train",
    "train_remote",
    "undo_fix",
    "undo_prune",
    "undo_push",
    "unshard",
    "validate",
    "validate_part",
    "watch",
    "write_dataset_card",
    "write_model_card",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        found = getattr(import_module(_WHERE[name]), name)
        if isinstance(found, FunctionType):
            found = entered(found, name)
        globals()[name] = found  # one and the same from now on
        return found
    raise AttributeError(f"module 'hubtools' has no attribute {name!r}")
