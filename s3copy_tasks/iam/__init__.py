"""Which rights a job needs, as policies."""
