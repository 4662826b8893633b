"""What bare `hubtools` says: where to start, and all commands by what they are for."""

from __future__ import annotations

from collections.abc import Mapping

# What the commands are for; every command stands in one group.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Pictures and captions": (
        "init", "validate", "fix", "inspect", "caption", "review", "merge-parts", "shard",
        "unshard",
    ),
    "Training and drawing": ("train", "watch", "launch", "generate", "grid", "evaluate"),
    "Weight files": ("convert", "export", "merge"),
    "Publishing": ("card", "prune", "preview", "push", "ci"),
    "All of it": ("ship", "rehearse", "demo", "hub"),
    "Help": ("doctor", "cache", "explain", "schema", "help"),
}  # fmt: skip

START = """\
hubtools takes a folder of pictures to a published, licensed, small,
reproducible LoRA on the Hugging Face Hub, checked at every step.

I have pictures
  hubtools init people --from PICTURES --trigger "(tok)"  makes a project;
                                          (tok) is a word of yours for what is
                                          learned: captions and prompts have it
  cd people
  hubtools validate                       what is wrong, and how to fix it
  hubtools review                         look at pictures and captions
  hubtools ship --dry-run                 what would be done, step by step

I have a LoRA
  hubtools inspect FILE                   what it is, and what loads it
  hubtools convert FILE                   into the names that diffusers loads
  hubtools prune RUN                      what of a trainer's folder to publish
  hubtools preview FOLDER                 how its page will look
  hubtools push FOLDER me/lora --dry-run  what would be sent

I have a repository on the Hub
  hubtools validate hf://datasets/me/people   check it as it is there
  hubtools ci init                        check and publish it from a workflow

Nothing yet
  hubtools demo                           the whole journey, offline, in minutes

`hubtools help` lists all commands, `hubtools COMMAND --help` tells of one.
"""
