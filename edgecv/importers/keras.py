"""Keras 2 files, ``.keras`` and ``.h5``: their configuration is checked before Keras sees it.

A Keras file can run code while it is loaded, whatever ``safe_mode`` says. So the format is told by
the first bytes, and every class that the configuration names must be on the list below.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

from edgecv.contracts import Importer
from edgecv.errors import InputError, nearest
from edgecv.tf import load_tensorflow

LARGEST_CONFIGURATION_BYTES = 50_000_000
ALLOWED_MODULES = ("keras.", "tf_keras.", "builtins", "tensorflow_model_optimization.")
ALLOWED_CLASSES = frozenset(
    """
    Sequential Functional Model InputLayer
    Conv1D Conv2D Conv3D Conv2DTranspose DepthwiseConv2D SeparableConv2D Dense
    BatchNormalization LayerNormalization GroupNormalization UnitNormalization Normalization
    Rescaling Resizing CenterCrop ZeroPadding2D Cropping2D UpSampling2D
    MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D
    Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    Flatten Reshape Permute RepeatVector Embedding
    Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization
    RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast RandomBrightness
    RandomCrop RandomHeight RandomWidth
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal
    Identity GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
    QuantizeLayer QuantizeWrapperV2 QuantizeAwareActivation NoOpQuantizeConfig OutputOnlyConfig
    Default8BitQuantizeConfig Default8BitConvQuantizeConfig Default8BitConvTransposeQuantizeConfig
    Default8BitOutputQuantizeConfig Default8BitActivationQuantizeConfig
    L1 L2 L1L2 MaxNorm MinMaxNorm NonNeg UnitNorm Policy __tuple__
    """.split()
)


class KerasFile(Importer):
    """Model files of Keras 2 and tf-keras: .keras and .h5."""

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras", ".h5", ".hdf5")

    def load(self, path: Path) -> Any:
        """Check the file's configuration, then build the model."""
        return load(path)


def load(path: Path) -> Any:
    """Return the tf-keras model in a file. Raises InputError where it is not one, or not safe."""
    quantizes = check(path)
    _, keras = load_tensorflow()
    try:
        with _quantize_scope() if quantizes else nullcontext():
            return keras.models.load_model(path, compile=False)
    except Exception as error:  # what Keras and TensorFlow raise has no base class short of this
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            str(path), f"tf-keras cannot read it: {type(error).__name__}: {first_line[:200]}"
        ) from error


def _quantize_scope() -> Any:
    from tensorflow_model_optimization.quantization.keras import quantize_scope

    return quantize_scope()


def check(path: Path) -> bool:
    """Raise InputError unless every class in the file's configuration is on the list.

    Returns whether the model has quantizers of tensorflow-model-optimization.
    """
    quantizes = False
    for found in _named_objects(_configuration(path)):
        name = found["class_name"]
        quantizes |= name.startswith("Quantize")
        module = found.get("module") or "keras.layers"
        if name not in ALLOWED_CLASSES or not f"{module}.".startswith(ALLOWED_MODULES):
            raise InputError(
                str(path),
                f'names "{name[:80]}" of {module}, which could run code of the file\'s author',
                accepted="the standard vision layers of Keras",
                remedy=nearest(name, ALLOWED_CLASSES) or "rebuild the model with standard layers",
            )
    return quantizes


def _configuration(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    try:
        if magic.startswith(b"PK\x03\x04"):
            return _configuration_of_zip(path)
        if magic == b"\x89HDF\r\n\x1a\n":
            return _configuration_of_hdf5(path)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, RecursionError) as error:
        raise InputError(str(path), f"is a damaged Keras file: {error}") from None
    raise InputError(str(path), "is not a Keras file", accepted=".keras and .h5 of Keras 2")


def _configuration_of_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(_read(archive, "metadata.json"))
        if not isinstance(metadata, dict):
            raise ValueError("metadata.json holds no table")
        version = str(metadata.get("keras_version", ""))
        if not version.startswith("2."):
            raise InputError(
                str(path),
                f"was saved by Keras {version}",
                accepted="models of Keras 2 and tf-keras",
                remedy="rebuild it in tf_keras, load its weights there, and save that",
            )
        return json.loads(_read(archive, "config.json"))


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        data = file.read(LARGEST_CONFIGURATION_BYTES + 1)
    if len(data) > LARGEST_CONFIGURATION_BYTES:
        raise ValueError(f"{name} is larger than 50 MB")
    return data


def _configuration_of_hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise InputError(str(path), "holds weights but no model", remedy="save the whole model")
        return json.loads(text)


def _named_objects(value: Any) -> Iterator[dict[str, Any]]:
    """Walk a configuration; give every table that names a class to build."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            if isinstance(current.get("class_name"), str):
                yield current
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
