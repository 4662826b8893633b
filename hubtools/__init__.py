"""hubtools: a folder of pictures becomes a published, licensed, small, reproducible LoRA.

Importing the package is cheap on purpose: no torch, no diffusers, no Hub client. What the commands
do is there as functions, imported when they are first used:

    project = hubtools.load_project("hubtools.toml")
    report = hubtools.validate(project.dataset_dir, project.dataset)
    manifest = hubtools.train(project)
"""

# Before anything else is imported: the folder one stands in may hold a `typing.py`.
from hubtools import interpreter

if interpreter.is_program():
    interpreter.leave_here()

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hubtools.version import __version__

if TYPE_CHECKING:
    from hubtools.cards.rules import check_card
    from hubtools.cards.render import write_dataset_card, write_model_card
    from hubtools.dataset.caption.exchange import export_captions
    from hubtools.dataset.caption.planner import plan_captions
    from hubtools.dataset.caption.run import caption
    from hubtools.dataset.validate import validate
    from hubtools.dataset.fix.planner import plan_fix
    from hubtools.dataset.fix.run import fix, undo_fix
    from hubtools.dataset.parts import merge_parts, validate_part
    from hubtools.dataset.packing.unpack import unshard
    from hubtools.dataset.packing.write import shard
    from hubtools.evaluation.run import evaluate
    from hubtools.inference.generate import generate
    from hubtools.inference.grid import grid
    from hubtools.journey.doctor import doctor
    from hubtools.journey.init import init
    from hubtools.journey.rehearse import rehearse
    from hubtools.journey.ship import ship
    from hubtools.project import load_project
    from hubtools.publish.classify import classify
    from hubtools.publish.push import plan_push, push
    from hubtools.reporting.formats import write_report
    from hubtools.training.preview import inspect
    from hubtools.training.train import train

_WHERE = {
    "caption": "hubtools.dataset.caption.run",
    "check_card": "hubtools.cards.rules",
    "classify": "hubtools.publish.classify",
    "doctor": "hubtools.journey.doctor",
    "evaluate": "hubtools.evaluation.run",
    "export_captions": "hubtools.dataset.caption.exchange",
    "fix": "hubtools.dataset.fix.run",
    "generate": "hubtools.inference.generate",
    "grid": "hubtools.inference.grid",
    "init": "hubtools.journey.init",
    "inspect": "hubtools.training.preview",
    "load_project": "hubtools.project",
    "merge_parts": "hubtools.dataset.parts",
    "plan_captions": "hubtools.dataset.caption.planner",
    "plan_fix": "hubtools.dataset.fix.planner",
    "plan_push": "hubtools.publish.push",
    "push": "hubtools.publish.push",
    "rehearse": "hubtools.journey.rehearse",
    "shard": "hubtools.dataset.packing.write",
    "ship": "hubtools.journey.ship",
    "train": "hubtools.training.train",
    "undo_fix": "hubtools.dataset.fix.run",
    "unshard": "hubtools.dataset.packing.unpack",
    "validate": "hubtools.dataset.validate",
    "validate_part": "hubtools.dataset.parts",
    "write_dataset_card": "hubtools.cards.render",
    "write_model_card": "hubtools.cards.render",
    "write_report": "hubtools.reporting.formats",
}

__all__ = [
    "__version__",
    "caption",
    "check_card",
    "classify",
    "doctor",
    "evaluate",
    "export_captions",
    "fix",
    "generate",
    "grid",
    "init",
    "inspect",
    "load_project",
    "merge_parts",
    "plan_captions",
    "plan_fix",
    "plan_push",
    "push",
    "rehearse",
    "shard",
    "ship",
    "train",
    "undo_fix",
    "unshard",
    "validate",
    "validate_part",
    "write_dataset_card",
    "write_model_card",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'hubtools' has no attribute {name!r}")
