"""Checks values: schema, rules, templates and schedules."""
