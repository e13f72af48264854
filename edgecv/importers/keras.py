"""Keras files, ``.keras`` and ``.h5``: their configuration is checked before Keras sees it.

A Keras file can run code while it is loaded, whatever ``safe_mode`` says. So the format is told by
the first bytes, and every class that the configuration names must be on the list below. What
Keras 3 wrote is rebuilt in tf-keras, by the modules beside this one.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

from edgecv.contracts import Importer
from edgecv.errors import InputError, nearest
from edgecv.importers._keras3 import load_with_parity as load_keras3
from edgecv.importers._keras3_archive import DAMAGE, keras_version
from edgecv.importers._keras3_parity import Parity
from edgecv.tf import load_tensorflow

LARGEST_CONFIGURATION_BYTES = 50_000_000
ALLOWED_MODULES = ("keras.", "tf_keras.", "builtins", "tensorflow_model_optimization.")
ALLOWED_CLASSES = frozenset(
    """
    Sequential Functional Model InputLayer
    Conv1D Conv2D Conv3D Conv2DTranspose DepthwiseConv2D SeparableConv2D Dense
    Conv1DTranspose DepthwiseConv1D SeparableConv1D
    BatchNormalization LayerNormalization GroupNormalization UnitNormalization Normalization
    Rescaling Resizing CenterCrop ZeroPadding2D Cropping2D UpSampling2D
    ZeroPadding1D Cropping1D UpSampling1D
    MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D
    MaxPooling1D AveragePooling1D GlobalAveragePooling1D GlobalMaxPooling1D
    Activation ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    Flatten Reshape Permute RepeatVector Embedding
    Dropout SpatialDropout1D SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout
    ActivityRegularization
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
    """Model files of Keras: .keras of Keras 2 and 3, .h5 of Keras 2 and tf-keras."""

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras", ".h5", ".hdf5")

    def load(self, path: Path) -> Any:
        """Check the file's configuration, then build the model."""
        return load(path)

    def load_with_notes(self, path: Path) -> tuple[Any, tuple[str, ...]]:
        """Return the model; of one of Keras 3, also how near it is to the original."""
        model, parity = load_with_parity(path)
        return model, () if parity is None else parity.sentences()

    def keeps_its_format(self, path: Path) -> bool:
        """Tell whether tf-keras reads the file: what Keras 3 wrote is rebuilt once, and kept."""
        return not _is_of_keras3(path)


def load(path: Path) -> Any:
    """Return the tf-keras model in a file. Raises InputError where it is not one, or not safe."""
    return load_with_parity(path)[0]


def load_with_parity(path: Path) -> tuple[Any, Parity | None]:
    """Return the model, and how near it is to its original where Keras 3 wrote that."""
    if _is_of_keras3(path):
        return load_keras3(path)
    return _load_keras2(path), None


def _is_of_keras3(path: Path) -> bool:
    try:
        return (keras_version(path) or "").startswith("3.")
    except DAMAGE:
        return False  # What is wrong with it is said by the check of what is left: Keras 2.


def _load_keras2(path: Path) -> Any:
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
    except DAMAGE as error:
        raise InputError(str(path), f"is a damaged Keras file: {error}") from None
    raise InputError(str(path), "is not a Keras file", accepted=".keras and .h5")


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
                accepted="models of Keras 2, Keras 3 and tf-keras",
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
        version = str(file.attrs.get("keras_version", ""))
        if version.startswith("3."):
            # The same names mean other things there: hard_sigmoid, for one.
            raise InputError(
                str(path),
                f"is an HDF5 file of Keras {version}",
                accepted=".keras of Keras 3, .keras and .h5 of Keras 2",
                remedy="load it in Keras 3 and save it with model.save('model.keras')",
            )
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
