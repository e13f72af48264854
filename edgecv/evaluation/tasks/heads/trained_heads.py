"""The part of several tasks in one model that trains: the layers, losses and ends of each head."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field, field_validator

from edgecv.core.data import Dataset, Targets
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import Curves, Head, Move, Task, TaskHead
from edgecv.evaluation.limits import Limits, all_limits
from edgecv.models.outputs import outputs_by_name, with_outputs
from edgecv.models.tf import keras


class TrainedHeads(Task):
    """The tasks of the heads of a model, as a training needs them."""

    parts: tuple[TaskHead, ...] = Field(min_length=1, strict=False)
    """The task of each head. An output that none has is compared by numbers."""

    @field_validator("parts")
    @classmethod
    def _limits_are_of_answers(cls, parts: tuple[TaskHead, ...]) -> tuple[TaskHead, ...]:
        for part in parts:
            where = f"the limits of {part.name}"
            parse_options(Limits, part.limits, where)
            for key, limit in all_limits().items():
                if key in part.limits and limit.evidence != "answers":
                    raise InputError(where, f"{key} is of the file", remedy="give it under [gates]")
        return parts

    def head(self, data: Dataset) -> Head:
        """Return the last layers of each head; one of a row takes the mean of a map."""
        has_map = any(part.task.features == "map" for part in self.parts)

        def layers(**options: Any) -> Mapping[str, Sequence[Any]]:
            found: dict[str, Sequence[Any]] = {}
            for part in self.parts:
                own = part.task.head(part.data(data))(**options)
                if not isinstance(own, Mapping):
                    own = dict.fromkeys(part.output, own)
                pool = [keras.layers.GlobalAveragePooling2D(name="pool")]
                before = pool if has_map and part.task.features == "row" else []
                for output, chain in zip(part.output, own.values(), strict=True):
                    found[output] = [_renamed(each, output) for each in (*before, *chain)]
            return found

        return layers

    @property
    def mirrors(self) -> bool:
        """True if training may mirror images for every head."""
        return all(part.task.mirrors for part in self.parts)

    @property
    def largest_turn(self) -> float:
        """Degrees by which training may turn images for every head."""
        return min(part.task.largest_turn for part in self.parts)

    @property
    def can_crop(self) -> bool:
        """True if training may enlarge a part of an image for every head."""
        return all(part.task.can_crop for part in self.parts)

    def targets(self, labels: Targets) -> Any:
        """Return the targets of each head by its name."""
        return {part.name: part.task.targets(labels[part.name]) for part in self.parts}

    curves: ClassVar[Curves] = Curves(
        score_axis="mean score of the heads",
        loss="weighted loss of the heads",
    )

    def loss(self, targets: Any, raw: Any) -> Any:
        """Return the weighted sum of the losses of the heads: mappings by name -> (N,)."""
        return self.weighted(lambda part: part.task.loss(targets[part.name], raw[part.name]))

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Return the weighted sum of the heads' losses against the teacher: mappings -> (N,)."""
        return self.weighted(
            lambda part: part.task.imitation_loss(teacher[part.name], raw[part.name], temperature)
        )

    def moved(self, targets: Any, move: Move) -> Any:
        """Return the targets of each head after the images were moved."""
        return {part.name: part.task.moved(targets[part.name], move) for part in self.parts}

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Return the weighted mean of the scores of the heads: mappings by name -> (N,)."""
        total = self.weighted(
            lambda part: part.task.training_score(targets[part.name], raw[part.name])
        )
        return total / sum(part.weight for part in self.parts)

    def weighted(self, value: Callable[[TaskHead], Any]) -> Any:
        """Return the sum of a value of each head, times its weight."""
        return sum(part.weight * value(part) for part in self.parts)

    def finished(self, model: Any, where: str) -> tuple[Any, str]:
        """Return the model with each head as its task ends it. Raises InputError."""
        known, notes = outputs_by_name(model), []
        ends = dict(known)
        for part in self.parts:
            ended, note = part.task.finished(_part_of(model, part), f"{where}, {part.name}")
            ends |= zip(part.output, outputs_by_name(ended, part.output).values(), strict=True)
            notes.append(f"{part.name}: {note}")
        if any(ends[name] is not known[name] for name in known):
            model = with_outputs(model, list(ends.values()), list(ends))
        return model, "; ".join(notes)

    def check_trainable(self) -> None:
        """Raise InputError for a head without targets: nothing says what it should learn."""
        for part in self.parts:
            if part.task.compares_numbers:
                raise InputError(
                    f"the output {part.name}",
                    "has no task: nothing can be trained, as nothing says what it is to give",
                    accepted="conversion and every --quantize",
                    remedy=f"give data with its targets, and --task {part.name}=TASK",
                )

    def separated(self, model: Any) -> Any:
        """Return the same function, each head as its task trains it.

        Raises InputError for a head without targets.
        """
        self.check_trainable()
        for part in self.parts:
            model = part.task.separated(model)
        return model

    def raw_model(self, model: Any) -> Any:
        """Return a model that gives the raw outputs of each head, by its name."""
        raw = {part.name: part.task.raw_model(_part_of(model, part)).output for part in self.parts}
        return keras.Model(model.inputs, raw)


def _part_of(model: Any, part: TaskHead) -> Any:
    """Return the model with the outputs of one head alone."""
    known = outputs_by_name(model)
    return with_outputs(model, [known[name] for name in part.output], part.output)


def _renamed(layer: Any, output: str) -> Any:
    """Return a layer like one of a task's head, with the name of the output in front of its own."""
    config = {**layer.get_config(), "name": f"{output}_{layer.name}"}
    return type(layer).from_config(config)
