"""Options that commands and functions share: the data, the training, a user's own model."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec, input_spec_of
from edgecv.core.options import Listed, Name, Several, Text
from edgecv.core.plugins import Data, Target, Task
from edgecv.core.registry import TARGETS, TASKS
from edgecv.evaluation.limit_options import LimitOptions
from edgecv.pipeline.recipe.toml_file import read_toml
from edgecv.pipeline.recipe.training_options import TrainingOptions


class ImageOptions(CommandOptions):
    """Images that are read from files."""

    section: ClassVar[str] = "Images"

    skip_bad_images: bool = False
    """Leave out images that cannot be read."""
    resize: Literal["stretch", "crop", "pad"] | None = None
    """Fit photographs of another aspect: stretch (the default), crop around the middle, or pad with
    black. Choose what the model was trained with."""
    cache: Annotated[Text | None, Flag(default="EDGECV_CACHE_DIR, or the user's cache")] = None
    """The folder where decoded images are kept: the next run reads them from there."""
    cache_limit: Annotated[Text | None, Flag(default="EDGECV_CACHE_LIMIT, or 50GB")] = None
    """The most that decoded images take there: those used longest ago are removed."""
    no_cache: bool = False
    """Keep no decoded images: image files are decoded in each epoch."""

    def of_cache(self) -> dict[str, Any]:
        """Return the options of the cache that are given."""
        found = {name: getattr(self, name) for name in ("cache", "cache_limit", "no_cache")}
        return {name: value for name, value in found.items() if value}


class DataOptions(ImageOptions):
    """The images of a new run."""

    data: Annotated[Data | None, Flag(default="cifar10")] = None
    """A data set: cifar10, digits, scenes, a folder or .zip with train/CLASS/ and test/CLASS/, a
    folder with CLASS/ alone, images with annotations (COCO, YOLO, VOC, masks, a .csv), or a .npz.
    For a MODEL also a folder of images without labels, and for a MODEL that is only converted
    (none, float16, dynamic) test/ alone is enough."""
    validation: Annotated[float | None, Flag(default="0.05, 0.1 of digits")] = Field(
        default=None, gt=0, lt=0.5
    )
    """The fraction of the training images that is kept for validation, where the data do not
    choose them: a small --max-drop takes more images to be shown."""


class MeasuredDataOptions(ImageOptions):
    """The images to measure files on."""

    data: Data | None = None
    """The images, as for compress; a run folder knows its own. test/ alone is enough."""


class TaskOptions(CommandOptions):
    """The meaning of the outputs."""

    section: ClassVar[str] = "Task"

    task: Annotated[Several, Flag(default="the one that model and data show")] = ()
    """The task of the model: see edgecv list. OUTPUT=TASK, once for each or with commas, gives
    several outputs one each. Or a .toml, such as a recipe, with its options under [task], or a
    [[task]] for each."""

    def parsed_task(self) -> Task | None:
        """Return the task, None where it is not given. Raises InputError for an unknown one."""
        if len(self.task) == 1 and self.task[0].lower().endswith(".toml"):
            table = read_toml(Path(self.task[0])).get("task")
            name = "task" if isinstance(table, list) else "[task]"
            return TASKS.parse(table, f"{self.task[0]}, {name}")
        given = [part.strip() for text in self.task for part in text.split(",")]
        if not given:
            return None
        pairs = [part.rpartition("=") for part in given]
        if len(pairs) == 1 and not pairs[0][1]:
            return TASKS.parse({"task": given[0].lower()}, "--task")
        tables = [{"output": output, "task": name.lower()} for output, _, name in pairs]
        return TASKS.parse(tables, "--task")


class TargetOptions(CommandOptions):
    """Options of a device: a host of ssh://, a browser, a device of adb."""

    section: ClassVar[str] = "Device"

    python: Annotated[Text | None, Flag(default="python3")] = None
    """The interpreter on a host of ssh://, where numpy and the runtime are."""
    ssh_config: Annotated[Text | None, Flag(default="yours")] = None
    """Another configuration of SSH, as ssh -F takes it."""
    wheels: Annotated[Text | None, Flag(default="the packages of the host")] = None
    """A folder of wheels that a host of ssh:// is sent, where it has no packages and no network."""
    keep_wheels: bool = False
    """Leave the packages of --wheels on the host, in ~/.cache/edgecv, for the next time."""
    node_modules: Annotated[Text | None, Flag(default="the nearest node_modules")] = None
    """The folder where npm has put the runtime of browsers, for web."""
    benchmark_model: Annotated[Text | None, Flag(default="none, adb needs it")] = None
    """LiteRT's benchmark_model, built for the device of adb."""

    def target_of(self, text: str, flag: str) -> Target:
        """Return the target of ``NAME`` or ``NAME:TEXT``. Raises InputError that names the flag."""
        name, colon, address = text.partition(":")
        cls = TARGETS.get(name, flag)
        if colon and not cls.address:
            raise InputError(flag, f"{name} has no address", remedy=f"leave :{address} out")
        given = self.of_hosts()
        for each in given.keys() - cls.model_fields.keys():
            own = f"--{each.replace('_', '-')}"
            raise InputError(own, f"{name} has no such option", remedy="leave it out")
        table = {"target": name, **({cls.address: address} if colon else {}), **given}
        return TARGETS.parse(table, flag)

    def of_hosts(self) -> dict[str, Any]:
        """Return the options of a target that are given."""
        given = {name: getattr(self, name) for name in TargetOptions.model_fields}
        return {name: value for name, value in given.items() if value}


class OnOptions(TargetOptions):
    """The device that files are measured on."""

    on: Annotated[Text | None, Flag(default="this machine")] = None
    """Measure the files on a device, as deploy --to takes it: ssh://USER@HOST[:PORT], qemu. The
    original is measured here."""

    def device(self) -> Target | None:
        """Return the device, None for this machine. Raises InputError that names the flag."""
        if self.on is not None:
            return self.target_of(self.on, "--on")
        for name in self.of_hosts():
            raise InputError(f"--{name.replace('_', '-')}", "goes with --on", remedy="give --on")
        return None


class TrustOptions(CommandOptions):
    """Trust in a Keras model that has more than standard layers."""

    section: ClassVar[str] = "Trust"

    trust_model: bool = False
    """Load the Keras model whatever is in it: its author can run any code as you."""
    custom_objects: Listed = ()
    """A class or function of your own that the model needs, as module:name; one or several, with
    commas or by the option again."""


class StoreOptions(CommandOptions):
    """The folder of results."""

    section: ClassVar[str] = "Runs"

    output: Text = "exported"
    """The folder of all runs and baselines."""


class RecipeOptions(CommandOptions):
    """A recipe, and changes to it."""

    section: ClassVar[str] = "Runs"

    recipe: Text | None = None
    """A TOML recipe, or the name of a ready one (edgecv list). MODEL and options of data, limits,
    logs and the run (name, seed, device and others) change it; precision, formats, techniques and
    training are refused beside it."""
    name: Text | None = None
    """Name of the run: a folder in --output."""
    calibration_images: Annotated[int | None, Flag(default="200")] = None
    """Images that find the ranges of int8, int16x8 and mixed."""
    pack: Annotated[Name | None, Flag(default="full")] = None
    """Lossless packing of the files: full, keep-names (those of the converter, for Netron), off."""
    threads: Annotated[int | None, Flag(default="1")] = None
    """Threads of a runtime while it is timed."""
    kernels: Annotated[Name | None, Flag(default="xnnpack")] = None
    """The kernels of LiteRT that .tflite files are measured with: xnnpack, builtin or reference."""
    control: Annotated[Name | None, Flag(default="on")] = None
    """Training of a control beside techniques that train, on or off: the baseline is trained on as
    long, without compression, and limits on quality are held against the better of both."""


class RunOptions(RecipeOptions, OnOptions, LimitOptions, TrainingOptions, TaskOptions, DataOptions):
    """Options of a new run that is judged."""


class InputOptions(CommandOptions):
    """The input of models and files that edgecv did not write."""

    section: ClassVar[str] = "Input of the model"

    preprocess: Annotated[Name | None, Flag(default="found, else asked for")] = None
    """The pixels that models and files of other makers expect: 0..255, 0..1, -1..1, imagenet,
    caffe."""
    layout: Annotated[Name | None, Flag(default="by shape")] = None
    """The order of an image's axes, nchw or nhwc, where a shape may be either."""
    input_size: Annotated[Name | None, Flag(default="that of the file")] = None
    """HEIGHTxWIDTH for models and files that leave their size open."""

    @property
    def input_spec(self) -> InputSpec:
        """The input that the flags describe. Raises InputError that names the flag."""
        return input_spec_of(self.preprocess, self.layout, self.input_size)


class ModelOptions(CommandOptions):
    """The user's model, and the files to write."""

    section: ClassVar[str] = "Model and files"

    model: Annotated[Text | None, Flag("MODEL", is_argument=True)] = None
    """A .keras (Keras 3 or 2), .h5, .onnx or SavedModel folder; without it a baseline is
    trained."""
    quantize: Annotated[Several | None, Flag(default="int8")] = None
    """The precision: none, float16, dynamic, int8 (static: weights, activations, input and
    output), int16x8, mixed (chosen by layer); or several with a comma, each as files of its
    own."""
    formats: Annotated[Several, Flag("--format", default="both")] = ()
    """The files to write: tflite or onnx, or both with a comma."""
    io: Annotated[Name | None, Flag(default="int8 for TFLite, uint8 for ONNX")] = None
    """The type that an int8 file takes: uint8, int8 (the byte minus 128) or float32."""
    one_scale: Several = ()
    """A layer, by name pattern, whose int8 kernel has one scale: weights that are equal in MODEL
    stay equal. One or several; kernels that --cluster makes have it by themselves."""
    labels: Annotated[Text | None, Flag(default="the classes of the data")] = None
    """A file with the name of each output of the model, a line each."""
