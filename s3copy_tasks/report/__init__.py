"""Adds up a run, judges it, and reports its result."""
