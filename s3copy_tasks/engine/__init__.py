"""Sends requests: one loop, one budget, one owner of retries."""
