"""SavedModel folders: their serving function, frozen into a graph that only computes.

Loading one can run any code of its author, so it always needs ``--trust-model``. It has no layers
to train: it can only be quantized and converted.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Importer
from edgecv.core.text import counted, short_name
from edgecv.formats.saved_model.frozen_graph import check_graph, frozen_graph_model
from edgecv.formats.saved_model.rewrites import Convolution, rewrite
from edgecv.formats.trust import MEANS, NO_TRUST, Trust
from edgecv.models.tf import tensorflow

SERVING = "serving_default"


class SavedModelFolder(Importer):
    """Folders of TensorFlow's SavedModel: to quantize and convert, not to train."""

    name: ClassVar[str] = "saved_model"
    suffixes: ClassVar[tuple[str, ...]] = ()
    has_layers: ClassVar[bool] = False

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return True for a folder with a ``saved_model.pb``."""
        return (path / "saved_model.pb").is_file()

    def check_trust(self, path: Path, trust: Trust) -> None:
        """Raise InputError without ``--trust-model``."""
        if not trust.everything:
            raise InputError(
                str(path),
                "is a SavedModel: it can write files and run operations of its author's choosing"
                " while it is converted",
                remedy=f"give --trust-model if you trust its author: {MEANS};"
                " or give the model as .keras or .h5",
            )

    def load(self, path: Path, trust: Trust = NO_TRUST) -> KerasModel:
        """Return a tf-keras model of one layer, the folder's serving function.

        Raises InputError if the file is not trusted, or not a model of images.
        """
        self.check_trust(path, trust)
        return network_in(path, path)

    def load_with_notes(
        self, path: Path, trust: Trust = NO_TRUST
    ) -> tuple[KerasModel, tuple[str, ...]]:
        """Return the model, and a note on its origin."""
        note = "from a SavedModel: its serving function as one graph, which has no layers to train"
        return self.load(path, trust), (note,)

    def keeps_its_format(self, path: Path) -> bool:
        """Return False: it is kept as a Keras file of one layer."""
        return False


def network_in(folder: Path, path: Path) -> KerasModel:
    """Return a tf-keras model of one layer, the serving function of a SavedModel in a folder.

    ``path``: its name in errors. Raises InputError if it is not a model of images, or holds
    operations that do not only compute.
    """
    try:
        loaded = tensorflow.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow's errors have no other common base class
        raise InputError(str(path), f"TensorFlow cannot read it: {short_name(error)}") from error
    serving = _serving(path, loaded.signatures)
    shape = _image_shape(path, serving)
    graph, ends, convolutions = _frozen(path, serving)
    values = _variables(graph, [each.numpy() for each in serving.variables])
    check_graph(graph, str(path))
    rewrite(graph, convolutions)
    return frozen_graph_model(graph, ends, values, shape, "saved_model")


def _serving(path: Path, signatures: Mapping[str, Any]) -> Any:
    """Return the serving function, which has one input."""
    names = sorted(signatures)
    if not names or (SERVING not in names and len(names) > 1):
        raise InputError(
            str(path),
            f"has the signatures {', '.join(names)}" if names else "has no serving signature",
            accepted=f"one, called {SERVING}",
            remedy="save it with model.export(folder)",
        )
    serving = signatures[SERVING if SERVING in names else names[0]]
    _, inputs = serving.structured_input_signature
    if len(inputs) != 1:
        found = f"has {counted(len(inputs), 'input')}: {', '.join(sorted(inputs))}"
        raise InputError(str(path), found, accepted="one input of images")
    return serving


def _image_shape(path: Path, serving: Any) -> Sequence[int]:
    """Return the shape of one image in the function's input; None for open sides."""
    ((name, tensor),) = serving.structured_input_signature[1].items()
    sides = tuple(tensor.shape) if tensor.shape.rank is not None else ()
    is_image = len(sides) in (3, 4) and sides[0] is None
    if not is_image or tensor.dtype.name != "float32":
        raise InputError(
            str(path),
            f'its input "{name}" is {tensor.dtype.name} of shape {sides}',
            accepted="float32 of shape (None, height, width, channels)",
            remedy="export it with an open batch and images of float32",
        )
    return sides[1:]


def _frozen(
    path: Path, serving: Any
) -> tuple[Any, tuple[str, str | Mapping[str, str]], Mapping[str, Convolution]]:
    """Return the function as a graph without variables or calls, its ends, its convolutions."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        frozen = convert_variables_to_constants_v2(serving)
    except Exception as error:  # TensorFlow's errors have no other common base class
        raise InputError(str(path), f"cannot be frozen: {short_name(error)}") from error
    convolutions = {
        each.name: Convolution(each.inputs[0].shape[-1], tuple(each.inputs[1].shape))
        for each in frozen.graph.get_operations()
        if each.type == "Conv2D" and each.get_attr("data_format") == b"NHWC"
    }
    # TensorFlow flattens the dict of outputs in the order of their names.
    leaving = {
        str(name): each.name
        for name, each in zip(sorted(serving.structured_outputs), frozen.outputs, strict=True)
    }
    ends = frozen.inputs[0].name, leaving if len(leaving) > 1 else frozen.outputs[0].name
    return frozen.graph.as_graph_def(), ends, convolutions


def _variables(graph: Any, variables: Sequence[Any]) -> dict[str, Any]:
    """Replace the constants that were variables by placeholders; return their values by name.

    A constant is recognized by its value: of two equal ones, either may be the variable.
    """
    waiting = [np.asarray(each) for each in variables]
    values: dict[str, Any] = {}
    for node in graph.node:
        if node.op != "Const" or node.attr["dtype"].type != tensorflow.float32.as_datatype_enum:
            continue
        value = tensorflow.make_ndarray(node.attr["value"].tensor)
        same = [
            number
            for number, each in enumerate(waiting)
            if each.dtype == value.dtype and np.array_equal(each, value)
        ]
        if not same:
            continue
        values[node.name] = waiting.pop(same[0])
        node.op = "Placeholder"
        node.attr["shape"].shape.CopyFrom(node.attr["value"].tensor.tensor_shape)
        del node.attr["value"]
    return values
