"""Copies the planned objects, and verifies them."""
