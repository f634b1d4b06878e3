"""All tasks."""

from evals.task import Task
from evals.tasks import arranging, deciding, failing, reading, talking, waiting

TASKS: tuple[Task, ...] = (
    *reading.TASKS,
    *talking.TASKS,
    *waiting.TASKS,
    *failing.TASKS,
    *deciding.TASKS,
    *arranging.TASKS,
)
