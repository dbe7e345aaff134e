"""The task `approve`: a person decides in Airflow's UI whether a run deletes. From Airflow 3.1 on.

Airflow keeps the question of a task that is cleared, whatever the task would ask now. So the option itself
names the number and the plan, and the answer to an older question counts as Keep. docs/design/deleting.md
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob

KEEP = "Keep"
_DELETE = "Delete"
_PLAN_CHARACTERS = 6
_PARAMETERS = inspect.signature(HITLOperator.__init__).parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person is asked.

    Attributes:
        plan_id: of the deletes.
        option: deletes exactly that.
        body: the numbers, in Markdown.
    """

    plan_id: str
    option: str
    body: str


class ApproveDeletes(HITLOperator):
    """Asks whether a run deletes, if its job wants that to be approved and nothing else is against it.

    Returns the answer with the plan that it belongs to; None if nothing was asked. However it ends, the tasks
    after it run, and delete nothing without the answer.

    Args:
        config: the job as the Dag has it.
    """

    def __init__(self, *, config: CopyJob, **kwargs: Any) -> None:
        within = "response_timeout" if "response_timeout" in _PARAMETERS else "execution_timeout"
        users: Any = [{"id": each, "name": each} for each in config.approvers]
        limits: dict[str, Any] = {within: config.answer_within}
        super().__init__(
            subject=f"May the copy job {config.name} delete?",
            options=[_DELETE, KEEP],
            defaults=[KEEP],
            retries=0,
            trigger_rule="all_done",
            assigned_users=users or None,
            **limits,
            **kwargs,
        )
        self._config = config

    def execute(self, context: Context) -> Any:
        """Ask and wait, or return None at once if there is nothing to ask."""
        from s3copy_tasks.dag.tasks.approve import find_question  # noqa: PLC0415 - see the package

        question = find_question(self._config, context)
        if question is None:
            return None
        self.options, self.body = [question.option, KEEP], question.body
        self.params = type(self.params)()  # up to Airflow 3.2 those of the run, which an answer can't change
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Return the answer; it is Delete only if it was given to the question that would be asked now."""
        from s3copy_tasks.dag.tasks.approve import read_answer  # noqa: PLC0415

        return read_answer(context, event)


def name_option(plan_id: str, objects: int) -> str:
    """Return the option that deletes what a plan has found."""
    return f"{_DELETE} {objects:,} (plan {plan_id[-12:][:_PLAN_CHARACTERS]})"
