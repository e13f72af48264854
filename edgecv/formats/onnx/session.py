"""Sessions of ONNX Runtime on the CPU, and its names of types."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.text import first_line
from edgecv.formats.image_axes import OPEN

NUMPY_NAMES = {"float": "float32", "double": "float64"}
"""numpy's names of types that ONNX and ONNX Runtime name otherwise."""
Optimization = Literal["none", "basic", "extended", "all"]
LEVELS: dict[Optimization, str] = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
ERRORS_ONLY = 3
NO_KERNEL = ("is not a registered function/op", "No Op registered for")
"""Parts of what ONNX Runtime says of an operator that its maker alone has."""
OLD_OR_OTHER = "Could not find an implementation for"
"""Part of what it says of an operator of ONNX of a version, or for a type, that it has not."""


def new_session(
    path: Path,
    content: bytes,
    threads: int,
    optimization: Optimization,
    profile: Path | None = None,
) -> Any:
    """Return a session of a file's content; ``profile``: the path of its profile, if it has one.

    Raises RuntimeFailure where ONNX Runtime does not accept it.
    """
    import onnxruntime

    # Worker threads spin between runs, which is the default: without it, two threads ran 60%
    # slower, and other sessions of the process were no faster.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = _level(optimization)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  its errors have no base class of their own
        found = f"ONNX Runtime refused it: {first_line(error)}"
        raise _refusal(path, found) from None


def _refusal(path: Path, found: str) -> RuntimeFailure:
    """Return the failure of a file that ONNX Runtime does not accept."""
    export = "edgecv inspect reads the file without running it; to run it, export the model again"
    if any(text in found for text in NO_KERNEL):
        accepted, how = "operators of ONNX and of ONNX Runtime", "without this operator"
    elif OLD_OR_OTHER in found:
        accepted = "versions and types of operators that ONNX Runtime computes on a processor"
        how = "with a newer operator set, or with float32 where it has another type"
    else:
        return RuntimeFailure(str(path), found)
    return UnsuitableFile(str(path), found, accepted=accepted, remedy=f"{export} {how}")


def bound_call(
    session: Any, values: Mapping[str, NDArray[Any]], outputs: Sequence[str]
) -> Callable[[], object]:
    """Return a function that runs a session on values which are set beforehand, by input name."""
    import onnxruntime

    binding = session.io_binding()
    for name, array in values.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    for name in outputs:
        binding.bind_output(name, "cpu")
    try:
        for _ in range(2):
            session.run_with_iobinding(binding)
    except Exception:  # noqa: BLE001  of no class of their own: what is wrong is said by the call
        # The second run compares the first one's outputs with the shapes that a file declares,
        # which may be wrong where it runs all the same.
        return lambda: session.run(None, dict(values))
    return lambda: session.run_with_iobinding(binding)


def write_optimized(
    content: bytes, path: Path, optimization: Optimization, disabled: Sequence[str] = ()
) -> None:
    """Write a model as ONNX Runtime would run it; ``disabled``: optimizations that are left out."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = _level(optimization)
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(disabled)
    )


def _level(optimization: Optimization) -> Any:
    import onnxruntime

    return getattr(onnxruntime.GraphOptimizationLevel, LEVELS[optimization])


def tensor_of(tensor: Any) -> TensorFacts:
    """Return the facts of an input or output of a session, with -1 for open axes."""
    element = str(tensor.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(length if isinstance(length, int) else OPEN for length in tensor.shape)
    return TensorFacts(tensor.name, shape, NUMPY_NAMES.get(element, element))
