"""The permissions that a job needs, as policies."""
