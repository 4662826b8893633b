"""LoRA training: plan, rules (T), pictures, loop, checkpoints."""
