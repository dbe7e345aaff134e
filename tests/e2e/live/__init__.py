"""Tests that share one live Airflow: a package, so that it ends with the last of them."""
