"""The registry of tasks: one task, or one of several heads."""

from collections.abc import Mapping
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import Task, TaskHead
from edgecv.core.plugins.registry import Registry

HEADS = "heads"
"""The task that holds those of several heads."""
OF_A_HEAD = ("output", "target", "weight", "limits")
"""Keys of one task of several that are no options of the task itself."""


class TaskRegistry(Registry[Task]):
    """The tasks. A list of tables, each with its ``output``, is one task of several heads."""

    def parse(self, table: Any, where: str) -> Task:
        """Make a task of a table, or of a list of tables. Raises InputError."""
        if not isinstance(table, list | tuple):
            return super().parse(table, where)
        heads = [self._head(each, f"{where}[{number}]") for number, each in enumerate(table, 1)]
        outputs = [name for head in heads for name in head.output]
        for place, name in enumerate(outputs):
            if name in outputs[:place]:
                raise InputError(where, f'names the output "{name}" twice', remedy="keep one")
        return super().parse({self.key: HEADS, "parts": heads}, where)

    def _head(self, table: Any, where: str) -> TaskHead:
        if not isinstance(table, Mapping):
            raise InputError(where, f"{table!r} is not a table", remedy="write [[task]]")
        if not table.get("output"):
            raise InputError(
                where,
                "names no output of the model",
                accepted='output = "NAME" for each of several tasks',
                remedy="edgecv inspect MODEL shows their names",
            )
        own = {key: table[key] for key in OF_A_HEAD if key in table}
        task = super().parse({key: table[key] for key in table if key not in own}, where)
        return parse_options(TaskHead, {**own, "task": task}, where)

    def table(self, plugin: Task) -> Any:
        """Return the table of a task, or the tables of those of several heads."""
        heads = plugin.heads()
        if not heads[0].output:
            return super().table(plugin)
        return [self._table_of_head(head) for head in heads]

    def _table_of_head(self, head: TaskHead) -> dict[str, Any]:
        given = {"output": head.output, "target": head.target}
        names = {key: each[0] if len(each) == 1 else list(each) for key, each in given.items()}
        own = {"target": names["target"], "weight": head.weight, "limits": head.limits}
        usual = {"target": [], "weight": 1, "limits": {}}
        changed = {key: value for key, value in own.items() if value != usual[key]}
        return {"output": names["output"], **super().table(head.task), **changed}

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a task, or of those of several heads."""
        tables = [
            each
            for each in super().schema()["oneOf"]
            if each["properties"][self.key]["const"] != HEADS
        ]
        own = TaskHead.model_json_schema()["properties"]
        of_heads = [
            {
                **each,
                "properties": {**each["properties"], **{key: own[key] for key in OF_A_HEAD}},
                "required": ["output", *each["required"]],
            }
            for each in tables
        ]
        return {"oneOf": [*tables, {"type": "array", "minItems": 1, "items": {"oneOf": of_heads}}]}
