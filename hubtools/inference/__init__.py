"""Drawing pictures with a base model and a LoRA."""
