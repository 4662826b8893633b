"""The Hub's client and its errors."""
