"""The names and values that a Keras 2 configuration may hold, and the refusal of others.

tf-keras imports and calls anything that a file names, even with ``safe_mode``, and runs operations
of TensorFlow by name on constants of the file. So all of it is checked before tf-keras sees it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.text import nearest, short_name
from edgecv.formats.keras.allowlist import (
    CONSTRAINTS,
    INITIALIZERS,
    ITS_CODE,
    LAYERS,
    MODELS,
    REGULARIZERS,
    Problem,
    named,
    shown_problems,
)
from edgecv.formats.saved_model.frozen_graph import CLASS, REGISTERED
from edgecv.formats.trust import WAY_OUT, Trust

MODULES = ("keras.", "tf_keras.", "builtins.", "tensorflow_model_optimization.")
MODULE_OF_INITIALIZERS = "tensorflow.python.ops.init_ops_v2"
INITIALIZERS_OF_TENSORFLOW = frozenset(
    """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal
    Identity GlorotNormal GlorotUniform
    """.split()
)
"""Names in networks of tf_keras.applications, EfficientNetV2 for one."""
OPERATORS = ("TFOpLambda", "SlicingOpLambda")
OF_KERAS_2 = frozenset(
    """
    Model Conv3D ThresholdedReLU Embedding RandomHeight RandomWidth
    LSTM GRU SimpleRNN RNN LSTMCell GRUCell SimpleRNNCell StackedRNNCells
    ConvLSTM1D ConvLSTM2D Bidirectional TimeDistributed
    Policy __tuple__ __ellipsis__ TensorShape

    QuantizeLayer QuantizeWrapper QuantizeWrapperV2 QuantizeAwareActivation NoOpActivation
    QuantizeAnnotate NoOpQuantizeConfig OutputOnlyConfig
    Default8BitQuantizeConfig Default8BitConvQuantizeConfig Default8BitConvTransposeQuantizeConfig
    Default8BitOutputQuantizeConfig Default8BitActivationQuantizeConfig
    LastValueQuantizer MovingAverageQuantizer AllValuesQuantizer FixedQuantizer NoQuantizer
    Default8BitConvWeightsQuantizer Default8BitConvTransposeWeightsQuantizer
    PruneLowMagnitude PolynomialDecay ConstantSparsity ClusterWeights
    """.split()
)
"""Classes that a Keras 2 file may name, and a Keras 3 file not or in another way; wrappers of
tensorflow-model-optimization."""
CLASSES = MODELS | LAYERS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | OF_KERAS_2
OF_TRAINING = frozenset(
    """
    Adam AdamW Adamax Nadam SGD RMSprop Adagrad Adadelta Ftrl Lion Adafactor
    CategoricalCrossentropy SparseCategoricalCrossentropy BinaryCrossentropy MeanSquaredError
    MeanAbsoluteError KLDivergence Hinge Huber
    Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy
    SparseTopKCategoricalAccuracy AUC Precision Recall Mean MeanMetricWrapper
    CosineDecay ExponentialDecay PiecewiseConstantDecay
    """.split()
)
"""Optimizers, losses, metrics and schedules with which a nested model was compiled."""
FUNCTIONS = frozenset(
    """
    __operators__.add __operators__.getitem
    math.add math.subtract math.multiply math.divide math.truediv math.negative math.abs
    math.minimum math.maximum math.square math.sqrt math.rsqrt math.exp math.log math.pow
    math.sigmoid math.tanh math.softplus math.reduce_mean math.reduce_max math.reduce_sum
    math.reduce_min math.reduce_variance math.reduce_std math.squared_difference math.reciprocal
    math.add_n math.sin math.cos math.erf math.sign math.floor math.ceil math.round
    math.l2_normalize
    nn.relu nn.relu6 nn.sigmoid nn.tanh nn.silu nn.swish nn.softmax nn.leaky_relu nn.elu nn.gelu
    nn.selu nn.softplus nn.softsign nn.log_softmax nn.depth_to_space nn.space_to_depth
    nn.bias_add nn.avg_pool nn.max_pool nn.l2_normalize
    clip_by_value concat reshape squeeze expand_dims transpose cast identity
    split stack unstack roll reverse linalg.matmul
    compat.v1.transpose compat.v1.squeeze compat.v1.clip_by_value
    image.resize compat.v1.image.resize_bilinear compat.v1.nn.relu
    """.split()
)
"""Operations of TensorFlow that only compute, with outputs about as large as their inputs; a
product of two tensors as the layer Dot."""
PLAIN_FUNCTIONS = frozenset(
    """
    linear relu relu6 sigmoid hard_sigmoid tanh softmax log_softmax elu selu softplus softsign
    exponential leaky_relu gelu mish swish silu
    """.split()
)
"""Activations that a configuration may hold as a table."""
ITS_OWN = "which could run code of the file's author"
CALL_OPTIONS = ("training", "mask", "name")
CONSTANT = "_CONSTANT_VALUE"
"""The mark of tf-keras for a layer that takes a constant instead of a tensor."""


def check(path: Path, configuration: Any, trust: Trust) -> None:
    """Raise InputError with all names in a configuration that are not allowed.

    A trusted file is not checked.
    """
    if trust.everything:
        return
    problems = list(_problems(configuration, trust.names()))
    if not problems:
        return
    raise InputError(
        str(path),
        "; ".join(shown_problems(problems)),
        accepted="the standard vision layers of Keras",
        remedy=_remedy(problems),
    )


def classes_in(configuration: Any) -> set[str]:
    """Return the names of all classes that a configuration names."""
    return {str(table["class_name"]) for table, _ in named(configuration)}


def registered_names(configuration: Any) -> dict[str, set[str]]:
    """Return the names of each class or function in the registry, which may begin with a package.

    HDF5 files and functions have that name in place of their own.
    """
    found: dict[str, set[str]] = {}
    for table, _ in named(configuration):
        name = str(table["config"] if table["class_name"] == "function" else table["class_name"])
        others = {each for each in (table.get("registered_name"), name) if isinstance(each, str)}
        found.setdefault(without_package(name), set()).update(others)
    return found


def without_package(name: str) -> str:
    """Return a name of Keras's registry without the package that it was registered for.

    >>> without_package("kecamCommon>hard_swish"), without_package("relu")
    ('hard_swish', 'relu')
    """
    return name.rpartition(">")[2]


def _remedy(problems: list[Problem]) -> str:
    near = (nearest(each.kind, CLASSES) for each in problems)
    misspelt = next(filter(None, near), "")
    ways = ["replace these by standard layers", WAY_OUT]
    if any(each.reason.endswith(ITS_OWN) for each in problems):
        ways.insert(0, "give a class of your own as --custom-objects module:name")
    return f"{misspelt}; {', or '.join(ways)}" if misspelt else ", or ".join(ways)


def _problems(configuration: Any, own: frozenset[str]) -> Iterator[Problem]:
    for table, place in named(configuration):
        kind = table["class_name"]
        if not isinstance(kind, str):
            yield Problem(place, "?", "names a class that is no name")
            continue
        name = table.get("config") if kind == "function" else kind
        if kind == "function" and not isinstance(name, str):
            yield Problem(place, kind, "names a function that is no name")
            continue
        if without_package(str(name)) in own:
            continue
        module, registered = table.get("module"), table.get("registered_name")
        if (kind, registered) == (CLASS, REGISTERED):
            continue  # The layer itself checks its graph.
        if kind in ("Lambda", "__lambda__"):
            yield Problem(place, kind, ITS_CODE)
        elif not _is_known(kind, name, module):
            yield Problem(place, str(name), f"is of {_origin(name, module)}, {ITS_OWN}")
        elif registered not in (None, kind):
            yield Problem(place, kind, f"is registered as {short_name(registered)}, {ITS_OWN}")
        elif kind in OPERATORS:
            yield from _problems_of_operation(table, place)
        yield from _problems_of_calls(table, place)


def _origin(name: Any, module: Any) -> str:
    """Return the module of an object, or where the file has none the package in its name.

    >>> _origin("theirs>Gain", "builtins"), _origin("Gain", "my_layers"), _origin("Gain", None)
    ('theirs', 'my_layers', 'keras')
    """
    if module not in (None, "builtins"):
        return short_name(module)
    return short_name(str(name).rpartition(">")[0] or module or "keras")


def _is_known(kind: str, name: Any, module: Any) -> bool:
    if module == MODULE_OF_INITIALIZERS:
        return kind in INITIALIZERS_OF_TENSORFLOW
    if module is not None and not (isinstance(module, str) and f"{module}.".startswith(MODULES)):
        return False
    if kind == "function":
        return isinstance(name, str) and name in PLAIN_FUNCTIONS
    return kind in CLASSES or kind in OF_TRAINING or kind in OPERATORS


def _problems_of_operation(table: Mapping[str, Any], place: str) -> Iterator[Problem]:
    config = table.get("config")
    function = config.get("function") if isinstance(config, dict) else None
    if not isinstance(function, str) or function not in FUNCTIONS:
        found = f"calls tf.{short_name(function)}, which is not among those that only compute"
        yield Problem(place, str(table["class_name"]), found)


def _problems_of_calls(table: Mapping[str, Any], place: str) -> Iterator[Problem]:
    """Yield a problem for each argument of a layer's calls that is a constant of the file.

    Operations may take constants: those that are allowed only compute with them.
    """
    if table["class_name"] in OPERATORS:
        return
    waiting = [table.get("inbound_nodes")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key, each in value.items():
                is_option = key in CALL_OPTIONS and isinstance(each, bool | str | None)
                if not is_option and each is not None and not isinstance(each, list):
                    found = f"is called with {short_name(key)}, a constant of the file"
                    yield Problem(place, str(table["class_name"]), found)
            waiting.extend(each for each in value.values() if isinstance(each, list))
        elif isinstance(value, list):
            if value and value[0] == CONSTANT:
                found = "is called with a constant of the file"
                yield Problem(place, str(table["class_name"]), found)
            waiting.extend(each for each in value if isinstance(each, list | dict))
