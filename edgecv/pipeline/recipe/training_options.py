"""Options of a training: of a baseline, or of techniques beside a user's own model."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import field_validator

from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.errors import InputError
from edgecv.core.options import Name, Several, Text, parse_options
from edgecv.models.training.schedule import COUNTS_EPOCHS, Schedule, frozen_too_long
from edgecv.models.training.schedules import USUAL_SCHEDULE, parse_schedule
from edgecv.pipeline.recipe.flag_values import names_in
from edgecv.pipeline.recipe.parts import BackboneOptions

TRAINING = (
    "epochs", "learning_rate", "batch", "patience", "optimizer", "sampling", "augment",
    "mixed_precision",
)  # fmt: skip
"""Options that are keys of a schedule too."""


class TrainingOptions(CommandOptions):
    """The training of a baseline."""

    section: ClassVar[str] = "Training"

    architecture: Annotated[Name | None, Flag(default="cifar_cnn")] = None
    """The network to train: see edgecv list."""
    from_model: Annotated[Text | None, Flag("--from", default="random weights")] = None
    """A trained .keras or .h5 that the training starts from: its last layers are replaced by those
    of the task, the others are frozen first, then trained slowly."""
    weights: Annotated[Text | None, Flag(default="random weights")] = None
    """A file of weights that all but the last layers of --architecture start from."""
    freeze: Annotated[Text | None, Flag(default="a third of the epochs")] = None
    """Epochs that train the new layers beside --from or --weights alone: a number, or all."""
    schedule: Annotated[Name | None, Flag(default="quick")] = None
    """The training schedule: quick, default (to convergence) or reference."""
    epochs: int | None = None
    """Train so many epochs: the baseline, or for a MODEL each technique that trains."""
    learning_rate: Annotated[float | None, Flag("--lr")] = None
    """The highest learning rate of that training."""
    minutes: float | None = None
    """Train a baseline for about so many minutes, in place of a number of epochs. Beside --auto:
    try no further recipe after so many (15)."""
    batch: int | None = None
    """Images a step of that training."""
    patience: int | None = None
    """Stop that training after so many epochs that were no better on the validation images."""
    optimizer: Annotated[Name | None, Flag(default="adam")] = None
    """The optimizer of that training: adam, adamw or sgd."""
    sampling: Annotated[Name | None, Flag(default="shuffled")] = None
    """Images of an epoch: shuffled, each once; or balanced, as many of one class as of another."""
    augment: Annotated[Several, Flag(default="flip and shift, as the data allows")] = ()
    """Variations of the images in that training, one or several with a comma, each with =STRENGTH
    or its usual one: crop, rotate, colour, blur, choose, flip, shift, cutout, mixup."""
    mixed_precision: Annotated[Name | None, Flag(default="float32")] = None
    """Compute that training in bfloat16 or float16, with weights in float32."""
    training_device: Annotated[Name | None, Flag("--device", default="a GPU if there is one")] = (
        None
    )
    """The device that a baseline is trained on: cpu, gpu, or gpu:1 for the second one; gpus for all
    of this host, workers for the hosts that TF_CONFIG names."""
    class_weights: Annotated[Several, Flag(default="1 each")] = ()
    """Weights of the images of a class in that training: balanced, or CLASS=NUMBER, one or several
    with a comma."""

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_by_name(cls, given: Any) -> Any:
        """Read a dictionary, as a program or the table of a recipe has it."""
        is_table = isinstance(given, Mapping)
        return tuple(f"{name}={value}" for name, value in given.items()) if is_table else given

    seed: Annotated[int | None, Flag(default="0")] = None
    """The number that decides splits, first weights and the order of images."""

    def given_training(self) -> dict[str, Any]:
        """Return the options of a schedule that are given. Raises InputError that names the flag.

        A number of epochs is exact: no epochs are added for a small data set.
        """
        given = {name: getattr(self, name) for name in TRAINING}
        found = {name: value for name, value in given.items() if value not in (None, ())}
        if self.augment:
            found["augment"] = names_in(self.augment)
        for name, value in found.items():
            parse_options(Schedule, {name: value}, self.flag_name(name))
        return {**found, "minimum_steps": 0} if "epochs" in found else found

    def parsed_backbone(self) -> BackboneOptions | None:
        """Return the backbone that a training starts from. Raises InputError that names a flag."""
        if self.from_model is None and self.weights is None:
            if self.freeze is not None:
                raise InputError(
                    "--freeze",
                    "is for layers that are trained already",
                    remedy="give --from or --weights",
                )
            return None
        text = self.freeze
        freeze = int(text) if text is not None and text.isdecimal() else text
        if isinstance(freeze, int) and freeze:
            if self.minutes is not None:
                raise InputError("--freeze", COUNTS_EPOCHS, remedy="give epochs")
            if self.epochs is not None and freeze > self.epochs:
                raise frozen_too_long(freeze, self.epochs)
        options = {"model": self.from_model, "weights": self.weights, "freeze": freeze}
        return parse_options(BackboneOptions, options, "--freeze")

    def parsed_schedule(self, *, is_trained: bool) -> Schedule:
        """Return the schedule of a baseline. Raises InputError that names the flag.

        ``is_trained``: False for a model that is given, which has none of these options.
        """
        named: dict[str, Any] = {"schedule": self.schedule or USUAL_SCHEDULE}
        if not is_trained:
            return parse_schedule(named, "--schedule")
        if self.minutes is not None:
            self.refuse("--minutes", ("epochs",))
            parse_options(Schedule, {"minutes": self.minutes}, "--minutes")
            named["minutes"] = self.minutes
        if self.training_device is not None:
            parse_options(Schedule, {"device": self.training_device}, "--device")
            named["device"] = self.training_device
        if self.epochs is not None:  # A number of epochs is exact.
            named["maximum_steps"] = None
        return parse_schedule({**named, **self.given_training()}, "--schedule")


class BaselineTrainingOptions(TrainingOptions):
    """The training of a baseline, where nothing else is trained."""

    epochs: int | None = None
    """Train so many epochs."""
    minutes: float | None = None
    """Train for about so many minutes, in place of a number of epochs."""
