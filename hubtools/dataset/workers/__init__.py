"""Guarded processes that open what a stranger has made."""
