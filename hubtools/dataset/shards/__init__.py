"""Parquet and tar files as rows."""
