"""Makers of hostile input for `tools/fuzz.py`; each is a function of a random generator."""
