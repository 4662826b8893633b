"""Networks that turn pictures into features, for likeness and for evaluation."""
