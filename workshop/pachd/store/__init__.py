"""Blobs by hash, trees by hash, rows in SQLite."""
