"""What the values of flags stand for: files to write, targets to shrink to, fractions."""

from collections.abc import Sequence
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Exporter
from edgecv.core.registry import EXPORTERS
from edgecv.core.text import nearest
from edgecv.pipeline.recipe.limit_flags import NUMBER_WITH_UNIT

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
            raise InputError("--shrink", f'"{part}" is no target', accepted=SHRINK_EXAMPLES)
        option, factor = SHRINK_UNITS[unit]
        value = float(found[1]) * factor
        if option in ("macs", "parameters", "int8_bytes"):
            value = round(value)
        _check_target(part, option, value)
        if option in options:
            raise InputError("--shrink", f'"{text}" gives {option} twice', remedy="keep one")
        options[option] = value
    return options


def _check_target(part: str, option: str, value: float) -> None:
    """Raise InputError where a target asks for nothing at all, or for all that there is."""
    if option == "keep" and not 0 < value < 1:
        raise InputError(
            "--shrink", f'"{part}" has no unit, and is no fraction', accepted=SHRINK_EXAMPLES
        )
    if option == "speedup" and value <= 1:
        raise InputError("--shrink", f'"{part}" is not faster', accepted="more than 1x, such as 6x")
    if value <= 0:
        raise InputError("--shrink", f'"{part}" leaves nothing', accepted="more than 0")


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


def default_formats() -> tuple[str, ...]:
    """Return the formats that are written where none is asked for, in their order."""
    ranks = {name: cls.default_rank for name, cls in EXPORTERS.classes.items()}
    ranked = [(rank, name) for name, rank in ranks.items() if rank is not None]
    return tuple(name for _, name in sorted(ranked))


def exports_of(
    quantize: str, formats: Sequence[str], calibration_images: int | None, io: str | None
) -> tuple[Exporter, ...]:
    """Return the exporters that are asked for. Raises InputError that names the flag."""
    each_one = [name.strip() for text in formats for name in text.split(",")]
    formats = tuple(dict.fromkeys(each_one)) or default_formats()
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
    if precision != "int8":
        raise InputError(
            "--io",
            f"is for int8 files, and --quantize {quantize} is asked for",
            remedy="leave --io out, or give --quantize int8",
        )
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


def check_calibration(
    source: DatasetSource, exports: Sequence[Exporter], where: str, *, is_trained: bool
) -> None:
    """Raise InputError where it is plain that the data has fewer images to calibrate with.

    ``is_trained``: the baseline, on the same images. The last word has who has read them: copies
    and images that cannot be read are left out.
    """
    asked = [each.calibration_images or 1 for each in exports if each.is_calibrated]
    most = source.most_calibration_images() if asked else None
    if most is None or max(asked) <= most:
        return
    if most > 0:
        accepted = f"up to {most} with {source.name}"
        raise InputError(where, f"{max(asked)} asked for", accepted=accepted)
    if is_trained:
        raise InputError(
            "--data",
            "there are test images alone: nothing can be trained on them",
            remedy="put images under train/ too, or give a MODEL",
        )
    raise InputError(
        "--data",
        "there are test images alone, and the ranges of integers are found on training images",
        accepted="test/ alone with --quantize none, float16 or dynamic",
        remedy="put images under train/ too",
    )
