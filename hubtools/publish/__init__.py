"""What is pushed, what is pruned, and the rules of both (P)."""
