"""The tables of a recipe that are no plug-ins: its own keys, and the baseline."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecv.core.input_spec import InputSpec, Layout, Side, SizeOfImages
from edgecv.core.options import Options, OwnTraining
from edgecv.core.preprocessing import Preprocessing, named
from edgecv.formats.trust import Trust, check_custom_objects
from edgecv.models.network import Network
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.schedules import SCHEDULES


class TeacherNetwork(OwnTraining):
    """A network of ours that is trained as the teacher of a run."""

    network: Network
    """The architecture of the teacher, with its options."""
    training: Schedule = SCHEDULES["default"]
    """Changes to the schedule to convergence."""


class BackboneOptions(Options):
    """The trained layers that a baseline starts from."""

    model: str | None = None
    """A Keras model, .keras or .h5: new last layers take the place of its own."""
    weights: str | None = None
    """In place of a model, weights of the architecture: .weights.h5, .h5 or .keras."""
    layer: str | None = None
    """The last layer of it that is kept; by default the one before its last dense layer."""
    freeze: Annotated[int, Field(ge=0)] | Literal["all"] | None = None
    """Epochs that train the new layers alone, or "all"; where not given, a third of all. The
    others train the whole network."""
    fine_tuning_rate: float = Field(default=0.1, gt=0, le=1)
    """The learning rate of the whole network's epochs, over that of the new layers' epochs."""
    sha256: str | None = None
    """The hash of the file, as a run writes it: where given, another file is refused."""

    @model_validator(mode="after")
    def _has_one_file(self) -> Self:
        if (self.model is None) == (self.weights is None):
            raise ValueError("one of model and weights")
        if self.weights is not None and self.layer is not None:
            raise ValueError("layer is for a model: the weights are those of an architecture")
        return self

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(str(self.model or self.weights))

    @property
    def trained_by(self) -> dict[str, Any]:
        """The options that change the weights, beside the content of the file."""
        return self.model_dump(include={"layer", "freeze", "fine_tuning_rate"})

    def label(self, architecture: str) -> str:
        """Return the name of the start of a training, for its folder and its logs."""
        name = f"from-{self.path.stem}"
        return name if self.model is not None else f"{architecture}-{name}"


class BaselineOptions(Options):
    """The original: a model file, or an architecture to train."""

    model: str | None = None
    """A Keras model file; without it the architecture is trained once and stored."""
    preprocess: str | Preprocessing | None = None
    """Preprocessing of pixels of 0..255 for the model: a name, or scale, offset and channels."""
    layout: Layout | None = None
    """The order of an image's axes in the model, where a shape may be either."""
    input_size: SizeOfImages | None = None
    """Height and width of the images, for a model that leaves its size open."""
    labels: tuple[str, ...] | None = Field(default=None, min_length=2, strict=False)
    """The name of each output of the model, in order; by default the classes of the data."""
    trust: bool = False
    """Allow the model file to run any code of its author, as layers of its own need it."""
    custom_objects: tuple[str, ...] = Field(default=(), strict=False)
    """The user's own classes and functions that the model needs, each as "module:name"."""
    teacher: str | TeacherNetwork | None = None
    """A better model of the same classes and images, which techniques that distil learn from in
    place of the baseline: a model file, or a network that is trained once and stored."""
    backbone: BackboneOptions | None = None
    """Trained layers that the baseline starts from, in place of random weights."""
    train: str | None = None
    """A training function of your own, "module:name", in place of edgecv's: it gets the model, the
    data and the schedule, and trains the model in place. Its code runs as you."""
    input_shape: tuple[Side, Side, Literal[1, 3]] = Field(default=(32, 32, 3), strict=False)
    """Height, width and channels for the architecture."""

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for number, name in enumerate(labels or ()):
            if not name.strip() or name in (labels or ())[:number]:
                raise ValueError(f'a name for each output: "{name}" is empty or stands there twice')
        return labels

    @model_validator(mode="after")
    def _preprocess_is_of_a_model(self) -> Self:
        if isinstance(self.preprocess, str):
            named(self.preprocess, "preprocess")
        if self.backbone is not None:
            self._check_backbone()
        if self.train is not None:
            if self.model is not None:
                raise ValueError("train is for a baseline that is trained, and model is one")
            if self.backbone is not None and self.backbone.freeze is not None:
                raise ValueError("freeze is for edgecv's own training, and train is another")
            check_custom_objects((self.train,))
        model = self.model or (self.backbone and self.backbone.model)
        if self.preprocess is not None and model is None:
            raise ValueError("preprocess is for a model; an architecture rescales by itself")
        if (self.layout or self.input_size) and model is None:
            raise ValueError("layout and input_size are for a model; input_shape: an architecture")
        if self.labels is not None and self.model is None:
            raise ValueError("labels are of a model; an architecture is trained on those of data")
        if (self.trust or self.custom_objects) and not (model or self.teacher):
            raise ValueError("trust and custom_objects are for a model; an architecture is ours")
        check_custom_objects(self.custom_objects)
        return self

    @property
    def has_architecture(self) -> bool:
        """True if an architecture of ours is trained, with or without weights to start from."""
        return self.model is None and (self.backbone is None or self.backbone.model is None)

    def _check_backbone(self) -> None:
        """Raise ValueError where something else is given that the backbone decides."""
        if self.model is not None:
            raise ValueError("backbone is for a training, and model is trained already")
        if "input_shape" in self.model_fields_set and self.backbone and self.backbone.model:
            raise ValueError("input_shape is for an architecture; input_size: a backbone")

    @property
    def input_spec(self) -> InputSpec:
        """Input of the model file, as a runtime reads it."""
        asked = self.preprocess
        return InputSpec(
            preprocess=named(asked, "preprocess") if isinstance(asked, str) else asked,
            layout=self.layout,
            input_size=self.input_size,
        )

    @property
    def trusted(self) -> Trust:
        """Allowed content of the model file."""
        return Trust(everything=self.trust, custom_objects=self.custom_objects)

    @property
    def own_code(self) -> Trust:
        """The user's own layers, and the function that trains the baseline."""
        functions = () if self.train is None else (self.train,)
        return Trust(custom_objects=(*self.custom_objects, *functions))
