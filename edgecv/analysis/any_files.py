"""Files of any inputs and outputs: measured on images, or compared by numbers."""

from dataclasses import replace

from edgecv.analysis.number_comparison import any_ends, compare_numbers
from edgecv.analysis.validate import validate
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import InputError
from edgecv.core.report import Report
from edgecv.formats.onnx.external_data import may_be_external
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.system.storage import describe


def validate_any(request: ValidationRequest, context: AnalysisContext) -> Report:
    """Return the report of files: of their answers, or of their numbers where they have none."""
    request = with_whole_files(request, context)
    if request.source is None or any_ends(request.files, context):
        if request.settings.device is not None:
            raise InputError(
                f"--on {request.settings.device.place}",
                "devices are given images, and these files take other arrays",
                remedy="leave --on out: they are compared on this machine",
            )
        return compare_numbers(request, context)
    return validate(request, context)[0]


def with_whole_files(request: ValidationRequest, context: AnalysisContext) -> ValidationRequest:
    """Return a request whose ONNX files have the weights that they keep beside them."""
    whole = {file.path: whole_file(file, context) for file in request.files}
    return replace(
        request,
        files=tuple(whole[file.path] for file in request.files),
        unproven=tuple(whole[file.path] for file in request.unproven),
    )


def whole_file(file: MeasuredFile, context: AnalysisContext) -> MeasuredFile:
    """Return an ONNX file with the weights that it keeps beside it: its size and hash are theirs.

    Raises InputError where these cannot be taken.
    """
    if not may_be_external(file.path):
        return file
    plain = context.converter.plain_onnx(file.path, in_float32=False)
    if not plain.was_external:
        return file
    now = describe(plain.path, format=file.artifact.format, precision=file.artifact.precision)
    note = "its size and hash are those of one file with the weights that lie beside it"
    return replace(
        file,
        artifact=replace(now, path=file.artifact.path, notes=(*file.artifact.notes, note)),
        path=plain.path,
    )
