"""Shows configs and their problems to people and programs."""
