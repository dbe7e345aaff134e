"""Airflow's edge: Dags and the bodies of their tasks."""
