"""Reads YAML: values with the places where they are written."""
