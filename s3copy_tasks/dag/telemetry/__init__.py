"""What a run reports while it runs: metrics, lineage and progress."""
