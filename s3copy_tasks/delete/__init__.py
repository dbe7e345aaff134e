"""Deletes what a mirror found extraneous: judged once for a run, and proven just before each delete."""
