"""LoRA files in the names of other programs, in fewer bits or ranks, and merged into their base."""
