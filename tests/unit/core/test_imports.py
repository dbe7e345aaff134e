"""The core is independent: no Airflow, no AWS SDK, no I/O library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import s3copy_tasks.core

MODULES = sorted(path.stem for path in Path(s3copy_tasks.core.__path__[0]).glob("*.py"))
PROGRAM = (
    "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(list(sys.modules)))"
)
FOREIGN = {"airflow", "boto3", "botocore", "yaml", "jsonschema", "requests", "urllib3"}
ALLOWED = ("s3copy_tasks.core", "s3copy_tasks.errors", "s3copy_tasks.interfaces")


@pytest.mark.parametrize("module", MODULES)
def test_core_imports_neither_airflow_nor_boto(module: str) -> None:
    """A module of the core, in its own process, imports neither network nor framework."""
    name = "s3copy_tasks.core" + ("" if module == "__init__" else f".{module}")
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, check=True, text=True)
    loaded = set(json.loads(done.stdout))
    assert name in loaded
    assert not {module.split(".")[0] for module in loaded} & FOREIGN
    own = {module for module in loaded if module.startswith("s3copy_tasks.")}
    assert [module for module in own if not module.startswith(ALLOWED)] == []
