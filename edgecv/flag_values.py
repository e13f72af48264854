"""What the values of flags stand for: files to write, targets to shrink to, fractions."""

from collections.abc import Sequence
from typing import Any

from edgecv.contracts import Exporter
from edgecv.errors import InputError, nearest
from edgecv.gate_flags import NUMBER_WITH_UNIT
from edgecv.registry import EXPORTERS, parse_options

DEFAULT_FORMATS = ("tflite", "onnx")
TIMED_ON = {"tflite": "litert", "onnx": "onnxruntime"}
SHRINK_UNITS = {
    "": ("keep", 1.0),
    "macs": ("macs", 1.0),
    "kmacs": ("macs", 1e3),
    "mmacs": ("macs", 1e6),
    "params": ("parameters", 1.0),
    "kparams": ("parameters", 1e3),
    "mparams": ("parameters", 1e6),
    "b": ("int8_bytes", 1.0),
    "kb": ("int8_bytes", 1e3),
    "mb": ("int8_bytes", 1e6),
    "us": ("latency_us", 1.0),
    "ms": ("latency_us", 1e3),
    "x": ("speedup", 1.0),
}
SHRINK_EXAMPLES = "0.5, 1.2Mmacs, 30kparams, 35KB, 10us, 6x, or several: 35KB,6x"


def shrink_options(text: str) -> dict[str, Any]:
    """Return the targets of ``--shrink``. Raises InputError that shows how they are written.

    >>> shrink_options("0.5")
    {'keep': 0.5}
    >>> shrink_options("35KB,6x")
    {'int8_bytes': 35000, 'speedup': 6.0}
    """
    options: dict[str, Any] = {}
    for part in text.split(","):
        found = NUMBER_WITH_UNIT.fullmatch(part)
        unit = found[2].lower() if found else None
        if found is None or unit not in SHRINK_UNITS:
            raise InputError("--shrink", f'"{part}"', accepted=SHRINK_EXAMPLES)
        option, factor = SHRINK_UNITS[unit]
        if option == "keep" and float(found[1]) > 1:
            raise InputError("--shrink", f'"{part}" has no unit', accepted=SHRINK_EXAMPLES)
        if option in options:
            raise InputError("--shrink", f'"{text}" gives {option} twice', remedy="keep one")
        value = float(found[1]) * factor
        is_whole = option in ("macs", "parameters", "int8_bytes")
        options[option] = round(value) if is_whole else value
    return options


def prune_fraction(prune: str) -> float:
    """Return the fraction of ``--prune``. Raises InputError that shows how it is written."""
    try:
        return float(prune)
    except ValueError:
        raise InputError(
            "--prune", f'"{prune}"', accepted="a fraction such as 0.5, or 2:4"
        ) from None


def with_calibration(exporter: Exporter, images: int) -> Exporter:
    """Return an exporter that finds its ranges on so many images."""
    options = {**exporter.model_dump(), "calibration_images": images}
    return parse_options(type(exporter), options, "--calibration-images")


def exports_of(
    quantize: str, formats: Sequence[str], calibration_images: int | None, io: str | None
) -> tuple[Exporter, ...]:
    """Return the exporters that are asked for. Raises InputError that names the flag."""
    each_one = [name.strip() for text in formats for name in text.split(",")]
    formats = tuple(dict.fromkeys(each_one)) or DEFAULT_FORMATS
    classes = [EXPORTERS.get(each, "--format") for each in formats]
    _check_known(quantize)
    precision = "float32" if quantize == "none" else quantize
    for cls in classes:
        if precision not in cls.precisions:
            raise _cannot(cls, precision)
    options = {"precision": precision, "calibration_images": calibration_images}
    exports = tuple(parse_options(cls, options, "--calibration-images") for cls in classes)
    if io is None:
        return exports
    return tuple(
        parse_options(type(each), {**each.model_dump(), "io": io}, "--io") for each in exports
    )


def _check_known(quantize: str) -> None:
    known = dict.fromkeys(each for cls in EXPORTERS.classes.values() for each in cls.precisions)
    words = [_word(each) for each in known]
    if quantize not in words:
        raise InputError(
            "--quantize",
            f'"{quantize}" is not known',
            accepted=", ".join(words),
            remedy='say "none"' if quantize in known else nearest(quantize, words),
        )


def _cannot(cls: type[Exporter], precision: str) -> InputError:
    able = [name for name, other in EXPORTERS.classes.items() if precision in other.precisions]
    return InputError(
        f"--quantize {precision}",
        f"{cls.name} files cannot be written so",
        accepted=f"for {cls.name}: {', '.join(_word(each) for each in cls.precisions)}",
        remedy="to go on: " + " ".join(f"--format {name}" for name in able),
    )


def _word(precision: str) -> str:
    return "none" if precision == "float32" else precision
