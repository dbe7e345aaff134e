"""Copy jobs without a Dag file: the importer of YAML files for a Dag bundle, since Airflow 3.4.

Airflow calls such importers experimental. docs/importer.md says how to configure it, and
docs/design/importer.md gives the reasons for what it does.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_parsing_context

from s3copy_tasks.config.catalog import is_job_name, name_taken
from s3copy_tasks.config.layers import ENDINGS, defaults_files
from s3copy_tasks.config.load import load_job
from s3copy_tasks.config.secret import masked_lines
from s3copy_tasks.dag.airflow_versions import HAS_IMPORTERS, airflow_version, find_executors
from s3copy_tasks.dag.factory import build_dag, format_import_error

if not HAS_IMPORTERS:
    raise ImportError(
        f"{__name__} needs Airflow 3.4 or later, and this is {airflow_version}. Run "
        "`s3copy install-dags FOLDER` with your Dags folder instead"
    )

from airflow.sdk.importers import (  # type: ignore[import-not-found] # since 3.4
    AbstractDagImporter,
    DagImportError,
    DagImportResult,
    DagSourceCode,
    FilesystemDagDefinition,
    find_file_dag_definitions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.problem import Problem


class CopyConfig(FilesystemDagDefinition):  # type: ignore[misc] # Any before Airflow 3.4
    """A job's file. Its Dag also depends on the defaults of its folder."""

    @property
    def freshness_token(self) -> str:
        """Return a text that changes if the file or its folder's defaults are changed, added or removed."""
        states = [_file_state(file) for file in (self.path, *defaults_files(self.path.parent))]
        return ",".join(states)


def _file_state(file: Path) -> str:
    try:
        stat = file.stat()
    except OSError:
        return ""
    return f"{stat.st_mtime_ns}-{stat.st_ino}-{stat.st_size}"


class CopyJobImporter(AbstractDagImporter):  # type: ignore[misc] # Any before Airflow 3.4
    """Builds a Dag for each copy config of a bundle, in any of its folders.

    Attributes:
        supported_extensions: file name extensions; the bundle's configuration may set them.
    """

    def __init__(self) -> None:
        self.supported_extensions = list(ENDINGS)

    def can_handle(self, definition: Any) -> bool:
        """Return whether a file is a job, by its name."""
        return self._is_job_name(Path(str(definition)))

    def list_dag_definitions(self, bundle: Any, *, safe_mode: bool = True) -> Iterator[CopyConfig]:  # noqa: ARG002 - Airflow's
        """Yield the jobs of a bundle, or of one file in place of its folder, without reading any file.

        Files and folders whose names begin with "_" or "." are left out, and so is what .airflowignore lists.
        Airflow's main loop waits for this. If Airflow's own walk of the folders raises an error, the bundle's
        Dags stay as they are.
        """
        root = Path(bundle.path)
        yield from (CopyConfig(path) for path in self._paths(root) if self._is_job(path, root))

    def import_definition(self, definition: Any, bundle: Any) -> DagImportResult:
        """Return the Dag of a file, or all its problems as one error; never raises.

        An exception raised here would only appear in the log.
        """
        result = DagImportResult(definition=definition)
        try:
            loaded = self._load(definition.path, bundle)
            if isinstance(loaded, list):
                result.errors.append(_error(definition, loaded))
            else:
                result.dags.append(build_dag(loaded))
        except Exception as error:  # noqa: BLE001 - shown like an error in a Dag file
            words, trace = f"{type(error).__name__}: {error}", traceback.format_exc()
            result.errors.append(DagImportError(repr(definition), words, stacktrace=trace))
        return result

    def get_source_code(self, definition: Any, dag_id: str | None = None) -> DagSourceCode:  # noqa: ARG002 - Airflow's
        """Return the YAML for the Code tab; what looks like a secret in a comment is masked."""
        lines = definition.read_bytes().decode("utf-8-sig").split("\n")
        return DagSourceCode(source_code="\n".join(masked_lines(lines)), language="yaml")

    def _load(self, file: Path, bundle: Any) -> CopyJob | list[Problem]:
        """Return the job of a file, or its problems; a second file with the same job name is a problem."""
        in_a_task = get_parsing_context().dag_id is not None
        loaded = load_job(file, None if in_a_task else find_executors())
        same = self._same_name(file, bundle)
        if not same:
            return loaded
        own = loaded if isinstance(loaded, list) else []
        return sorted([*own, name_taken(file, same)], key=lambda problem: problem.place)

    def _same_name(self, file: Path, bundle: Any) -> list[Path]:
        """Return the other files of a bundle with the same job name; none in a task."""
        if get_parsing_context().dag_id is not None:
            return []
        root = Path(bundle.path)
        same = (path for path in self._paths(root) if path.stem == file.stem and path != file)
        return sorted(path for path in same if self._is_job(path, root))

    def _paths(self, root: Path) -> Iterator[Path]:
        return (found.path for found in find_file_dag_definitions(root, self.supported_extensions))

    def _is_job(self, file: Path, root: Path) -> bool:
        return self._is_job_name(file) and not _is_in_skipped_folder(file, root)

    def _is_job_name(self, file: Path) -> bool:
        return file.suffix in self.supported_extensions and is_job_name(file.name)


def _is_in_skipped_folder(file: Path, root: Path) -> bool:
    """Return whether a file is in a folder that is skipped, such as .github."""
    folders: tuple[str, ...] = ()
    with suppress(ValueError):
        folders = file.relative_to(root).parts[:-1]
    return any(name.startswith(("_", ".")) for name in folders)


def _error(definition: Any, problems: list[Problem]) -> DagImportError:
    """Return the problems of a file, as `s3copy validate` prints them."""
    return DagImportError(
        repr(definition),
        format_import_error(problems),
        error_type="config",
        line_number=problems[0].line,
        column_number=problems[0].column,
    )
