"""The only access to TensorFlow: legacy Keras, seeds, threads, quiet logs."""

import gc
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from edgecv.core.errors import EdgecvError, StepError
from edgecv.core.keras_types import KerasModel

ADDRESS_SPACE_BYTES = 2 * 2**30
"""The address space that TensorFlow needs to start; with less, native code aborts."""
NO_FUSED_KERNEL = "Fusion is not implemented"
"""Part of TensorFlow's message where its graph optimizer made an operation without a kernel."""
_THREADS: int | None = None


def load_tensorflow(threads: int | None = None) -> tuple[Any, Any]:
    """Import TensorFlow with Keras 2 and return ``(tensorflow, tf_keras)``.

    ``threads`` fixes the threads of one operation; TensorFlow takes them once per process, and
    a later call with another number raises EdgecvError. Raises StepError if it cannot be loaded.
    """
    global _THREADS
    if "tensorflow" not in sys.modules:
        # tfmot and tf2onnx work on Keras 2 models; the choice is read once, at import.
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        _check_address_space()
    with warnings.catch_warnings(), without_collections():
        warnings.simplefilter("ignore")
        try:
            import tensorflow
            import tf_keras
        except (ImportError, MemoryError, SystemError) as error:
            reason = (str(error).splitlines() or ["not enough memory"])[0][:200]
            raise StepError(
                "tensorflow",
                f"cannot be loaded: {reason}",
                remedy="install edgecv again, or give it more memory: see ulimit -v",
            ) from error
    # Where a program has imported TensorFlow with Keras 3 already, both live in one process:
    # everything here takes tf_keras, and tfmot looks for it by itself.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    if threads is not None and threads != _THREADS:
        _fix_threads(threads)
        _THREADS = threads
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow, tf_keras


@contextmanager
def without_collections() -> Iterator[None]:
    """Pause the garbage collector: all objects of TensorFlow stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@cache
def _libraries() -> tuple[Any, Any]:
    return load_tensorflow()


class _Library:
    """One of the libraries of ``load_tensorflow``, which is loaded at its first use."""

    def __init__(self, place: int) -> None:
        self._place = place

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # pytest and doctest ask every object for such.
        return getattr(_libraries()[self._place], name)


tensorflow: Any = _Library(0)
keras: Any = _Library(1)


def _check_address_space() -> None:
    """Raise StepError if the process has less address space left than TensorFlow needs."""
    import resource

    import psutil

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    left = limit - psutil.Process().memory_info().vms
    if limit != resource.RLIM_INFINITY and left < ADDRESS_SPACE_BYTES:
        raise StepError(
            "tensorflow",
            f"cannot be loaded: this process may take {left / 2**30:.1f} GiB more of memory",
            accepted=f"at least {ADDRESS_SPACE_BYTES / 2**30:.1f} GiB",
            remedy="give it more: see ulimit -v",
        )


def _fix_threads(threads: int) -> None:
    threading = tensorflow.config.threading
    if _THREADS is not None or threading.get_intra_op_parallelism_threads() not in (0, threads):
        raise EdgecvError(
            "tensorflow", f"already runs with {_THREADS} threads", remedy="use one number a process"
        )
    try:
        threading.set_intra_op_parallelism_threads(threads)
        # One operation at a time: gradients are then added in one order, run after run.
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise EdgecvError("tensorflow", f"cannot fix its threads: {error}") from None


def set_seed(seed: int) -> None:
    """Seed Python, numpy and TensorFlow, and ask for deterministic operations."""
    keras.utils.set_random_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()


def compile_function(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a Python function into a TensorFlow graph.

    AutoGraph would first rewrite the code of every layer, for a second or more. Neither Keras's
    code nor ours branches on the value of a tensor without TensorFlow's functions for that; code
    of a plug-in that does so is refused by TensorFlow.
    """
    return tensorflow.function(function, autograph=False, **options)


class Inference:
    """The compiled inference of a model: one graph for any number of images.

    TensorFlow's optimizer fuses convolution, batch normalization and tanh into an operation for
    which the CPU has no kernel. A model that it does this to runs without the fusions.
    """

    def __init__(self, model: Callable[..., Any], shape: Sequence[int | None]) -> None:
        """``shape``: that of one image, (H, W, C)."""
        images = tensorflow.TensorSpec([None, *shape], tensorflow.float32)
        self._function = compile_function(
            lambda batch: model(batch, training=False), input_signature=[images]
        )
        self.has_kernels = True
        """False for a model that has turned out to run without fusions alone."""

    def __call__(self, images: Any) -> Any:
        """Return the outputs of the model: float32 (N, H, W, C)."""
        if self.has_kernels:
            try:
                return self._function(images)
            except tensorflow.errors.UnimplementedError as error:
                if NO_FUSED_KERNEL not in str(error):
                    raise
                self.has_kernels = False
        with without_fusions():
            return self._function(images)


@contextmanager
def without_fusions() -> Iterator[None]:
    """Let TensorFlow's optimizer fuse no operations of the graphs that run first in the block."""
    optimizer = tensorflow.config.optimizer
    before = optimizer.get_experimental_options().get("remapping", True)
    optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        optimizer.set_experimental_options({"remapping": before})


def model_bytes(model: KerasModel) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a model's file.

    A model with quantizers is written as ``.h5``: Keras cannot read its ``.keras`` file back.
    """
    import tempfile
    from pathlib import Path

    if not any(hasattr(layer, "quantize_config") for layer in model.layers):
        return ".keras", keras_bytes(model)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.h5"
        model.save(path, include_optimizer=False)
        return ".h5", path.read_bytes()


def keras_bytes(model: KerasModel) -> bytes:
    """Return a model as a ``.keras`` file without a time stamp: same weights, same bytes."""
    import io
    import json
    import tempfile
    import zipfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(files["metadata.json"])
    del metadata["date_saved"]
    files["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return buffer.getvalue()
