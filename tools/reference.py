"""Writes docs/configuration.md: an introduction, and every field from the schema. `make docs` runs it.

The output on the page is real: this runs the command on the files that the page shows.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from s3copy_tasks.config.check.dates import RunDates, date_names
from s3copy_tasks.config.check.schedule import PRESETS, interval_from
from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.check.template import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
_WIDTH = 116

_JOB = """\
version: 1
source:
  bucket: ops-granules
destination:
  bucket: partner-granules
prefixes:
  - source: daily/{{ ds }}/
    destination: backup/daily/{{ ds }}/
schedule: "0 2 * * *"
"""
_DEFAULTS = """\
owner: data-ops
tags: [granules]
source:
  bucket: ops-granules
  account: "111122223333"
  connection: aws_source
destination:
  bucket: partner-granules
  account: "444455556666"
  connection: aws_destination
filters:
  exclude: ["*.tmp"]
"""
_HOURLY = """\
version: 1
schedule: "@hourly"
tags: [granules, hourly]
destination:
  bucket: partner-hourly
prefixes:
  - source: hourly/{{ ds }}/
    destination: hourly/{{ ds }}/
"""
_BROKEN = """\
version: 1
source:
  bucket: ops-granules
  account: 012345678901
destination:
  buckt: partner-granules
prefixes:
  - source: daily
    destination: backup/daily/
schedule: @daily
"""
_FIXED = _BROKEN.replace("@daily", '"@daily"')
_EXPLAINED_LINES = 16

_HEAD = """\
# The config of a copy job

<!-- Made by `make docs` from s3copy_tasks/config/copy_job.schema.json and tools/reference.py: edit those. -->

One YAML file is one copy job, and one job is one Dag in Airflow. This page explains how a file is read, and
lists [every field](#every-field). [The examples](../copy_configs) are jobs to start from; `every_field.yaml`,
`from_manifest.yaml`, `from_inventory.yaml` and `changes.yaml` show every field.

## A file

```yaml
# copy_configs/daily.yaml
{job}```

- The file's name is the job's name: `daily.yaml` is the job `daily`, and the Dag `s3copy__daily`. A name
  has letters, digits, dashes, dots and underscores.
- Jobs are the files of one folder that end in `.yaml` or `.yml`. A file whose name begins with `_` or `.`
  is not a job, and subfolders are not read.
- A file holds one document in UTF-8, at most 1 MiB. YAML is read by the rules of version 1.2, as in editors:
  `no`, `on`, `1:30` and `2026-01-01` are text. A number that begins with a zero is refused, so put account
  ids in quotes.
- Anchors work. Tags such as `!!str`, and merging by `<<`, do not.
- Never put a secret into a file. What looks like one is refused, and no message repeats it.

## Defaults of a folder

`_defaults.yaml` gives values to every job of its folder. It may have any field, and none is required.

```yaml
# copy_configs/_defaults.yaml
{defaults}```

```yaml
# copy_configs/hourly.yaml
{hourly}```

Mappings are merged at every level: the job has the `connection` of its defaults, and a bucket of its own.
Lists are replaced: its tags are `granules` and `hourly`. `null` removes a value if the field may be null, and
`[]` empties a list of filters or tags. `s3copy explain` shows the resulting job, and where each value is
written:

```sh
s3copy explain hourly
```

```text
{explained}...
```

An invalid `_defaults.yaml` makes every job of its folder invalid, but no other job.

## Templates

`source` and `destination` of `prefixes` and `objects`, the key of `from.manifest`, and
`filters.modified_since` may contain Jinja. It is rendered once, when the run starts, and the result is
checked again. Templates can use these names. The values are those of the run of 31 January 2026, 02:00, of a
job with `schedule: "0 2 * * *"`:

{names}

Filters are those of Jinja, and Airflow's date filters: `ds`, `ds_nodash`, `ts`, `ts_nodash` and
`ts_nodash_with_tz`, as in `{{{{ dag_run.run_after | ds }}}}`. `macros`, `var`, `conn` and `ti` are not
available: [why](design/who-renders.md).

A run started by assets has no logical date, and a run started by hand may have none. Then the only date is
`dag_run.run_after`: when the run became due. A job that is started by assets and uses another date is
refused. If a run started by hand has no logical date but the job needs one, `preflight` fails and says so.

A job with `from.queue` uses no names at all: a message may be about an object of any day.

## Dates and cron

- Cron has five fields: minute, hour, day, month, weekday. Put it in quotes. It is read in `timezone`.
- A run covers the interval that has just ended. So the run of 31 January, 02:00, has the
  `data_interval_start` of 30 January, 02:00, and its `ds` is 2026-01-30. Airflow's settings do not change
  that.
- Presets and their cron:

{presets}

- With `schedule: null`, runs start only by hand. `schedule: {{assets: ["s3://bucket/prefix"]}}` waits for
  Airflow assets.
- Missed runs, and runs between `start_date` and today, are not caught up, except the last one: it starts when
  the Dag is unpaused.
- A date without a time, such as 2026-01-01, is midnight in `timezone`. A time must have its own zone, such as
  `2026-01-01T02:00:00Z`.

## In an editor

The fields are a [JSON schema](../s3copy_tasks/config/copy_job.schema.json). Editors with a YAML language
server, such as VS Code with Red Hat's YAML extension, complete and check a file that names it in its first
line:

```yaml
# yaml-language-server: $schema=../copy_job.schema.json
```

A repository that has only configs gets its copy of the schema with

```sh
s3copy schema > copy_job.schema.json
```

and one setting for all its files, instead of the first lines:

```json
{{
  "yaml.schemas": {{
    "./copy_job.schema.json": ["copy_configs/*.yaml", "!copy_configs/_defaults.yaml"]
  }}
}}
```

This is `.vscode/settings.json`. `_defaults.yaml` is left out, because an editor would report the fields that
a job requires and defaults do not. Older versions of the extension do not support `!`; the first line in
each job's file works in all versions.

## Commands

| command | what it does |
| --- | --- |
| `s3copy validate` | reports all problems of files and folders |
| `s3copy explain JOB` | shows every value of a job, and where it comes from |
| `s3copy new NAME` | writes a new config, with each field's meaning as a comment |
| `s3copy schema` | prints the schema |
| `s3copy install-dags FOLDER` | writes the two files that turn configs into Dags |

They need neither Airflow nor AWS. The first three use `copy_configs`, the folder that
`AIRFLOW__S3COPY__CONFIG_DIR` names, or `--config-dir`. Exit code 0: success. 1: a config is invalid, or
the folder has a different Dag file of the same name. 2: usage error. [All commands](commands.md)

```sh
s3copy new catalog --source-bucket ops-granules --destination-bucket partner-granules \\
  --object catalog/index.json backup/index.json
```

`validate` reports file, line and column, the code of the problem, and the fix. This file

```yaml
# copy_configs/weekly.yaml
{broken}```

is not valid YAML, so that is reported first:

```text
{syntax}```

With the quotes, all the rest is reported at once:

```text
{refused}```

[All codes](problems.md). `--format github` and `--format json` are for [CI](ci.md).

## Across jobs

- Two jobs that write to the same place, and jobs that copy in a circle, are problems. Templates are compared
  unrendered; if that can't decide, no problem is reported.
- One pair may write to the same place, or one below the other: a job with `from.queue` and a job that lists,
  if both copy it from the same keys of the same bucket. What one has copied, the other finds unchanged. So
  [a daily listing](queue.md#the-daily-comparison) copies what events have missed.
- Such jobs are still Dags, and run. But `validate` fails, and Airflow shows the problem among its import
  errors.
- A mirror has a stricter rule: it is refused where another job copies to the same place, above or below it,
  or where any job keeps results, lists or inventories, unless `filters` leave those keys out. What templates
  leave open is refused, too. Each run of a mirror checks that again, with the configs as they are then.
- Two files with the same job name, such as `daily.yaml` and `daily.yml`, are both refused, whatever their
  folders.

## Every field

A field is optional unless its default says *required*. A required field below an optional one is required
only if that one is written. `prefixes[]` and `objects[]` mean each entry of the list.

"""
_NAMES = {
    "ds": "the day that the run covers",
    "ds_nodash": "",
    "ts": "",
    "ts_nodash": "",
    "ts_nodash_with_tz": "",
    "logical_date": "where the interval starts",
    "data_interval_start": "",
    "data_interval_end": "",
    "dag_run.run_after": "when the run became due",
    "run_id": "",
    "params": "the run's parameters: `params.dry_run`, `params.force`, `params.prefixes`",
}
"""Every name that templates can use, in the order of the page, with a description of some."""
_TYPES = {
    "array": "list",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "null": "`null`",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
_REQUIRED = "*required*"
_ALTERNATIVES = {
    ("prefixes",): "`objects`",
    ("objects",): "`prefixes`",
    ("from", "manifest"): "`inventory` or `queue`",
    ("from", "inventory"): "`manifest` or `queue`",
    ("from", "queue"): "`manifest` or `inventory`",
}
"""One of these is required, by the schema's `anyOf`."""
_GOES_WITH = {"external_id": "role_arn", "max_age": "inventory"}
"""Fields whose example is valid only with another field, by the schema's `not`."""

FieldPath = tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """One field of the schema.

    Attributes:
        path: the names that lead to it; a field of a list's entries follows `name[]`.
        part: its part of the schema.
        is_required: every valid job has it, if it has the field around it.
        is_choice: a job has only one of it and its neighbours.
        around: the fields beside it.
    """

    path: FieldPath
    part: dict[str, Any]
    is_required: bool
    is_choice: bool
    around: dict[str, Any]

    @property
    def title(self) -> str:
        return ".".join(self.path)

    @property
    def anchor(self) -> str:
        """The anchor that GitHub makes from the heading."""
        return re.sub(r"[^\w -]", "", self.title.lower()).replace(" ", "-")

    @property
    def default(self) -> str:
        """The value of a field that is not written, as Markdown."""
        if self.path in _ALTERNATIVES:
            return f"{_REQUIRED}, or {_ALTERNATIVES[self.path]}"
        if self.is_required:
            return _REQUIRED
        if self.is_choice:
            return "one of these"
        if self.part.get("default") == {}:
            return "each field's own"
        return f"`{flow(self.part['default'])}`"


def fields() -> Iterator[Field]:
    """Yield every field in the schema's order."""
    yield from _find_fields(schema(), ())


def _find_fields(part: dict[str, Any], path: FieldPath) -> Iterator[Field]:
    properties = part.get("properties", {})
    for name, inner in properties.items():
        is_choice = part.get("maxProperties") == 1
        field = Field((*path, name), inner, name in part.get("required", ()), is_choice, properties)
        yield field
        yield from _find_fields(inner, field.path)
        for choice in inner.get("anyOf", ()):
            yield from _find_fields(choice, field.path)
        if "items" in inner:
            yield from _find_fields(inner["items"], (*path, f"{name}[]"))


def value_words(part: dict[str, Any]) -> str:
    """Describe the values that a field accepts: type, and form, bounds or allowed values."""
    form = _form(part)
    if "const" in part:
        return f"`{flow(part['const'])}`"
    if "enum" in part:
        return _either([f"`{flow(value)}`" for value in part["enum"]])
    if "anyOf" in part:
        return form
    names = [part["type"]] if isinstance(part["type"], str) else part["type"]
    words = _either([_TYPES[name] for name in names])
    items = part.get("items", {})
    if "enum" in items:
        words += f" of {_either([f'`{name}`' for name in items['enum']])}"
    elif items.get("type") == "string":
        words += " of text"
    elif "items" in part:
        words += " of mappings"
    return f"{words}: {form}" if form else ", ".join(filter(None, (words, _bounds(part))))


def _form(part: dict[str, Any]) -> str:
    """Return the schema's description of a valid value."""
    words: str = part.get("errorMessage", "")
    if words.startswith("must be "):
        return words.removeprefix("must be ")
    return words.removeprefix("not a valid bucket name: use ")


def _bounds(part: dict[str, Any]) -> str:
    words = []
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None:
        words.append(f"{low:,} to {high:,}")
    if "exclusiveMinimum" in part:
        words.append(f"more than {part['exclusiveMinimum']}, at most {high}")
    if "maxItems" in part:
        words.append(f"{part['minItems']} to {part['maxItems']:,} entries")
    if part.get("minLength") == 1:
        words.append("not empty")
    elif "minLength" in part:
        words.append(f"{part['minLength']} characters or more")
    if part.get("uniqueItems"):
        words.append("each once")
    return ", ".join(words)


def _either(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {flow(inner)}' for name, inner in value.items())}}}"
    is_plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w./-]*|[1-9][0-9]* [A-Za-z]+", value)
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def block(name: str, value: Any, indent: str = "") -> str:
    """Return a field with its value as YAML, with a line for each nested field."""
    if isinstance(value, dict):
        return f"{indent}{name}:\n{_blocks(value, indent + '  ')}"
    if isinstance(value, list) and isinstance(value[0], dict):
        entries = [_blocks(entry, indent + "    ")[len(indent) + 4 :] for entry in value]
        return f"{indent}{name}:\n" + "".join(f"{indent}  - {entry}" for entry in entries)
    return f"{indent}{name}: {flow(value)}\n"


def _blocks(mapping: dict[str, Any], indent: str) -> str:
    return "".join(block(name, value, indent) for name, value in mapping.items())


def _example(field: Field) -> str:
    """Return a field's examples: in a block if it has nested fields or is at the top."""
    name, examples = field.path[-1], field.part["examples"]
    if len(field.path) == 1:
        first, *others = ["".join(block(name, example)) for example in examples]
        return f"\n```yaml\n{first}{''.join(textwrap.indent(other, '# ') for other in others)}```\n"
    beside = _GOES_WITH.get(name)
    more = f", with `{beside}: {flow(field.around[beside]['examples'][0])}`" if beside else ""
    return "- Example: " + " or ".join(f"`{name}: {flow(example)}`" for example in examples) + more + "\n"


def _entry(field: Field) -> str:
    words = textwrap.fill(field.part["description"], _WIDTH)
    value = textwrap.fill(
        f"- Value: {value_words(field.part)}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False
    )
    return (
        f"{'#' * min(4, 2 + len(field.path))} `{field.title}`\n\n"
        f"{words}\n\n{value}\n- Default: {field.default}\n{_example(field)}"
    )


def _overview() -> str:
    rows = [f"| [`{field.title}`](#{field.anchor}) | {field.default} |" for field in fields()]
    return "\n".join(["| field | default |", "| --- | --- |", *rows]) + "\n\n"


def _name_rows() -> str:
    """Return a table of the names that templates can use, with real values."""
    zone = ZoneInfo("UTC")
    start, end = interval_from(datetime(2026, 1, 30, 2, tzinfo=zone), "0 2 * * *", zone)
    values = {
        **date_names(start, (start, end)),
        "dag_run": RunDates(end),
        "run_id": f"scheduled__{end.isoformat()}",
    }
    rows = []
    for name, words in _NAMES.items():
        value = "" if name == "params" else f"`{render(f'{{{{ {name} }}}}', values)}`"
        rows.append(f"| `{name}` | {', '.join(filter(None, (value, words)))} |")
    return "\n".join(["| name | value |", "| --- | --- |", *rows])


def _preset_rows() -> str:
    rows = [f"  | `{name}` | `{cron}` |" for name, cron in PRESETS.items()]
    return "\n".join(["  | preset | cron |", "  | --- | --- |", *rows])


def page() -> str:
    """Return the whole page."""
    explained = _run_s3copy("explain hourly", {"_defaults.yaml": _DEFAULTS, "hourly.yaml": _HOURLY})
    head = _HEAD.format(
        job=_JOB,
        defaults=_DEFAULTS,
        hourly=_HOURLY,
        explained="".join(explained.splitlines(keepends=True)[:_EXPLAINED_LINES]),
        names=_name_rows(),
        presets=_preset_rows(),
        broken=_BROKEN,
        syntax=_run_s3copy("validate", {"weekly.yaml": _BROKEN}, code=1),
        refused=_run_s3copy("validate", {"weekly.yaml": _FIXED}, code=1),
    )
    return head + _overview() + "\n".join(map(_entry, fields())).rstrip() + "\n"


def _run_s3copy(command: str, files: dict[str, str], *, code: int = 0) -> str:
    """Run `s3copy` on files, and return what it prints.

    Raises:
        RuntimeError: it exits with another code.
    """
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__S3COPY__")
    }
    with tempfile.TemporaryDirectory() as folder:
        configs = Path(folder, "copy_configs")
        configs.mkdir()
        for name, text in files.items():
            (configs / name).write_text(text, encoding="utf-8")
        done = subprocess.run(
            [Path(sys.executable).with_name("s3copy"), *command.split()],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != code:
        raise RuntimeError(f"s3copy {command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
