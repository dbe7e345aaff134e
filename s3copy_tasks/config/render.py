"""Renders a job for one run. Happens once, in preflight; nothing after it reads YAML."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from s3copy_tasks.config.check.dates import check_text, parse_moment
from s3copy_tasks.config.check.schedule import ASSET_CHARACTERS_MAX, asset_uri
from s3copy_tasks.config.check.template import UnknownNameError, render
from s3copy_tasks.config.folder import append_folder, find_folder_problem
from s3copy_tasks.config.lists import choose_key_list
from s3copy_tasks.config.read.hints import SHOWN_MAX, did_you_mean
from s3copy_tasks.core.job import EffectiveJob, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import Filters, Mirror
    from s3copy_tasks.core.key_list import KeyList, ListFile
    from s3copy_tasks.core.queue import Queue

_SHOWN = 10
_MANIFEST = "from.manifest"

Entry = TypeVar("Entry", PrefixEntry, ObjectEntry)


def render_job(
    job: CopyJob,
    names: Mapping[str, Any],
    *,
    run_id: str,
    prefixes: Sequence[str] = (),
    force: bool = False,
    dry_run: bool = False,
    manifest: str | ListFile | None = None,
    folder: str | None = None,
) -> EffectiveJob:
    """Return the job of one run.

    Args:
        job: from its file. The whole of one with a queue runs: a part would take the messages of the rest.
        names: values of the names that templates may use; dates only if the run has a logical date.
        run_id: names the run.
        prefixes: only these source prefixes are copied, written as in the file; empty means everything.
        force: copy unchanged objects again; `overwrite: never` still applies.
        dry_run: copy nothing.
        manifest: a list for this run only: its address, or a file of this machine; not with `prefixes`.
            Such a run deletes nothing: the list does not say what the source no longer has.
        folder: only what is below this folder of the prefixes, and no single objects; not with `manifest`.

    Raises:
        ConfigError: a template has no valid value in this run; the job has no such prefix; the list is wrong.
    """
    if job.queue is not None:
        _refuse_parts(job, prefixes=bool(prefixes), manifest=manifest is not None, folder=folder is not None)
    rendered = _rendered(job, names, leave_out=None if manifest is None else _MANIFEST)
    keys_from = _choose_key_list(job, rendered, manifest, prefixes)
    chosen = _chosen(job, prefixes)
    entries = _entries("prefixes", job.prefixes, chosen, rendered)
    if folder is not None:
        entries = _limit_to_folder(job, entries, folder, manifest)
    is_part = bool(prefixes) or folder is not None
    try:
        return EffectiveJob(
            name=job.name,
            run_id=run_id,
            digest=job.digest,
            source=job.source,
            destination=job.destination,
            prefixes=entries,
            objects=_entries("objects", job.objects, range(0 if is_part else len(job.objects)), rendered),
            filters=_filters(job, rendered),
            overwrite=Overwrite.ALWAYS if force and job.overwrite is Overwrite.CHANGED else job.overwrite,
            verify=job.verify,
            on_empty=job.on_empty,
            options=job.options,
            transfer=job.transfer,
            max_failed_objects=job.max_failed_objects,
            dry_run=dry_run,
            assets=_assets(job, chosen, objects=not is_part),
            keys_from=keys_from,
            results=job.results,
            mirror=_mirror(job, rendered) if keys_from is None else None,
        )
    except ConfigError as error:
        raise _refused(job, error.message.splitlines()) from None


def _refuse_parts(job: CopyJob, **given: bool) -> None:
    """Refuse the parameters that limit a run, which a job with a queue does not have.

    Raises:
        ConfigError: names them.
    """
    words = "can't be used with `from.queue`: such a job copies what the queue's messages name, and all of it"
    problems = [f"{job.file}: {name}: {words}" for name, is_given in given.items() if is_given]
    if problems:
        raise ConfigError("\n".join(problems), code=Code.INVALID_PARAMETERS)


def _filters(job: CopyJob, rendered: Mapping[str, str]) -> Filters:
    since = rendered.get("filters.modified_since")
    moment = None if since is None else parse_moment(since, job.timezone)
    return replace(job.filters, modified_since=moment)


def _mirror(job: CopyJob, rendered: Mapping[str, str]) -> Mirror | None:
    """Return what the run may delete, with all entries of the job, whichever of them the run copies."""
    if job.mirror is None:
        return None
    return replace(
        job.mirror,
        prefixes=_entries("prefixes", job.prefixes, range(len(job.prefixes)), rendered),
        objects=_entries("objects", job.objects, range(len(job.objects)), rendered),
    )


def _choose_key_list(
    job: CopyJob, rendered: Mapping[str, str], manifest: str | ListFile | None, prefixes: Sequence[str]
) -> KeyList | Queue | None:
    """Return what names the keys of this run; None if its prefixes are listed."""
    if manifest is None:
        key = rendered.get(_MANIFEST)
        return job.keys_from if job.key_list is None or key is None else replace(job.key_list, key=key)
    if prefixes:
        msg = f"{job.file}: manifest: can't be used with prefixes: the list says what is copied"
        raise ConfigError(msg, code=Code.INVALID_PARAMETERS)
    try:
        return choose_key_list(job, manifest)
    except ValueError as error:
        raise ConfigError(f"{job.file}: manifest: {error}", code=Code.INVALID_PARAMETERS) from None


def _entries(
    field: str, templates: Sequence[Entry], chosen: Sequence[int], rendered: Mapping[str, str]
) -> tuple[Entry, ...]:
    """Return the chosen entries of a field with both sides rendered."""
    return tuple(
        replace(
            templates[i],
            source=rendered[f"{field}[{i}].source"],
            destination=rendered[f"{field}[{i}].destination"],
        )
        for i in chosen
    )


def _limit_to_folder(
    job: CopyJob, entries: Sequence[PrefixEntry], folder: str, manifest: str | ListFile | None
) -> tuple[PrefixEntry, ...]:
    """Return the entries for what they copy below a folder.

    Raises:
        ConfigError: the job has no such parameter, or the folder can't be used.
    """
    limited = append_folder(entries, folder)
    problem = find_folder_problem(folder)
    if job.mirror is None:
        problem = "can only be given to a job with `mirror`"
    elif manifest is not None:
        problem = "can't be used with manifest: the list says what is copied"
    elif problem is not None:
        problem = f"{folder[:SHOWN_MAX]!r} can't be used: {problem}"
    elif not limited:
        problem = "can't be used here: with `recursive: false`, no folder is copied"
    if problem is not None:
        raise ConfigError(f"{job.file}: folder: {problem}", code=Code.INVALID_PARAMETERS)
    return limited


def _assets(job: CopyJob, chosen: Sequence[int], *, objects: bool) -> tuple[str, ...]:
    """Return a URI for each destination folder that is the same in every run, if Airflow accepts it."""
    templates = [job.prefixes[i].destination for i in chosen]
    templates += [entry.destination for entry in job.objects] if objects else []
    folders = dict.fromkeys(_static_folder(template) for template in templates)
    uris = (asset_uri(f"{job.destination}/{folder}") for folder in folders)
    return tuple(uri for uri in uris if len(uri) <= ASSET_CHARACTERS_MAX)


def _static_folder(template: str) -> str:
    """Return the text before the first expression, cut back to a whole folder."""
    return template.partition("{")[0].rpartition("/")[0]


def _rendered(job: CopyJob, names: Mapping[str, Any], *, leave_out: str | None) -> dict[str, str]:
    """Return every template's text by its path, but one.

    Raises:
        ConfigError: lists all that can't be rendered.
    """
    texts, problems = {}, []
    for path, template in job.templates():
        if path == leave_out:
            continue
        try:
            texts[path] = render(template, names)
            check_text(_kind(path), texts[path], job.timezone)
        except (UnknownNameError, ValueError) as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise _refused(job, problems)
    return texts


def _kind(path: str) -> str:
    kinds = {"prefixes": "prefix", "objects": "key", _MANIFEST: "list"}
    return kinds.get(path.partition("[")[0], "modified_since")


def _refused(job: CopyJob, problems: Sequence[str]) -> ConfigError:
    return ConfigError("\n".join(f"{job.file}: {problem}" for problem in problems), code=Code.INVALID_CONFIG)


def _chosen(job: CopyJob, prefixes: Sequence[str]) -> list[int]:
    known = [entry.source for entry in job.prefixes]
    unknown = sorted(set(prefixes) - set(known))
    if unknown:
        has = ", ".join(map(repr, known[:_SHOWN])) or "none"
        more = f", ... and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
        raise ConfigError(
            "\n".join(
                f"{job.file}: has no prefix {name[:SHOWN_MAX]!r}.{did_you_mean(name, known)} "
                f"Its prefixes: {has}{more}"
                for name in unknown[:_SHOWN]
            ),
            code=Code.INVALID_PARAMETERS,
        )
    return [i for i, source in enumerate(known) if not prefixes or source in prefixes]
