"""Exporters and calibration images from the options of a command line."""

import math
from collections.abc import Sequence
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Exporter
from edgecv.core.plugins.exporter import WITH_INTEGER_KERNELS
from edgecv.core.registry import EXPORTERS
from edgecv.core.text import nearest


def with_calibration(exporter: Exporter, images: int) -> Exporter:
    """Return an exporter with another number of calibration images."""
    options = {**exporter.model_dump(), "calibration_images": images}
    return parse_options(type(exporter), options, "--calibration-images")


def with_packing(exports: Sequence[Exporter], pack: str | None) -> tuple[Exporter, ...]:
    """Return exporters that pack their files so; None leaves them as they are."""
    return tuple(
        parse_options(type(each), {**each.model_dump(), "pack": pack}, "--pack")
        if pack is not None and "pack" in type(each).model_fields
        else each
        for each in exports
    )


def with_one_scale(exports: Sequence[Exporter], layers: Sequence[str]) -> tuple[Exporter, ...]:
    """Return exporters that give the kernels of some layers, by name pattern, one scale."""
    if not layers:
        return tuple(exports)
    integers = [each for each in exports if each.precision == "int8"] or exports
    return tuple(
        parse_options(type(each), {**each.model_dump(), "one_scale": layers}, "--one-scale")
        if each in integers
        else each
        for each in exports
    )


def default_formats() -> tuple[str, ...]:
    """Return the formats that are written by default, in their order."""
    ranks = {name: cls.default_rank for name, cls in EXPORTERS.classes.items()}
    ranked = [(rank, name) for name, rank in ranks.items() if rank is not None]
    return tuple(name for _, name in sorted(ranked))


def names_in(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names in lists that are separated by commas, each once.

    >>> names_in(("INT8, float16", "int8"))
    ('int8', 'float16')
    """
    return tuple(dict.fromkeys(name.strip().lower() for text in given for name in text.split(",")))


def weights_of(given: Sequence[str]) -> str | dict[str, float]:
    """Return the weights of classes by name, or "balanced". Raises InputError for anything else.

    >>> weights_of(("cat=3, small dog=1.5",))
    {'cat': 3.0, 'small dog': 1.5}
    """
    parts = [part.strip() for text in given for part in text.split(",")]
    if parts == ["balanced"]:
        return "balanced"
    weights = {}
    for part in parts:
        name, _, number = part.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            name = ""
        if not name or not 0 < weights[name] < math.inf:
            raise InputError(
                "--class-weights",
                f'"{part}"',
                accepted="balanced, or CLASS=NUMBER for each class, the number above 0",
            )
    return weights


def exports_of(
    quantize: Sequence[str],
    formats: Sequence[str],
    calibration_images: int | None,
    io: str | None,
    *,
    possible: Sequence[str] = (),
) -> tuple[Exporter, ...]:
    """Return an exporter for each precision in each format. Raises InputError that names the flag.

    ``possible``: the formats where none is asked for. Of several precisions each is then written
    in those of them that can hold it.
    """
    names = names_in(formats) or possible or default_formats()
    classes = [EXPORTERS.get(each, "--format") for each in names]
    options: list[tuple[type[Exporter], dict[str, Any]]] = []
    for each in quantize:
        _check_known(each)
        precision = "float32" if each == "none" else each
        able = [cls for cls in classes if precision in cls.precisions]
        if not able or (len(able) < len(classes) and (formats or len(quantize) == 1)):
            unable = next(cls for cls in classes if cls not in able)
            raise _cannot(unable, precision)
        options += [(cls, {"precision": precision}) for cls in able]
    exports = [parse_options(cls, each, "--quantize") for cls, each in options]
    if calibration_images is not None:
        calibrated = [each for each in exports if each.is_calibrated] or exports
        exports = [
            with_calibration(each, calibration_images) if each in calibrated else each
            for each in exports
        ]
    return tuple(exports if io is None else _with_io(exports, io, quantize))


def with_precision(exporter: Exporter, precision: str) -> Exporter:
    """Return the exporter of another precision, with the options that both take.

    Raises InputError where its format has none.
    """
    if precision in (exporter.precision, _shown(exporter.precision)):
        return exporter
    (other,) = exports_of([precision], [exporter.name], None, None)
    taken = {"pack"}
    taken |= {"calibration_images"} if other.is_calibrated else set()
    taken |= {"one_scale"} if other.precision in WITH_INTEGER_KERNELS else set()
    kept = {name: getattr(exporter, name) for name in exporter.model_fields_set & taken}
    return parse_options(type(other), {**other.model_dump(), **kept}, "--quantize")


def _with_io(exports: Sequence[Exporter], io: str, quantize: Sequence[str]) -> list[Exporter]:
    if not any(each.precision == "int8" for each in exports):
        raise InputError(
            "--io",
            f"is for int8 files, and --quantize {','.join(quantize)} is asked for",
            remedy="leave --io out, or give --quantize int8",
        )
    return [
        parse_options(type(each), {**each.model_dump(), "io": io}, "--io")
        if each.precision == "int8"
        else each
        for each in exports
    ]


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
