"""YAML files become jobs, or problems that say how to fix them."""
