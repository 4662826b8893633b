"""Model cards and dataset cards: facts, templates, rules (C)."""
