"""Options of the commands that examine files: validate, bench, inspect and doctor."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.events import Event
from edgecv.core.options import Name, OnePath, Paths, Text, WholeNumbers
from edgecv.core.plugins import Data
from edgecv.core.report import Report
from edgecv.datasets.placement import Resize
from edgecv.evaluation.limit_options import LimitOptions
from edgecv.pipeline.recipe.options import (
    InputOptions,
    MeasuredDataOptions,
    OnOptions,
    TargetOptions,
    TaskOptions,
    TrustOptions,
)

if TYPE_CHECKING:
    from edgecv.analysis.doctor.records import Diagnosis
    from edgecv.analysis.validate_request import ValidationRequest


class LabelOptions(CommandOptions):
    """The classes of files that edgecv did not write."""

    section: ClassVar[str] = "Input of the model"

    labels: Annotated[OnePath | None, Flag(default="the classes of the data")] = None
    """A file with the name of each output of the model, a line each."""


class MeasureOptions(CommandOptions):
    """Files, and the original to measure them against."""

    paths: Annotated[Paths, Flag("PATHS", is_argument=True)]
    """A run folder, or .tflite, .onnx, .keras, .h5 files."""
    baseline: OnePath | None = None
    """The original to compare with; a run folder has its own."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads while a file is timed."""


class KernelOptions(CommandOptions):
    """The kernels that .tflite files are run with."""

    kernels: Annotated[Name | None, Flag(default="those of the run, else xnnpack")] = None
    """The kernels of LiteRT: xnnpack, builtin (as on microcontrollers) or reference (very slow)."""


class JudgedFileOptions(
    LimitOptions, TrustOptions, LabelOptions, InputOptions, TaskOptions, MeasuredDataOptions
):
    """The meaning of a file that is measured, and the limits that it is judged by."""


class ValidateOptions(KernelOptions, OnOptions, JudgedFileOptions, MeasureOptions):
    """Options of ``edgecv validate`` and ``edgecv.validate``."""

    def request(self) -> "ValidationRequest":
        """Return the request for the files. Raises InputError for wrong paths and missing data."""
        from edgecv.analysis.validate_request import request_of

        return request_of(self)


def validate(
    options: ValidateOptions,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    log: Path | None = None,
) -> Report:
    """Measure run folders and files again, and judge them by the limits."""
    from edgecv.analysis.any_files import validate_any
    from edgecv.pipeline.context import open_analysis

    request = options.request()
    with open_analysis(request.settings, on_event, log, request.trust) as context:
        return validate_any(request, context)


class DeployOptions(TargetOptions, JudgedFileOptions):
    """Options of ``edgecv deploy`` and ``edgecv.deploy``."""

    paths: Annotated[Paths, Flag("RUN", is_argument=True)]
    """A run folder, or a .tflite or .onnx file; with --diff an old and a new bundle."""
    to: Annotated[Text | None, Flag(default="none, it must be given")] = None
    """The target: bundle, web, c, tflm, qemu:BOARD, serial:PORT, ssh://USER@HOST[:PORT] or
    adb[:SERIAL]. See edgecv list."""
    artifact: Text | None = None
    """The file of the run, by its name, where several fit."""
    profile: Text | None = None
    """A board, by the name of its profile (edgecv list) or the path of a .toml: what cannot fit is
    refused."""
    images: Annotated[int | None, Flag(default="all")] = Field(default=None, ge=1)
    """Test images to run there, drawn over all of them."""
    out: Annotated[OnePath | None, Flag(default="deployed/NAME-TARGET")] = None
    """The folder to write, or a file with the ending .zip."""
    force: bool = False
    """Replace an earlier deployment there."""
    baseline: OnePath | None = None
    """The original to compare a single file with; a run has its own."""
    min_same: Annotated[float | None, Flag(default="none: it is shown")] = Field(
        default=None, ge=0, le=1
    )
    """Fail if a smaller fraction of the images gets the answer of this machine."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads while a file is timed."""


def deploy(
    options: DeployOptions,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    log: Path | None = None,
) -> Report:
    """Check a file, build what a target needs, run it there, and judge it by the limits."""
    from edgecv.analysis.deploy.deploy import deploy as deploy_file

    return deploy_file(options, on_event, log)


class PredictOptions(LabelOptions, InputOptions, TaskOptions):
    """Options of ``edgecv predict``."""

    file: Annotated[OnePath, Flag("FILE", is_argument=True)]
    """A .tflite or .onnx file."""
    images: Annotated[Paths, Flag("IMAGES", is_argument=True)]
    """PNG, JPEG, WebP or BMP images."""
    resize: Annotated[Resize | None, Flag(default="that of its run, else stretch")] = None
    """Fit photographs of another aspect: stretch, crop around the middle, or pad with black."""


class PackOptions(CommandOptions):
    """Options of ``edgecv pack``."""

    file: Annotated[OnePath, Flag("FILE", is_argument=True)]
    """A .tflite or .onnx file of any maker."""
    output: Annotated[OnePath | None, Flag(default="FILE-packed beside it")] = None
    """The file to write."""
    keep_names: bool = False
    """Leave the names of inner tensors as they are: Netron shows them."""
    names: OnePath | None = None
    """A JSON file to write: for each graph, the names of tensors before by those of now."""
    force: bool = False
    """Replace files that are there."""


class InspectOptions(InputOptions):
    """Options of ``edgecv inspect`` and ``edgecv.inspect``."""


class BenchOptions(OnOptions, InputOptions):
    """Options of ``edgecv bench`` and ``edgecv.bench``: how to time."""

    threads: WholeNumbers[Annotated[int, Field(ge=1)]] = (1,)
    """Threads of a runtime, and cores it is kept on; several with commas."""
    batch: WholeNumbers[Annotated[int, Field(ge=1, le=4096)]] = (1,)
    """Images a call, where a file can take several; several with commas, as 1,8. Each is timed with
    each number of threads, and so is the start of a file."""
    budget: float = Field(default=10.0, ge=1, le=3600)
    """Seconds for all files; three processes of each are timed even where that takes longer."""
    markdown: OnePath | None = None
    """Write the table as Markdown here."""

    @property
    def is_grid(self) -> bool:
        """True if several numbers of threads or images a call are timed."""
        return len(self.threads) * len(self.batch) > 1


class DoctorOptions(InputOptions, TaskOptions):
    """Options of ``edgecv doctor`` and ``edgecv.doctor``."""

    path: Annotated[OnePath, Flag("FILE", is_argument=True)]
    """A .tflite or .onnx file, of any maker, or a run folder."""
    data: Data | None = None
    """Images to compare kernels and layers on; a file of a run has those of the run."""
    baseline: OnePath | None = None
    """The model that the file was made of, or its float32 twin; a file of a run has its own."""
    beside: OnePath | None = None
    """Another file of the same model, whose answers are compared too."""
    kernels: Name = "xnnpack"
    """The kernels of LiteRT: xnnpack, builtin or reference."""
    fix: OnePath | None = None
    """Write the remedy as a recipe here, run it, and say whether it helps."""
    sarif: OnePath | None = None
    """Write the findings here as SARIF, for code scanning."""
    model_explorer: OnePath | None = None
    """Write the error of each layer here as JSON, which Model Explorer lays over the graph."""

    @property
    def needs_images(self) -> bool:
        """True if more than the structure of the file is asked for."""
        asked = (self.data, self.baseline, self.beside, self.fix, self.model_explorer)
        return any(each is not None for each in asked)


def doctor(
    options: DoctorOptions,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    log: Path | None = None,
) -> "Diagnosis":
    """Diagnose a file; where ``fix`` is given, run the remedy of its first finding too."""
    from edgecv.analysis.doctor.diagnose import diagnose
    from edgecv.analysis.doctor.fix import with_fix
    from edgecv.analysis.doctor.model_explorer import with_node_data
    from edgecv.analysis.doctor.sarif import to_sarif
    from edgecv.pipeline.context import open_analysis
    from edgecv.pipeline.recipe.run_settings import RunSettings
    from edgecv.system.storage import write_json

    with open_analysis(RunSettings(name="doctor"), on_event, log) as context:
        options, found = diagnose(options, context)
        if options.model_explorer is not None:
            found = with_node_data(found, options.model_explorer)
        if options.sarif is not None:
            write_json(options.sarif, to_sarif(found))
        return found if options.fix is None else with_fix(options, found, options.fix, context)
