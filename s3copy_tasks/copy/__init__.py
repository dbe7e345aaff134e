"""Copies what was planned, and verifies it."""
