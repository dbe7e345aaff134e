"""The page in Airflow's UI: shows every copy job, from what the API server already has."""
