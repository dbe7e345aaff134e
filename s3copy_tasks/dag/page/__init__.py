"""The page in Airflow's UI: what every copy job does, by what the API server has already."""
