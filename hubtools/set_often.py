"""The settings that are set most often: a new hubtools.toml shows them, and so does `--help`."""

from __future__ import annotations

from collections.abc import Mapping

SET_OFTEN: Mapping[str, tuple[str, ...]] = {
    "dataset": (
        "path", "caption_column", "repo", "trigger", "class_noun", "license", "rights",
        "rights_note", "people", "how_made", "plan",
    ),
    "rules": ("ignore", "per_file_ignores", "baseline"),
    "train": (
        "output_dir", "pretrained_model_name_or_path", "resolution", "max_train_steps",
        "learning_rate", "rank", "train_batch_size", "mixed_precision", "validation_steps",
    ),
    "samples": ("prompts", "negative_prompt", "steps", "guidance", "scheduler", "seed"),
    "evaluate": ("num_images", "in_ship"),
    "model": ("repo", "license"),
    "prune": ("keep_checkpoints", "dtype"),
    "push": ("private", "pr", "tag"),
}  # fmt: skip
