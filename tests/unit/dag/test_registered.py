"""The Dag files build no Dags if Airflow's importer does: no job is there twice."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from s3copy_tasks.dag.airflow_versions import HAS_IMPORTERS
from s3copy_tasks.dag.factory import job_dags, raise_problems
from s3copy_tasks.dag.registered import IMPORTER, find_importer
from s3copy_tasks.errors import ConfigError
from tests.support.airflow.imported import bundles, forget_importers, get_importer
from tests.support.builders.documents import document, write

BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
EVERYWHERE = "AIRFLOW__DAG_PROCESSOR__DAG_IMPORTER_CONFIGS"
PARSE_CONTEXT = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"

with_importers = pytest.mark.skipif(not HAS_IMPORTERS, reason="Airflow has importers since 3.4")
without_importers = pytest.mark.skipif(HAS_IMPORTERS, reason="before Airflow 3.4")


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a valid and an invalid job, in a bundle that has the importer."""
    monkeypatch.setenv(BUNDLES, json.dumps(bundles(tmp_path)))
    write(tmp_path, document(), "daily.yaml")
    write(tmp_path, "version: 2\n", "broken.yaml")
    return tmp_path


@without_importers
def test_an_older_airflow_gets_a_clear_error() -> None:
    """The error says which version is needed, and what to do."""
    with pytest.raises(ImportError, match=r"importer needs Airflow 3\.4 or later, .* 3\.\d\.\d+\. Run"):
        importlib.import_module("s3copy_tasks.dag.importer")


@without_importers
def test_an_older_airflow_ignores_the_importer(registered: Path) -> None:
    """Older versions do not read its option, so the Dag files build the Dags."""
    assert find_importer() is None
    assert set(job_dags(registered)) == {"s3copy__daily"}


@with_importers
def test_the_documented_importer_is_found(registered: Path) -> None:
    """Airflow finds the class in docs/importer.md, for both file name extensions."""
    forget_importers()
    found = {type(get_importer(name)) for name in ("x.yaml", "x.yml")}
    forget_importers()
    assert [f"{cls.__module__}.{cls.__qualname__}" for cls in found] == [IMPORTER]


@with_importers
def test_the_dag_files_make_no_dags(registered: Path) -> None:
    """The loader never raises; the reporter says where the jobs come from and what to do."""
    assert job_dags(registered) == {}
    with pytest.raises(ConfigError) as raised:
        raise_problems(registered)
    assert raised.value.message == (
        "copy jobs come from the importer of the Dag bundle 'copy_configs' ([dag_processor] "
        "dag_bundle_config_list), so the Dag files make none. Remove s3copy_jobs.py and "
        "s3copy_config_errors.py from the Dags folder, or the importer from Airflow's configuration"
    )


@with_importers
def test_a_worker_gets_the_dag_that_it_asks_for(registered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that was scheduled from the Dag files still runs."""
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__daily")
    assert set(job_dags(registered)) == {"s3copy__daily"}
    raise_problems(registered)


ENTRY = {"classpath": IMPORTER, "extensions": [".yaml"]}
OF_A = "the importer of the Dag bundle 'a' ([dag_processor] dag_bundle_config_list)"
OF_ALL = "the importer of all Dag bundles ([dag_processor] dag_importer_configs)"


@with_importers
@pytest.mark.parametrize(
    ("option", "value", "place"),
    [
        (BUNDLES, [{"name": "a", "importers": [IMPORTER]}], OF_A),
        (BUNDLES, [{"name": "b"}, {"name": "a", "importers": ["x.Y", ENTRY]}], OF_A),
        (BUNDLES, [{"name": "a", "importers": ["x.Y"]}], None),
        (BUNDLES, [{"name": "a", "importers": None}, "b", None], None),
        (BUNDLES, [{"name": "a", "importers": {"classpath": IMPORTER}}], None),
        (BUNDLES, {"name": "a"}, None),
        (EVERYWHERE, [ENTRY], OF_ALL),
        (EVERYWHERE, [IMPORTER], OF_ALL),
        (EVERYWHERE, None, None),
        (EVERYWHERE, "not a list", None),
    ],
)
def test_find_importer_in_any_form(
    option: str, value: Any, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow takes a name or a mapping, for a bundle or for all; it reports anything else itself."""
    monkeypatch.setenv(option, json.dumps(value))
    assert find_importer() == place


@pytest.mark.parametrize("text", ["", "[", "null"])
def test_invalid_json_names_no_importer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow itself reports the error; an exception in a Dag file would remove Dags."""
    monkeypatch.setenv(BUNDLES, text)
    assert find_importer() is None
