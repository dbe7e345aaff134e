"""The parameters with which a run of a Dag deletes a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.dag.parameters import declare_parameters, read_delete_folder
from s3copy_tasks.errors import ConfigError
from tests.support.builders.documents import document, job_of, write

if TYPE_CHECKING:
    from pathlib import Path


def test_only_a_job_that_says_so_has_them(tmp_path: Path) -> None:
    """A mirror has no such parameters by default."""
    for offered in (False, True):
        mirror = {"max_deleted_objects": 1, "delete_folder": offered}
        declared = declare_parameters(job_of(write(tmp_path, document(mirror=mirror))))
        assert ({"delete_folder", "confirm"} <= set(declared)) is offered


@pytest.mark.parametrize(
    ("folder", "confirmed"), [("out/x/", None), ("out/x/", "out/x"), (None, "out/x/"), ("out/x/", "")]
)
def test_the_folder_is_repeated(folder: str | None, confirmed: str | None) -> None:
    """Exactly: a typing error deletes nothing."""
    context: Any = {"params": {"delete_folder": folder, "confirm": confirmed}}
    with pytest.raises(ConfigError, match="repeat the folder"):
        read_delete_folder(context)


def test_a_folder_that_is_repeated() -> None:
    """Or none, in all other runs."""
    context: Any = {"params": {"delete_folder": "out/x/", "confirm": "out/x/"}}
    assert read_delete_folder(context) == "out/x/"
    context["params"] = {}
    assert read_delete_folder(context) is None
