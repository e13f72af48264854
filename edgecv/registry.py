"""The contract of each plugin kind, and one registry a folder that is filled by discovery.

A plugin is one class in one file of its folder. To add one, add the file: no table is edited.
The class is its own schema, defaults, validation and behaviour; the first line of its docstring
is its help text.
"""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgecv.errors import InputError, nearest
from edgecv.records import (
    Artifact,
    Dataset,
    Format,
    Images,
    Labels,
    Predictions,
    SessionFacts,
    Shape,
)


class Options(BaseModel):
    """A frozen table of typed options: an unknown key or a wrong type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plugin(Options, ABC):
    """Base of every plugin. ``name`` is what recipes and flags say."""

    name: ClassVar[str]

    @classmethod
    def help_text(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class Architecture(Plugin):
    """A network that can be trained from nothing."""

    @abstractmethod
    def build(self, input_shape: Shape, num_classes: int) -> Any:
        """Build an untrained tf-keras model.

        Input: float32 (N, H, W, C), 0..255; its first layer rescales. Output: float32
        (N, num_classes), probabilities. Layers are named by the architecture, so that two
        builds give the same graph. Raises InputError where the shape is too small.
        """


class DatasetSource(Plugin):
    """A place that labelled images come from."""

    mirrors: ClassVar[bool] = True
    """Whether an image mirrored left to right is still of its class: not so for writing."""

    validation: float = Field(default=0.05, gt=0, lt=0.5)
    """Fraction of the training images set apart to choose with."""

    @classmethod
    @abstractmethod
    def accepts(cls, path: Path) -> bool:
        """Tell, quickly, whether this source reads what is at ``path``."""

    @classmethod
    @abstractmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Make the source that reads ``path``."""

    @abstractmethod
    def load(self, shape: Shape, seed: int, progress: "Progress") -> Dataset:
        """Read, decode and split: uint8 images of ``shape``, int labels, class names.

        The four splits share no image. Raises InputError with the place and the remedy.
        """


class Task(Plugin):
    """What counts as right for a model."""

    metric_name: ClassVar[str]

    @abstractmethod
    def loss(self, labels: Any, logits: Any) -> Any:
        """Per-image training loss: TensorFlow (N,), (N, classes) -> (N,)."""

    @abstractmethod
    def metric(self, predictions: Predictions, labels: Labels) -> float:
        """Return the figure that comparisons and gates speak of."""

    @abstractmethod
    def score_per_image(self, predictions: Predictions, labels: Labels) -> Any:
        """Return how right each image is: float64 (N,), 0..1."""


class Importer(Plugin):
    """Reads a model file that people arrive with."""

    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def load(self, path: Path) -> Any:
        """Return a tf-keras model. Raises InputError where the file is not one, or not safe."""


class Exporter(Plugin):
    """Writes a Keras model as one file in one format at one precision."""

    format: ClassVar[Format]
    precisions: ClassVar[tuple[str, ...]]
    precision: str
    calibration_images: int | None = Field(default=None, ge=1)
    """Images to calibrate with; all that the data set allows up to 200 when not given."""

    @model_validator(mode="after")
    def _calibration_is_used(self) -> Self:
        if self.calibration_images is not None and not self.is_calibrated:
            raise ValueError(
                f"{self.precision} needs no calibration images: leave calibration_images out"
            )
        return self

    @property
    def is_calibrated(self) -> bool:
        """Whether the precision has fixed ranges of activations, found on real images."""
        return self.precision in ("int8", "int16x8")

    @abstractmethod
    def export(self, model: Any, calibration: Images, path: Path) -> Artifact:
        """Write ``model`` to ``path``. Raises StepError where the precision cannot be had.

        ``calibration``: uint8 (N, H, W, C), 0..255.
        """

    def twin(self) -> Self:
        """Return the float32 exporter of the same format."""
        return type(self)(precision="float32")


class Session(Protocol):
    """An artifact that a runtime has opened. It owns scale and zero point."""

    facts: SessionFacts

    def predict(self, images: Images) -> Predictions:
        """Run all images, batched and on all threads: uint8 (N, H, W, C) -> float32 (N, K)."""

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), already in place."""


class Runtime(Plugin):
    """Opens an artifact and runs it."""

    format: ClassVar[Format]
    suffixes: ClassVar[tuple[str, ...]]
    needs_tensorflow: ClassVar[bool] = False

    @abstractmethod
    def open(self, path: Path, threads: int) -> Session:
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""


Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""

P = TypeVar("P", bound=Plugin)


class Registry(Generic[P]):
    """All plugins of one kind, found in one folder.

    ``key`` is the word that names a plugin in a recipe: ``format = "tflite"``.
    """

    def __init__(self, kind: str, base: type[P], package: str, key: str) -> None:
        self.kind = kind
        self.base = base
        self.package = package
        self.key = key

    @cached_property
    def classes(self) -> Mapping[str, type[P]]:
        """Map name to class, sorted by name."""
        package = importlib.import_module(self.package)
        found: dict[str, type[P]] = {}
        for module_info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{self.package}.{module_info.name}")
            for value in vars(module).values():
                if (
                    isinstance(value, type)
                    and issubclass(value, self.base)
                    and value.__module__ == module.__name__
                    and "name" in vars(value)
                ):
                    found[value.name] = value
        return dict(sorted(found.items()))

    def get(self, name: str, where: str) -> type[P]:
        """Return the class called ``name``. Raises InputError with the nearest name."""
        if name not in self.classes:
            raise InputError(
                where,
                f'unknown {self.kind} "{name}"',
                accepted=", ".join(self.classes),
                remedy=nearest(name, self.classes),
            )
        return self.classes[name]

    def parse(self, table: Any, where: str) -> P:
        """Make a plugin of a recipe's table: ``{key: name, option: value, ...}``."""
        if isinstance(table, self.base):
            return table
        if not isinstance(table, Mapping) or not isinstance(table.get(self.key), str):
            raise InputError(
                where,
                f'no "{self.key}" names the {self.kind}',
                accepted=", ".join(f'{self.key} = "{name}"' for name in self.classes),
            )
        options = {key: value for key, value in table.items() if key != self.key}
        return parse_options(self.get(table[self.key], where), options, where)

    def table(self, plugin: P) -> dict[str, Any]:
        """Return the recipe's table of a plugin: the inverse of ``parse``."""
        return {self.key: plugin.name, **plugin.model_dump(exclude_none=True)}

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of one such table."""
        variants = []
        for name, cls in self.classes.items():
            schema = cls.model_json_schema()
            schema["properties"] = {self.key: {"const": name}, **schema.get("properties", {})}
            schema["required"] = [self.key, *schema.get("required", [])]
            schema["description"] = cls.help_text()
            variants.append(schema)
        return {"oneOf": variants}


O = TypeVar("O", bound=Options)  # noqa: E741


def parse_options(cls: type[O], options: Mapping[str, Any], where: str) -> O:
    """Validate a table of options. Raises InputError that names the key and what is accepted."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        raise _as_input_error(error, cls, where) from None


def _as_input_error(error: ValidationError, cls: type[BaseModel], where: str) -> InputError:
    errors = error.errors(include_url=False)
    # A misspelt key is also a missing one: the misspelling is what to tell.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"])
    known = [name for name in cls.model_fields]
    if first["type"] == "extra_forbidden":
        return InputError(
            where, f'unknown key "{key}"', accepted=", ".join(known), remedy=nearest(key, known)
        )
    if first["type"] == "missing":
        return InputError(where, f'"{key}" is missing', remedy=f"add {key} = ...")
    message = first["msg"].removeprefix("Value error, ")
    if not key:
        return InputError(where, message)
    return InputError(where, f'"{key}" is {first["input"]!r}', accepted=message)


ARCHITECTURES = Registry("architecture", Architecture, "edgecv.architectures", "architecture")
DATASETS = Registry("data set", DatasetSource, "edgecv.datasets", "source")
TASKS = Registry("task", Task, "edgecv.tasks", "task")
IMPORTERS = Registry("importer", Importer, "edgecv.importers", "importer")
EXPORTERS = Registry("format", Exporter, "edgecv.exporters", "format")
RUNTIMES = Registry("runtime", Runtime, "edgecv.runtimes", "runtime")


def all_registries() -> tuple[Registry[Any], ...]:
    """Return every registry, in the order in which a run uses them."""
    return DATASETS, ARCHITECTURES, IMPORTERS, TASKS, EXPORTERS, RUNTIMES
