"""What a run of a mirror does: copy and delete, copy only, or only delete a folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.config.folder import delete_only
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob


def choose_mode(
    job: CopyJob,
    run: EffectiveJob,
    *,
    copy_only: bool,
    delete_folder: str | None,
    others: Mapping[str, object],
) -> EffectiveJob:
    """Return a run with what it does, as it was started.

    Args:
        job: from its file.
        run: of the job, rendered.
        copy_only: delete nothing.
        delete_folder: copy nothing, and delete this folder of the destination; None for none.
        others: the other parameters that say what is copied.

    Raises:
        ConfigError: the job does not offer this, or the folder can't be deleted.
    """
    if delete_folder is not None:
        return delete_only(job, run, delete_folder, {**others, "copy_only": copy_only})
    if not copy_only:
        return run
    if job.mirror is None:
        msg = f"{job.file}: copy_only: can only be given to a job with `mirror`: no other run deletes"
        raise ConfigError(msg, code=Code.INVALID_PARAMETERS)
    return replace(run, mirror=None)
