"""No Dags: shows invalid copy configs as an import error in Airflow, away from the Dags that are fine."""

from pathlib import Path

from s3copy_tasks.dag.factory import config_dir, raise_problems

raise_problems(config_dir(default=Path(__file__).parent.parent / "copy_configs"))
