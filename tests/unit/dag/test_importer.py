"""The importer of YAML files: the Dags and errors of a bundle. Skipped before Airflow 3.4."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.config.show.report import as_text
from s3copy_tasks.dag.factory import job_dags
from s3copy_tasks.dag.registered import IMPORTER
from tests.support.airflow.imported import bundles, forget_importers, get_importer
from tests.support.builders.documents import document, problems_of, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

importer = pytest.importorskip(
    "s3copy_tasks.dag.importer", reason="Airflow has importers since 3.4", exc_type=ImportError
)
OPTION = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
PARSE_CONTEXT = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a bundle that has the importer, as docs/importer.md configures it."""
    monkeypatch.setenv(OPTION, json.dumps(bundles(tmp_path)))
    forget_importers()
    yield tmp_path
    forget_importers()


class Bag:
    """Airflow's Dag bag of a bundle, or of one of its files, as in the Dag processor and in tasks."""

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415 - it moved in 3.2

        self._bag: Any = BundleDagBag(
            dag_folder=str(path or folder), bundle_path=folder, bundle_name="copy_configs"
        )

    @property
    def dags(self) -> dict[str, DAG]:
        return dict(self._bag.dags)

    @property
    def errors(self) -> dict[str, str]:
        return dict(self._bag.import_errors)

    @property
    def codes(self) -> dict[str, str]:
        return {dag_id: code.source_code for dag_id, code in self._bag.dag_source_codes.items()}


def listed(folder: Path) -> list[str]:
    found = importer.CopyJobImporter().list_dag_definitions(SimpleNamespace(path=folder))
    return sorted(str(found_definition.path.relative_to(folder)) for found_definition in found)


def definition(file: Path) -> Any:
    return importer.CopyConfig(file)


def serialized_hash(dag: DAG) -> str:
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415
    from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415

    data = DagSerialization.to_dict(dag)
    data["dag"].pop("relative_fileloc")
    return str(SerializedDagModel.hash(data))  # type: ignore[no-untyped-call,unused-ignore]


def test_jobs_are_found_by_their_names(folder: Path) -> None:
    """The names are as for the Dag files, also in folders below; no file is read."""
    for name in ("a.yaml", "b.yml", "team/c.yaml", "team/_defaults.yaml", "d.YAML", ".e.yaml", "f.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\xff")
    for name in (".github", "_old", "ignored"):
        (folder / name).mkdir()
        (folder / name / "x.yaml").touch()
    (folder / ".airflowignore").write_text("ignored/\n")
    (folder / "gone.yaml").symlink_to(folder / "nothing.yaml")
    assert listed(folder) == ["a.yaml", "b.yml", "team/c.yaml"]


def test_each_broken_file_has_its_own_error(folder: Path) -> None:
    """The text is from `s3copy validate`, with line and column; valid files are not affected."""
    write(folder, document(), "good.yaml")
    broken = write(folder, "version: 2\nownr: x\n", "broken.yaml")
    unread = write(folder, b"version: \xff\n", "unread.yaml")
    bag = Bag(folder)
    assert set(bag.dags) == {"s3copy__good"}
    assert bag.errors == {
        file.name: "invalid copy configs\n" + as_text(problems_of(file)).rstrip() for file in (broken, unread)
    }
    assert f"{broken}:1:10: version: must be 1" in bag.errors["broken.yaml"]


def test_an_error_has_its_place(folder: Path) -> None:
    """Airflow also gets line and column as numbers."""
    broken = write(folder, "version: 2\n", "broken.yaml")
    result = importer.CopyJobImporter().import_definition(definition(broken), SimpleNamespace(path=folder))
    (error,) = result.errors
    problem = problems_of(broken)[0]
    assert (error.line_number, error.column_number) == (problem.line, problem.column)
    assert result.dags == []


def test_the_dag_is_the_same_as_from_the_dag_files(folder: Path) -> None:
    """Id and serialized Dag are the same except for the file: switching loses no history."""
    file = write(folder, document(schedule="@daily", owner="data-ops"), "daily.yaml")
    (dag,) = Bag(folder, file).dags.values()
    (same,) = job_dags_without_importer(folder).values()
    assert (dag.dag_id, dag.fileloc, dag.relative_fileloc) == ("s3copy__daily", str(file), "daily.yaml")
    assert serialized_hash(dag) == serialized_hash(same)


def job_dags_without_importer(folder: Path) -> dict[str, DAG]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OPTION)
        dags = job_dags(folder)
    for dag in dags.values():
        dag.relative_fileloc = "s3copy_jobs.py"
    return dags


def test_the_code_is_the_yaml(folder: Path) -> None:
    """The Code tab shows the file; what looks like a secret in a comment is masked."""
    file = write(folder, document(), "plain.yaml")
    with_secret = write(folder, document(), "commented.yaml")
    text = with_secret.read_text()
    with_secret.write_text(f"\ufeff# {'AKIA' + 'A' * 16}\n{text}")
    assert Bag(folder).codes == {
        "s3copy__plain": file.read_text(),
        "s3copy__commented": f"# {'*' * 20}\n{text}",
    }


def test_invalid_defaults_remove_only_their_own_folder(folder: Path) -> None:
    """Each job of the folder reports the problem of the defaults."""
    for name in ("a.yaml", "b.yaml"):
        write(folder, document(), name)
    (folder / "team").mkdir()
    write(folder / "team", document(), "c.yaml")
    defaults = write(folder, "ownr: x\n", "_defaults.yaml")
    bag = Bag(folder)
    assert set(bag.dags) == {"s3copy__c"}
    assert set(bag.errors) == {"a.yaml", "b.yaml"}
    assert {text.count(f"{defaults}:1:1: unknown field 'ownr'") for text in bag.errors.values()} == {1}


def test_defaults_change_the_freshness_of_their_jobs(folder: Path) -> None:
    """The freshness token changes if defaults are added, changed or removed, and with the file itself."""
    file = write(folder, document(), "a.yaml")
    tokens = [definition(file).freshness_token]
    defaults = folder / "_defaults.yml"
    for text in ("owner: x\n", "owner: data-ops\n"):
        defaults.write_text(text)
        tokens.append(definition(file).freshness_token)
    assert len(set(tokens)) == 3
    defaults.unlink()
    assert definition(file).freshness_token == tokens[0]
    file.unlink()
    assert definition(file).freshness_token != tokens[0]


def test_two_files_of_one_name_are_both_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in different folders; each error names the other file. A running task does not check that."""
    (folder / "team").mkdir()
    first = write(folder, document(), "a.yaml")
    second = write(folder / "team", document(ownr="x"), "a.yml")
    write(folder, document(), "b.yaml")
    bag = Bag(folder)
    assert set(bag.dags) == {"s3copy__b"}
    assert f"another file has the same job name 'a': {second}. Rename one of them" in bag.errors["a.yaml"]
    assert f"another file has the same job name 'a': {first}. Rename one of them" in bag.errors["team/a.yml"]
    assert "unknown field 'ownr'" in bag.errors["team/a.yml"]
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__a")
    assert set(Bag(folder, first).dags) == {"s3copy__a"}


def test_one_file_is_read_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in tasks: with the defaults of its folder, whatever other files are there."""
    (folder / "team").mkdir()
    file = write(folder / "team", document(), "a.yaml")
    write(folder / "team", "failure: {retries: 7}\n", "_defaults.yaml")
    write(folder / "team", "version: 2\n", "broken.yaml")
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__a")
    bag = Bag(folder, file)
    assert bag.dags["s3copy__a"].task_dict["copy_batch"].retries == 7
    assert bag.errors == {}


def test_errors_are_reported_and_not_raised(folder: Path) -> None:
    """A definition of another kind, such as a member of an archive, is an error like any other."""
    result = importer.CopyJobImporter().import_definition(
        SimpleNamespace(member="a.yaml"), SimpleNamespace(path=folder)
    )
    (error,) = result.errors
    assert error.message.startswith("AttributeError: ")
    assert "Traceback" in error.stacktrace
    assert not result.success


def test_extensions_can_be_limited(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle's configuration may leave .yml files to another importer."""
    changed = bundles(folder)
    changed[-1]["importers"] = [{"classpath": IMPORTER, "extensions": [".yaml"]}]
    monkeypatch.setenv(OPTION, json.dumps(changed))
    for name in ("a.yaml", "b.yml"):
        write(folder, document(), name)
    assert set(Bag(folder).dags) == {"s3copy__a"}
    assert get_importer("b.yml") is None
