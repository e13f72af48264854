"""Options that commands and functions share: the data, the training, a user's own model."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, create_model

from edgecv.core.options import CommandOptions, Flag, Name, Several, Text
from edgecv.core.registry import TECHNIQUES


class DataOptions(CommandOptions):
    """The images."""

    data: Annotated[Text | None, Flag(default="cifar10")] = None
    """A data set of images with classes: cifar10, digits, a folder or .zip with train/CLASS/ and
    test/CLASS/, or a .npz. For a MODEL also a folder of images without labels, and for a MODEL that
    is only converted (none, float16, dynamic) test/ alone is enough."""
    skip_bad_images: bool = False
    """Leave out images that cannot be read."""


class TrainingOptions(CommandOptions):
    """The training of a baseline."""

    architecture: Annotated[Name | None, Flag(default="cifar_cnn")] = None
    """The network to train: see edgecv list."""
    schedule: Annotated[Name | None, Flag(default="default")] = None
    """How to train it: default or reference."""
    epochs: int | None = None
    """Train so many epochs instead of the schedule's."""
    seed: Annotated[int | None, Flag(default="0")] = None
    """The number that decides splits, first weights and the order of images."""


class TrustOptions(CommandOptions):
    """A Keras model that is not made of standard layers alone."""

    trust_model: bool = False
    """Load the Keras model whatever is in it: its author can run any code as you."""
    custom_objects: Several = ()
    """A class or function of your own that the model needs, as module:name. Repeatable."""


class StoreOptions(CommandOptions):
    """The folder of what is made."""

    output: Text = "exported"
    """The folder of all runs and baselines."""


def technique_flags() -> dict[str, Any]:
    """Return the flag of each technique that has one, in the order in which they are applied."""
    flags = {name: cls.flag for name, cls in TECHNIQUES.classes.items() if cls.flag is not None}
    return dict(sorted(flags.items(), key=lambda item: item[1].place))


def _fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, flag in technique_flags().items():
        kind, default = (bool, False) if flag.kind is bool else (flag.kind | None, None)
        fields[name] = (kind, Field(default=default, description=flag.help))
    return fields


if TYPE_CHECKING:

    class TechniqueOptions(CommandOptions):
        """The techniques to apply: a field for each that has a flag."""

        def __init__(self, **given: Any) -> None: ...
else:
    TechniqueOptions = create_model("TechniqueOptions", __base__=CommandOptions, **_fields())
