"""Proves before the first copy that everything is there and allowed."""
