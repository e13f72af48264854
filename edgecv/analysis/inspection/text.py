"""An inspection as text and a table, for people."""

import io
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from edgecv.core.text import counted, listed, printable
from edgecv.formats.contents import Arithmetic, Contents, End, Inspection, Operator
from edgecv.formats.lookup import runtime_of_format
from edgecv.formats.onnx.weight_range import REDUCED_CODE

SAVED_MODEL = "saved_model"
"""A format that is read and converted, but not run by a runtime of its own."""
WIDE = 200
"""Columns without a terminal: nothing needs to be folded."""
LONGEST_NAME = 40
HEADINGS = (
    "operator",
    "type",
    "output",
    "parameters",
    "MACs",
    "activations",
    "weights",
    "bytes",
    "arithmetic",
)
NUMBERS = ("parameters", "MACs", "bytes")
ROOM = 120
"""Columns that the whole table needs; a narrower one leaves out ``WHERE_THERE_IS_ROOM``."""
WHERE_THERE_IS_ROOM = ("activations", "weights", "bytes")


def to_text(inspection: Inspection, width: int = WIDE) -> str:
    """Return an inspection as text, in lines of ``width`` columns."""
    contents = inspection.contents
    title = _title(contents.format)
    facts = [f"{key} {value}" for key, value in contents.facts.items()]
    lines = [f"{inspection.path}: {', '.join([title, *facts])}"]
    lines += [f"  input   {_end_text(end)}" for end in contents.inputs]
    lines += _image_lines(inspection)
    lines += [f"  output  {_end_text(end)}" for end in contents.outputs]
    body = _table(contents, width) if contents.operators else "  no operators"
    ending = [
        f"{inspection.bytes:,} bytes, {inspection.gzip_bytes:,} with gzip -9",
        _costs(contents),
        _peak(contents),
        *_arithmetic(contents),
        *(f"note: {note}" for note in contents.notes),
    ]
    return "\n".join(
        [*map(printable, lines), "", body, *(f"  {printable(each)}" for each in ending), ""]
    )


def _title(file_format: str) -> str:
    if file_format == SAVED_MODEL:
        return "SavedModel"
    return runtime_of_format(file_format).format_title


def _runs_on_devices(file_format: str) -> bool:
    """Return False for formats that other files are made from: they compute in float."""
    return file_format != SAVED_MODEL and runtime_of_format(file_format).runs_on_devices


def _image_lines(inspection: Inspection) -> list[str]:
    """Return a line on the images of the input where the input's own line does not say it all."""
    image = inspection.image
    if image is None or (image.axes == "NHWC" and image.preprocess is None):
        return []
    pixels = "" if image.preprocess is None else f"; pixels enter as {image.preprocess}"
    size = " x ".join(map(str, image.shape))
    return [f"  images  {size}, axes {image.axes}{pixels}"]


def shape_text(end: End) -> str:
    """Return a shape as text, with names for open dimensions.

    >>> shape_text(End("image", (-1, 32, -1), "uint8", open_sides=("batch", "")))
    'batch x 32 x N'
    """
    if not end.has_shape:
        return "of no declared shape"
    names = iter(end.open_sides)
    sides = [str(side) if side >= 0 else next(names, "") or "N" for side in end.shape]
    return " x ".join(sides) or "one value"


def _end_text(end: End) -> str:
    text = f"{end.name}: {end.type}, {shape_text(end)}"
    if end.scale is not None:
        text += f", value = {end.scale:.9g} x {_stored(end.zero_point or 0)}"
    return text


def _stored(zero_point: int) -> str:
    if not zero_point:
        return "stored"
    return f"(stored {'-' if zero_point > 0 else '+'} {abs(zero_point)})"


def _table(contents: Contents, width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    left_out = list(WHERE_THERE_IS_ROOM) if width < ROOM else []
    if not _runs_on_devices(contents.format):
        left_out.append("arithmetic")  # Formats that are not for devices compute in float.
    shown = [place for place, heading in enumerate(HEADINGS) if heading not in left_out]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place in shown:
        is_number = HEADINGS[place] in NUMBERS
        # Numbers stay whole; names are folded where they must be.
        justify: Literal["left", "right"] = "right" if is_number else "left"
        table.add_column(HEADINGS[place], justify=justify, no_wrap=is_number, overflow="fold")
    for each in contents.operators:
        cells = _cells(each)
        table.add_row(*(printable(cells[place]) for place in shown))
    # No colours and no markup: names come from the file.
    console = Console(
        file=io.StringIO(), width=width - 1, markup=False, emoji=False, highlight=False
    )
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [f" {line.rstrip()}" for line in text.splitlines() if line.strip()]
    if width < ROOM:
        lines.append(f"  (a terminal of {ROOM} columns shows {', '.join(WHERE_THERE_IS_ROOM)} too)")
    return "\n".join(lines)


def _weight_type(operator: Operator) -> str:
    """Return the stored type of weights; int8 with the bits that are used, where those are 7."""
    has_7_bits = operator.largest_code is not None and operator.largest_code <= REDUCED_CODE
    return f"{operator.weight_type} of 7 bits" if has_7_bits else operator.weight_type


def _cells(operator: Operator) -> tuple[str, ...]:
    shape = operator.output_shape
    scales = operator.weight_scales
    return (
        _short(operator.name),
        _short(operator.type),
        "?" if shape is None else "x".join(str(side) if side >= 0 else "N" for side in shape),
        _cost(operator.parameters),
        _cost(operator.macs),
        operator.activation_type,
        f"{_weight_type(operator)}, {counted(scales, 'scale')}"
        if scales > 1
        else _weight_type(operator),
        f"{operator.weight_bytes:,}" if operator.weight_bytes else "",
        "" if operator.arithmetic == "other" else operator.arithmetic,
    )


def _cost(cost: int | None) -> str:
    return "?" if cost is None else f"{cost:,}" if cost else ""


def _costs(contents: Contents) -> str:
    stored = sum(each.weight_bytes for each in contents.operators)
    unknown = [each.type for each in contents.operators if each.macs is None]
    macs = f"{contents.known_macs:,} multiply-accumulates (MACs)"
    if unknown:
        least = f"at least {macs}" if contents.known_macs else "multiply-accumulates (MACs)"
        macs = f"{least}: not known for {_counted(unknown)}"
    parameters = "parameters: not known"
    if contents.parameters is not None:
        parameters = counted(contents.parameters, "parameter")
    return f"{parameters}{f' in {stored:,} bytes' if stored else ''}; {macs}"


def _peak(contents: Contents) -> str:
    peak, as_int8 = contents.peak_activation_bytes, contents.peak_activation_bytes_int8
    if peak is None:
        return "peak of activations: not known"
    if as_int8 is None:
        during = f", while {contents.peak_operator} runs" if contents.peak_operator else ""
        return f"peak of activations: {peak:,} bytes{during}"
    return f"peak of activations: {peak:,} bytes as float32, {as_int8:,} as int8"


def _arithmetic(contents: Contents) -> list[str]:
    if not _runs_on_devices(contents.format):
        return []
    kinds_shown: tuple[tuple[Arithmetic, str], ...] = (
        ("quantized", "quantized"),
        ("weights only", "quantized in their weights only"),
        ("float", "left in float"),
        ("conversion", "conversions between the two"),
    )
    lines = []
    for arithmetic, title in kinds_shown:
        found = [each for each in contents.operators if each.arithmetic == arithmetic]
        if found:
            kinds = _counted([each.type for each in found])
            # The table lists every operator: only the exceptions are named here.
            names = "" if arithmetic == "quantized" else f": {_names(found)}"
            word = "operator" if len(found) == 1 else "operators"
            lines.append(f"{title}: {len(found):,} {word} ({kinds}){names}")
        elif arithmetic in ("quantized", "float"):
            lines.append(f"{title}: none")
    return lines


def _names(operators: Sequence[Operator]) -> str:
    return listed([_short(each.name) for each in operators])


def _counted(kinds: Sequence[str]) -> str:
    return listed([f"{count:,} {_short(kind)}" for kind, count in Counter(kinds).most_common()])


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
