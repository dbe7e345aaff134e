"""Environments of other Airflows, and what has to work in each."""
