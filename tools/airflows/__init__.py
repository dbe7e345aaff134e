"""Environments with other Airflow versions, and what must work in each."""
