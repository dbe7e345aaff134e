"""Copies S3 objects between AWS accounts with Airflow: one YAML file is one Dag."""

__version__ = "0.1.0"
