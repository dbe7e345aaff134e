"""What a run reports to Airflow: metrics, lineage and progress."""
