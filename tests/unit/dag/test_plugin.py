"""What Airflow finds by entry points: the plugin, and the provider with its section of the configuration."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from airflow import plugins_manager
from airflow.configuration import conf
from airflow.providers_manager import ProvidersManager

from s3copy_tasks import __version__
from s3copy_tasks.dag.airflow_versions import AIRFLOW, HAS_PAGES
from s3copy_tasks.dag.factory import config_dir
from s3copy_tasks.dag.plugin import S3CopyPlugin
from s3copy_tasks.dag.provider import provider_info

if TYPE_CHECKING:
    from pathlib import Path

OPTION = "AIRFLOW__S3COPY__CONFIG_DIR"


def plugin_errors() -> Any:
    """Return why plugins could not be imported, by file or entry point."""
    if AIRFLOW >= (3, 2):
        return plugins_manager.get_import_errors()
    return vars(plugins_manager)["import_errors"]


def test_airflow_loads_the_plugin() -> None:
    """Airflow finds the plugin by its entry point, and shows the package with its version."""
    (loaded,) = [one for one in plugins_manager.get_plugin_info() if one["name"] == "s3copy"]
    assert f"s3copy-tasks=={__version__}" in str(loaded["source"])
    assert plugin_errors() == {}


def test_the_entry_points() -> None:
    """The package has entry points for its plugin and its provider, and they can be loaded."""
    (plugin,) = entry_points(group="airflow.plugins", name="s3copy")
    (provider,) = [one for one in entry_points(group="apache_airflow_provider") if "s3copy" in one.value]
    assert plugin.load() is S3CopyPlugin
    assert provider.load() is provider_info


def test_other_components_do_not_import_the_page() -> None:
    """Scheduler, workers and Dag processor load the plugin, too, but not the code of the page."""
    code = """
import sys
import s3copy_tasks.dag.plugin
print([name for name in sys.modules if name.startswith("s3copy_tasks.dag.page")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.skipif(not HAS_PAGES, reason="Airflow 3.0 has no pages for plugins")
def test_airflow_shows_the_page() -> None:
    """The page is in the menu and a tab of each Dag, relative to Airflow's own address."""
    (app,) = S3CopyPlugin.fastapi_apps
    assert app["url_prefix"] == "/s3copy"
    views = {view["destination"]: view["href"] for view in S3CopyPlugin.external_views}
    assert views == {"nav": "s3copy/jobs", "dag": "s3copy/jobs/{DAG_ID}"}


def test_the_provider_matches_airflows_schema() -> None:
    """The provider's metadata is valid by Airflow's own schema."""
    schema: dict[str, Any] = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(provider_info(), schema)


def test_airflow_knows_the_provider() -> None:
    """Airflow lists the package among its providers, with its version."""
    known = ProvidersManager().providers  # type: ignore[no-untyped-call]
    assert known["s3copy-tasks"].version == __version__


def test_the_option_is_described() -> None:
    """Airflow knows the section `[s3copy]` and its option, with a description."""
    ProvidersManager().initialize_providers_configuration()  # type: ignore[no-untyped-call]
    section = conf.configuration_description["s3copy"]
    assert set(section["options"]) == {"config_dir"}
    assert "copy_configs" in section["options"]["config_dir"]["description"]


def test_the_option_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option sets the folder of configs; without it, the default is used."""
    monkeypatch.delenv(OPTION, raising=False)
    assert config_dir(tmp_path / "default") == tmp_path / "default"
    monkeypatch.setenv(OPTION, str(tmp_path / "elsewhere"))
    assert conf.get("s3copy", "config_dir") == str(tmp_path / "elsewhere")
    assert config_dir(tmp_path / "default") == tmp_path / "elsewhere"
