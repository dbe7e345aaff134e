"""The provider's metadata. Airflow reads it early, with its own configuration: nothing is imported here."""

from __future__ import annotations

from typing import Any


def provider_info() -> dict[str, Any]:
    """Return the provider's metadata with the section `[s3copy]` of Airflow's configuration."""
    return {
        "package-name": "s3copy-tasks",
        "name": "S3 copy jobs",
        "description": "Copies S3 objects between AWS accounts: one YAML file is one Dag.",
        "config": {
            "s3copy": {
                "description": "Copy jobs that are YAML files.",
                "options": {
                    "config_dir": {
                        "description": "Folder of the copy configs; by default copy_configs beside the "
                        "folder of the Dag files.",
                        "version_added": "1.0.0",
                        "type": "string",
                        "example": "/opt/airflow/copy_configs",
                        "default": None,
                    }
                },
            }
        },
    }
