"""Run folders of any trainer: who made them, which steps lie in them, which file is the LoRA."""
