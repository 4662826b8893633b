"""Trackers: TensorBoard, Weights & Biases and trackio, which follow `metrics.jsonl`."""
