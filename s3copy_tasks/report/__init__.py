"""Adds up a run, judges it, and says what became of it."""
