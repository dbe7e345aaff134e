"""The plugin that Airflow loads by itself."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class S3CopyPlugin(AirflowPlugin):
    """Names the package in `airflow plugins`, with its version."""

    name = "s3copy"
