"""All tasks."""

from evals.task import Task
from evals.tasks import arranging, deciding, reading, talking, waiting

TASKS: tuple[Task, ...] = (*reading.TASKS, *talking.TASKS, *waiting.TASKS, *deciding.TASKS, *arranging.TASKS)
