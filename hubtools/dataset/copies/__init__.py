"""Duplicates, near duplicates, and pictures that look alike."""
