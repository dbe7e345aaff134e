"""One Airflow Dag for each valid config. Never raises in the Dag processor: s3copy_config_errors.py does."""

from pathlib import Path

from s3copy_tasks.dag.factory import config_dir, job_dags

globals().update(job_dags(config_dir(default=Path(__file__).parent.parent / "copy_configs")))
