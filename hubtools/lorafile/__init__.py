"""What a LoRA file is and does: names, families, values, and what loaders take of it."""
