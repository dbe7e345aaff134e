"""What a mirror would delete, as JSON types and as a table for a terminal. Keys are untrusted input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from s3copy_tasks.core.text import printable
from s3copy_tasks.report.deletion_words import COMES_BACK
from s3copy_tasks.report.tables import error_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.core.job import Mirror


def deletions_as_dict(
    plan: DeletePlan, mirror: Mirror, refused: str | None, keys: Sequence[str], *, needs_approval: bool
) -> dict[str, Any]:
    """Return what a run would delete.

    Args:
        plan: of its deletes.
        mirror: the limits.
        refused: why it would not be allowed; None if it would, should all copies succeed.
        keys: of all extraneous objects.
        needs_approval: a person is asked in Airflow.
    """
    return {
        "in_scope": plan.in_scope,
        "extraneous": plan.extraneous,
        "to_delete": plan.to_delete,
        "max_deleted_objects": mirror.max_deleted_objects,
        "max_deleted_percent": mirror.max_deleted_percent,
        "approval": str(mirror.approval),
        "needs_approval": needs_approval,
        "delete_folder": mirror.delete_folder,
        "comes_back": plan.comes_back,
        "refused": refused,
        "groups": [
            {
                "destination": group.prefix,
                "in_scope": group.in_scope,
                "extraneous": group.extraneous,
                "same_name": group.same_name,
                "to_delete": group.to_delete,
            }
            for group in plan.groups
        ],
        "keys": list(keys),
    }


def deletions_table(deletions: Mapping[str, Any]) -> Table:
    """Return the table of what a run would delete, from `deletions_as_dict`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("destination", overflow="fold", min_width=20)
    columns = {name: name.replace("_", " ") for name in ("in_scope", "extraneous", "same_name", "to_delete")}
    if not any(group["same_name"] for group in deletions["groups"]):
        del columns["same_name"]
    for words in columns.values():
        table.add_column(words, justify="right")
    for group in deletions["groups"]:
        counts = (group[name] for name in columns)
        place = printable(group["destination"]) or "(whole bucket)"
        table.add_row(Text(place), *(f"{count:,}" for count in counts))
    return table


def deletes_lines(deletions: Mapping[str, Any]) -> list[Text]:
    """Return the first errors of a run's deletes, where their rows are, and whether they last."""
    results = deletions["results"]
    rows = [] if results is None else [Text(f"results of deletes: {printable(results)}")]
    back = [Text(COMES_BACK)] if deletions["comes_back"] else []
    return [*back, *error_lines(deletions), *rows]


def deletions_line(deletions: Mapping[str, Any]) -> Text:
    """Return whether a run would be allowed to delete, from `deletions_as_dict`."""
    if deletions["refused"] is not None:
        return Text(printable(deletions["refused"]), style="red")
    if not deletions["to_delete"]:
        return Text("nothing to delete")
    limit = deletions["max_deleted_objects"]
    numbers = f"{deletions['to_delete']:,} of {deletions['in_scope']:,}"
    if not limit:
        return Text(f"{numbers} are extraneous; max_deleted_objects is 0, so nothing is deleted")
    asked = "; in Airflow, a person is asked first" if deletions["needs_approval"] else ""
    if deletions["delete_folder"] is not None:
        back = f"; {COMES_BACK}" if deletions["comes_back"] else ""
        return Text(f"would delete {numbers}, limit {limit:,}{asked}{back}")
    percent = deletions["max_deleted_percent"]
    return Text(f"would delete {numbers} after the copies, limits {limit:,} and {percent:g} %{asked}")
