"""The classes that a Keras 3 configuration may name, and the refusal of others.

Keras 3 imports and builds any class that a file names, so all are checked before: class, module and
registered name together, as modules can have different layers of the same name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.core.errors import InputError
from edgecv.core.text import short_name
from edgecv.formats.trust import WAY_OUT, Trust

MOST_EQUAL = 3
"""Problems of one class and one reason that are named one by one."""
MOST_PROBLEMS_SHOWN = 50
MODELS = frozenset({"Functional", "Sequential"})
LAYERS = frozenset(
    """
    InputLayer
    Conv1D Conv2D Conv1DTranspose Conv2DTranspose DepthwiseConv1D DepthwiseConv2D
    SeparableConv1D SeparableConv2D Dense
    BatchNormalization LayerNormalization GroupNormalization UnitNormalization Normalization
    Rescaling Resizing CenterCrop ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D
    UpSampling1D UpSampling2D
    MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D
    Activation ReLU LeakyReLU PReLU ELU Softmax Identity
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    Flatten Reshape Permute RepeatVector
    Dropout SpatialDropout1D SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout
    ActivityRegularization
    RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast RandomBrightness
    RandomCrop
    """.split()
)
LAYERS_OF_KERAS_3 = frozenset(
    """
    Attention AdditiveAttention MultiHeadAttention GroupQueryAttention GroupedQueryAttention
    EinsumDense Embedding ReversibleEmbedding
    LSTM LSTMCell GRU GRUCell SimpleRNN SimpleRNNCell StackedRNNCells RNN
    Bidirectional TimeDistributed ConvLSTM1D ConvLSTM2D Masking
    RMSNormalization SpectralNormalization
    AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveMaxPooling1D AdaptiveMaxPooling2D
    Conv3D Conv3DTranspose ZeroPadding3D Cropping3D UpSampling3D MaxPooling3D AveragePooling3D
    GlobalMaxPooling3D GlobalAveragePooling3D SpatialDropout3D
    AugMix AutoContrast CutMix Equalization MixUp Pipeline RandAugment RandomColorDegeneration
    RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale
    RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation RandomSharpness
    RandomShear Solarization
    """.split()
)
"""Layers that tf-keras lacks or has another way: they compute, open no file and call no code."""
TENSOR_OPERATIONS = frozenset(
    "Cast SaturateCast Slice SliceUpdate Scatter ScatterUpdate StopGradient Unstack".split()
)
INITIALIZERS = frozenset(
    """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal
    OrthogonalInitializer Identity IdentityInitializer GlorotNormal GlorotUniform HeNormal
    HeUniform LecunNormal LecunUniform
    """.split()
)
REGULARIZERS = frozenset({"L1", "L2", "L1L2"})
CONSTRAINTS = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"})
CODE = ("Lambda", "__lambda__")
VALUES = frozenset({"__keras_tensor__", "__numpy__", "__tensor__", "__slice__", "__ellipsis__"})
ALLOWED: Mapping[str, frozenset[str]] = {
    "keras": MODELS | {"DTypePolicy", "SeedGenerator"},
    "keras.models": MODELS,
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.layers": LAYERS | LAYERS_OF_KERAS_3,
    "keras.src.applications.convnext": frozenset({"LayerScale", "StochasticDepth"}),
    "keras.src.ops.core": TENSOR_OPERATIONS,
    "keras.src.ops.linalg": frozenset({"Norm"}),
    "keras.initializers": INITIALIZERS,
    "keras.src.initializers": INITIALIZERS,
    "keras.regularizers": REGULARIZERS,
    "keras.constraints": CONSTRAINTS,
    "keras.random": frozenset({"SeedGenerator"}),
    "keras.src.random.seed_generator": frozenset({"SeedGenerator"}),
    "keras.dtype_policies": frozenset({"DTypePolicy"}),
    "builtins": frozenset({"function"}),
}


COMPUTING = frozenset(
    f"keras.src.ops.{name}" for name in ("numpy", "nn", "math", "image", "einops")
)
"""Modules of Keras whose classes are all operations on tensors. The others have some that take a
function, and are in ``ALLOWED`` by name."""


class Problem(NamedTuple):
    """An obstacle to loading a file: the place, the class and the reason."""

    place: str
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"{short_name(self.place)} ({short_name(self.kind)}) {self.reason}"


ITS_OWN = "could run any code"
ITS_CODE = "holds Python code, which would run when the file is loaded"


def shown_problems(problems: Sequence[Problem]) -> list[str]:
    """Return the problems as texts, many equal ones as one, with a count of those left out."""
    places: dict[tuple[str, str], list[str]] = {}
    for each in dict.fromkeys(problems):
        places.setdefault((each.kind, each.reason), []).append(each.place)
    texts = []
    for (kind, reason), found in places.items():
        left_out = len(found) - 1 if len(found) > MOST_EQUAL else 0
        also = f" and {left_out} more" if left_out else ""
        shown = found[: len(found) - left_out]
        texts += [f"{short_name(place)}{also} ({short_name(kind)}) {reason}" for place in shown]
    more = len(texts) - MOST_PROBLEMS_SHOWN
    return [*texts[:MOST_PROBLEMS_SHOWN], f"and {more} more"] if more > 0 else texts


def refuse(path: Path, problems: Sequence[Problem]) -> None:
    """Raise InputError with all problems, if there are any."""
    if not problems:
        return
    raise InputError(
        str(path),
        f"cannot be converted: {'; '.join(shown_problems(problems))}",
        accepted="layers and operations of Keras 3 that only compute",
        remedy=", or ".join(_ways_out(problems)),
    )


def _ways_out(problems: Sequence[Problem]) -> list[str]:
    ways = ["replace these in Keras 3 and save the model again"]
    if any(each.reason.endswith(ITS_OWN) for each in problems):
        ways.append("give a layer of your own as --custom-objects module:name")
    if any(each.reason == ITS_CODE for each in problems):
        ways.append(WAY_OUT)
    return ways


def check_names(configuration: Any, trust: Trust) -> list[Problem]:
    """Return a problem for each class in the configuration that is not allowed.

    The user's own classes are allowed, and Python code too if the file is trusted.
    """
    allowed = {*trust.names(), *(CODE if trust.everything else ())}
    found = (
        _problem(table, place)
        for table, place in named(configuration)
        if not (isinstance(table["class_name"], str) and table["class_name"] in allowed)
    )
    return [problem for problem in found if problem is not None]


def _problem(table: Mapping[str, Any], place: str) -> Problem | None:
    name, module = table["class_name"], table.get("module")
    registered = table.get("registered_name")
    if not isinstance(name, str):
        return Problem(place, "?", "names a class that is no name")
    if name in VALUES and module is None and registered is None:
        return None
    if isinstance(module, str) and (
        name in ALLOWED.get(module, ()) or (module in COMPUTING and name.isidentifier())
    ):
        return _problem_of_registration(table, place)
    if name == "__lambda__" or (name == "Lambda" and module == "keras.layers"):
        return Problem(place, name, ITS_CODE)
    if (
        isinstance(module, str)
        and re.fullmatch(r"keras(\.\w+)*", module)
        and registered in (None, name)
    ):
        return Problem(place, name, f"of {short_name(module)} is not known to compute alone")
    origin = short_name(registered or module or "an unknown module")
    return Problem(place, name, f"is not of Keras but of {origin}, and {ITS_OWN}")


def _problem_of_registration(table: Mapping[str, Any], place: str) -> Problem | None:
    """Return a problem if the registered name leads Keras to another class."""
    name, registered = table["class_name"], table.get("registered_name")
    if name == "function":
        name = table.get("config")
        if registered == "function":
            return None
    if registered is None or registered == name:
        return None
    return Problem(
        place, str(name), f"is registered as {short_name(registered)}, a class of its own"
    )


def named(configuration: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield every table of a configuration that names a class, and the path of its layer."""
    waiting: list[tuple[Any, str, bool]] = [(configuration, "", False)]
    while waiting:
        value, place, is_layer = waiting.pop()
        if isinstance(value, list):
            waiting.extend((each, place, is_layer) for each in reversed(value))
        elif isinstance(value, dict):
            if is_layer:
                place = join(place, name_of(value))
            if "class_name" in value:
                yield value, place or "the model"
            waiting.extend((each, place, key == "layers") for key, each in reversed(value.items()))


def join(place: str, name: str) -> str:
    """Return the path of something inside a model.

    >>> join("", "stem"), join("features", "stem")
    ('stem', 'features/stem')
    """
    return f"{place}/{name}" if place else name


def name_of(table: Mapping[str, Any]) -> str:
    """Return the name that a layer's table gives it."""
    config = table.get("config")
    name = table.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return name if isinstance(name, str) else "?"
