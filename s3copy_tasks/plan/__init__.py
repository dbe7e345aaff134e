"""Lists both sides of a job, and plans what has to be copied."""
