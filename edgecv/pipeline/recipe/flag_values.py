"""Exporters and calibration images as a command line asks for them."""

from collections.abc import Sequence

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Exporter
from edgecv.core.registry import EXPORTERS
from edgecv.core.text import nearest

DEFAULT_FORMATS = ("tflite", "onnx")


def with_calibration(exporter: Exporter, images: int) -> Exporter:
    """Return an exporter that finds its ranges on so many images."""
    options = {**exporter.model_dump(), "calibration_images": images}
    return parse_options(type(exporter), options, "--calibration-images")


def exports_of(
    quantize: str, formats: Sequence[str], calibration_images: int | None, io: str | None
) -> tuple[Exporter, ...]:
    """Return the exporters that are asked for. Raises InputError that names the flag."""
    each_one = [name.strip().lower() for text in formats for name in text.split(",")]
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
    words = [_shown(each) for each in known]
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
        accepted=f"for {cls.name}: {', '.join(_shown(each) for each in cls.precisions)}",
        remedy="to go on: " + " ".join(f"--format {name}" for name in able),
    )


def _shown(precision: str) -> str:
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
