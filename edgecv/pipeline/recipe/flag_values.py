"""Exporters and calibration images from the options of a command line."""

from collections.abc import Sequence

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Exporter
from edgecv.core.registry import EXPORTERS
from edgecv.core.text import nearest


def with_calibration(exporter: Exporter, images: int) -> Exporter:
    """Return an exporter with another number of calibration images."""
    options = {**exporter.model_dump(), "calibration_images": images}
    return parse_options(type(exporter), options, "--calibration-images")


def with_one_scale(exports: Sequence[Exporter], layers: Sequence[str]) -> tuple[Exporter, ...]:
    """Return exporters that give the kernels of some layers, by name pattern, one scale."""
    if not layers:
        return tuple(exports)
    return tuple(
        parse_options(type(each), {**each.model_dump(), "one_scale": layers}, "--one-scale")
        for each in exports
    )


def default_formats() -> tuple[str, ...]:
    """Return the formats that are written by default, in their order."""
    ranks = {name: cls.default_rank for name, cls in EXPORTERS.classes.items()}
    ranked = [(rank, name) for name, rank in ranks.items() if rank is not None]
    return tuple(name for _, name in sorted(ranked))


def exports_of(
    quantize: str, formats: Sequence[str], calibration_images: int | None, io: str | None
) -> tuple[Exporter, ...]:
    """Return the requested exporters. Raises InputError that names the flag."""
    each_one = [name.strip().lower() for text in formats for name in text.split(",")]
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
    accepted = [_shown(each) for each in known]
    if quantize not in accepted:
        raise InputError(
            "--quantize",
            f'"{quantize}" is not known',
            accepted=", ".join(accepted),
            remedy='say "none"' if quantize in known else nearest(quantize, accepted),
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
    """Raise InputError if the data certainly has fewer calibration images than requested.

    ``is_trained``: the baseline is trained on the same images. The final check follows when the
    images are read: copies and unreadable images are left out then.
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
