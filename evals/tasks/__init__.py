"""All tasks."""

from evals.task import Task
from evals.tasks import arranging, deciding, failing, memory, reading, several, talking, waiting

TASKS: tuple[Task, ...] = (
    *reading.TASKS,
    *talking.TASKS,
    *waiting.TASKS,
    *failing.TASKS,
    *deciding.TASKS,
    *arranging.TASKS,
    *memory.TASKS,
    *several.TASKS,
)
