"""`evaluate`: what a LoRA learned, measured against its base."""
