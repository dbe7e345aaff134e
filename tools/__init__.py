"""What `make` runs that is no test."""
