"""Options that commands and functions share: the data, the training, a user's own model."""

from typing import Annotated

from edgecv.core.options import CommandOptions, Flag, Name, Several, Text
from edgecv.core.plugins import Data


class DataOptions(CommandOptions):
    """The images."""

    data: Annotated[Data | None, Flag(default="cifar10")] = None
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
