"""The device and the precision of a training."""

from collections.abc import Iterator

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras, tensorflow
from edgecv.models.training.replicas import SHARED, make_replicas


def use_device(name: str) -> None:
    """Let TensorFlow see one device alone: "cpu", or "gpu:1" for the second GPU; or join several.

    Raises InputError where it is not there, or TensorFlow uses others already.
    """
    if name in SHARED:
        make_replicas(name)
        return
    gpus = tensorflow.config.list_physical_devices("GPU")
    kind, _, number = name.partition(":")
    place = int(number or 0)
    if kind == "gpu" and place >= len(gpus):
        known = ["cpu", *(f"gpu:{each}" for each in range(len(gpus)))]
        raise InputError("--device", f"there is no {name} here", accepted=", ".join(known))
    wanted = [gpus[place]] if kind == "gpu" else []
    if tensorflow.config.get_visible_devices("GPU") == wanted:
        return
    try:
        tensorflow.config.set_visible_devices(wanted, "GPU")
    except RuntimeError:
        raise InputError(
            "--device",
            "TensorFlow uses other devices in this process already",
            remedy="train in a process of its own, such as edgecv train",
        ) from None


def gpu_name() -> str:
    """Return the name of the GPU that TensorFlow uses; empty where it uses none."""
    gpus = tensorflow.config.get_visible_devices("GPU")
    if not gpus:
        return ""
    details = tensorflow.config.experimental.get_device_details(gpus[0])
    return str(details.get("device_name", gpus[0].name))


def in_precision(model: KerasModel, precision: str) -> KerasModel:
    """Return a copy that computes in bfloat16 or float16, with weights in float32.

    Its last layers, whose numbers the loss takes, compute in float32.
    """
    policy = f"mixed_{precision}"
    last = set(map(id, _last_layers(model)))

    def copy(layer: KerasLayer) -> KerasLayer:
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer, clone_function=copy)
        dtype = "float32" if id(layer) in last else policy
        return type(layer).from_config({**layer.get_config(), "dtype": dtype})

    mixed = keras.models.clone_model(model, clone_function=copy)
    mixed.set_weights(model.get_weights())
    return mixed


def _last_layers(model: KerasModel) -> Iterator[KerasLayer]:
    """Yield the last two layers of each output; of a nested model there also its own last ones."""
    for tensor in model.outputs:
        for each in (tensor, *tensor.node.keras_inputs):
            layer = each.node.layer
            yield layer
            if isinstance(layer, keras.Model):
                yield from _last_layers(layer)
