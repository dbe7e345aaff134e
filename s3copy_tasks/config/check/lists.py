"""The sections `from` and `results`: what is wrong with their addresses, and with what they say together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.document import find_list, find_section, find_text
from s3copy_tasks.config.check.keys import fill_expressions, find_odd_form
from s3copy_tasks.config.check.queue import QUEUE, check_queue, find_queue
from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.core.bucket_names import find_address_problem, split_address
from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes
from s3copy_tasks.core.key_list import FAILED_COLUMNS, Column, KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.places import find_clashes, find_ties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.config.read.place import Parts
    from s3copy_tasks.core.job import Entries

MANIFEST: Parts = ("from", "manifest")
_INVENTORY: Parts = ("from", "inventory")
_RESULTS: Parts = ("results", "to")
_SIDES = {MANIFEST: "source", _INVENTORY: "source", _RESULTS: "destination"}
_COLUMNS = [*Column]
_OF_MANIFESTS = ("columns", "keys", "header")


def check_lists(
    document: dict[str, Any], entries: Entries, buckets: dict[str, str | None]
) -> Iterator[Finding]:
    """Yield what is wrong with the list or the queue of a job, and with the place of its results.

    Args:
        document: of the job.
        entries: of the job.
        buckets: by side.
    """
    for parts in _SIDES:
        address = find_text(document, parts)
        if address is not None and address.startswith("s3://"):  # if not, the schema says so
            yield from _check_address(parts, address)
    section = find_section(document, "from")
    if section is not None:
        yield from _check_fields(section)
        yield from _check_columns(section)
        yield from check_queue(document, section)
        if find_list(document, "objects"):
            words = "with `from`, {} the objects. Write `prefixes`: where their keys are copied to".format(
                "a list names" if find_text(document, QUEUE) is None else "messages name"
            )
            yield Finding(parts=("objects",), code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)
    yield from _check_places(document, entries, buckets)


def _check_address(parts: Parts, address: str) -> Iterator[Finding]:
    bucket, template = split_address(address)
    key = fill_expressions(template) if parts == MANIFEST else template
    if key is None:
        return  # reported as a template
    problem = find_address_problem(f"s3://{bucket}/{key}", may_be_bucket=parts == _RESULTS)
    if parts != MANIFEST and ("{{" in key or "{%" in key):
        problem = "templates are not rendered here. Write the same folder for all runs"
    if problem is not None:
        yield Finding(parts=parts, code=Code.WRONG_FORM, message=problem)
    elif key == template and key_bytes(key) > KEY_BYTES_MAX:
        words = f"{key_bytes(key)} bytes after the bucket; an S3 key has at most {KEY_BYTES_MAX}"
        yield Finding(parts=parts, code=Code.KEY_TOO_LONG, message=words)
    else:
        odd = find_odd_form(template, _SIDES[parts])
        if key.startswith("/"):
            odd = "the key begins with `/`, which few tools expect. Write one `/` after the bucket"
        if odd is not None:
            yield Finding(parts=parts, code=Code.UNLIKELY_KEY, message=odd)


def _check_fields(section: dict[str, Any]) -> Iterator[Finding]:
    """Yield fields of a manifest beside an inventory, and the other way round; defaults may be written."""
    fields = schema()["properties"]["from"]["properties"]
    has_manifest, has_inventory = (isinstance(section.get(name), str) for name in ("manifest", "inventory"))
    for name in (*_OF_MANIFESTS, "max_age"):
        if section.get(name, fields[name]["default"]) == fields[name]["default"]:
            continue
        if name == "max_age" and has_manifest and not has_inventory:
            words = "`max_age` needs `inventory`: only an inventory says how old it is"
        elif name != "max_age" and has_inventory and not has_manifest:
            words = f"`{name}` needs `manifest`: an inventory itself says what its files hold"
        else:
            continue
        yield Finding(parts=("from", name), code=Code.EXCLUSIVE_FIELDS, message=words, at_name=True)


def _check_columns(section: dict[str, Any]) -> Iterator[Finding]:
    columns = section.get("columns")
    if not isinstance(columns, list):
        return
    if Column.KEY not in columns:
        words = "needs `key`: the column that holds the keys"
        yield Finding(parts=("from", "columns"), code=Code.MISSING_FIELD, message=words)
    first: dict[str, int] = {}
    for index, column in enumerate(find_list(section, "columns")):
        if isinstance(column, str) and column != Column.IGNORED:
            earlier = first.setdefault(column, index)
            if earlier != index:
                words = (
                    f"is already in this list, as [{earlier}]. Write `ignored` for a column that is not read"
                )
                yield Finding(parts=("from", "columns", index), code=Code.DUPLICATE_ITEM, message=words)


def _check_places(
    document: dict[str, Any], entries: Entries, buckets: dict[str, str | None]
) -> Iterator[Finding]:
    keys_from, results = _find_key_list(document), _find_results(document)
    for where, words in find_ties(keys_from or find_queue(document), entries):
        yield Finding(parts=where, code=Code.WRITTEN_TWICE, message=words)
    source, destination = buckets["source"], buckets["destination"]
    if not source or not destination:
        return
    sides = Location(bucket=source), Location(bucket=destination)
    is_manifest = find_text(document, MANIFEST) is not None
    for field, is_read, words in find_clashes(*sides, entries, keys_from, results):
        parts = _RESULTS if field == "results" else MANIFEST if is_manifest else _INVENTORY
        code = Code.FEEDS_ITSELF if is_read else Code.WRITTEN_TWICE
        yield Finding(parts=parts, code=code, message=words)


def _find_key_list(document: dict[str, Any]) -> KeyList | None:
    manifest = find_text(document, MANIFEST)
    address = manifest or find_text(document, _INVENTORY)
    if address is None:
        return None
    bucket, key = split_address(address)
    named = document["from"].get("columns", FAILED_COLUMNS)
    columns = (
        tuple(Column(name) for name in named if name in _COLUMNS) if isinstance(named, list | tuple) else ()
    )
    return KeyList(location=Location(bucket=bucket), key=key, columns=columns, inventory=manifest is None)


def _find_results(document: dict[str, Any]) -> ResultsPlace | None:
    address = find_text(document, _RESULTS)
    if address is None:
        return None
    bucket, prefix = split_address(address)
    return ResultsPlace(location=Location(bucket=bucket), prefix=prefix)
