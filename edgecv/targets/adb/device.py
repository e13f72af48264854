"""A file on an Android device, run by LiteRT's benchmark_model."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts
from edgecv.formats.image_input import pixel_encoder
from edgecv.targets.adb.client import AdbClient, last_line
from edgecv.targets.adb.report import mean_ns, memory_bytes
from edgecv.targets.answers import output_bytes, outputs_of_bytes, seconds_an_image

PROGRAM, MODEL = "benchmark_model", "model.tflite"
AT_ONCE = 50
"""Images of one call."""
SECONDS, SECONDS_AN_IMAGE = 60.0, 20.0
TIMES, RUNS, LEAST_S = 10, 20, 0.1
"""Calls that are timed, and the least runs and seconds of each."""
NOT_STARTED, UNLINKED = 126, "CANNOT LINK EXECUTABLE"
"""The least status of a program that a shell cannot start, or that dies; a word of the linker."""
PROPERTIES = ("ro.product.model", "ro.build.version.release", "ro.product.cpu.abi")
NOTES = (
    f"a time is the mean of {RUNS} runs or more, as benchmark_model gives no others",
    "its memory is what benchmark_model says that opening the file and its runs take",
)
ONE_IMAGE = (
    "cd {folder} && rm -f outputs; i=0; while [ $i -lt {count} ]; do"
    " dd if=inputs of=input bs={bytes} skip=$i count=1 2>/dev/null; rm -f output;"
    " {run} --num_runs=1 --min_secs=0 --warmup_runs=0 --warmup_min_secs=0"
    " --output_filepath=output >log 2>&1 || {{ tail -n 1 log; exit 1; }};"
    " cat output >>outputs || exit 1; i=$((i+1)); done"
)


class AndroidDevice:
    """A device with the program and the file in a folder of its own."""

    def __init__(
        self, file: DeployedFile, client: AdbClient, folder: str, context: DeployContext
    ) -> None:
        self._file, self._client, self._folder, self._context = file, client, folder, context
        facts = file.facts
        self._input_bytes, self._seconds = 0, seconds_an_image(file, SECONDS_AN_IMAGE)
        self._encode = pixel_encoder(facts.input, facts.axes, file.preprocess, facts.image[2])
        lengths = dict(zip("NHWC", (1, *facts.image), strict=True))
        shape = ",".join(str(lengths[axis]) for axis in facts.axes)
        # Any name will do: it is what the other two flags call the only input.
        self._run = (
            f"./{PROGRAM} --graph={MODEL} --num_threads=1 --input_layer=input"
            f" --input_layer_shape={shape} --input_layer_value_files=input:input"
        )
        model, version, abi = (client.text(f"getprop {name}") for name in PROPERTIES)
        title = f"{PROGRAM}, {model}, Android {version}, {abi}"
        self.facts = DeviceFacts(title, flash_bytes=file.artifact.bytes, notes=NOTES)
        _check_program(client, folder, abi)

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...)."""
        size, parts = sum(output_bytes(self._file)), []
        for start in range(0, len(images), AT_ONCE):
            some = images[start : start + AT_ONCE]
            self._send(some)
            script = ONE_IMAGE.format(
                folder=self._folder, count=len(some), bytes=self._input_bytes, run=self._run
            )
            self._client.shell(script, SECONDS + self._seconds * len(some))
            content = self._client.content(f"{self._folder}/outputs", len(some) * size)
            rows = np.frombuffer(content, np.uint8).reshape(len(some), size)
            parts.append(outputs_of_bytes(self._file, rows, self._client.where))
        return Outputs.joined(parts)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return timed runs of one image, uint8 (1, H, W, C), in nanoseconds."""
        self._send(image)
        self._client.shell(f"cd {self._folder} && mv inputs input")
        script = (
            f"cd {self._folder} && {self._run} --num_runs={RUNS} --min_secs={LEAST_S}"
            " --warmup_runs=5 --report_peak_memory_footprint=true 2>&1"
        )
        seconds = SECONDS + self._seconds * RUNS
        reports = [self._client.shell(script, seconds) for _ in range(TIMES)]
        means = [each for report in reports if (each := mean_ns(report)) is not None]
        if len(means) < TIMES:
            raise StepError(self._client.where, f"{PROGRAM} says no time of a run")
        self.facts = replace(self.facts, memory_bytes=memory_bytes(reports[-1]))
        return (np.array(means, np.int64).reshape(TIMES, 1),)

    def _send(self, images: Images) -> None:
        """Copy the values of the input for some images to the device, one behind the other."""
        values = [self._encode(images[n : n + 1]).tobytes() for n in range(len(images))]
        self._input_bytes = len(values[0])
        with tempfile.NamedTemporaryFile(prefix="edgecv-adb-") as file:
            file.write(b"".join(values))
            file.flush()
            self._client.push(Path(file.name), f"{self._folder}/inputs")


def _check_program(client: AdbClient, folder: str, abi: str) -> None:
    """Raise StepError where the program does not start on the device, or is too old."""
    script = f"cd {folder} && {{ ./{PROGRAM} --help; }} 2>&1; code=$?; echo; echo $code"
    printed, _, status = client.shell(script).rstrip().rpartition("\n")
    if "output_filepath" in printed:
        return
    if UNLINKED in printed or (status.isdecimal() and int(status) >= NOT_STARTED):
        raise StepError(
            client.where,
            f"{PROGRAM} does not start: {last_line(printed)}",
            remedy=f"give one that is built for the device: {abi}",
        )
    raise StepError(
        client.where,
        f"{PROGRAM} gives no outputs: it has no --output_filepath",
        remedy="a newer one, built from LiteRT's repository",
    )
