"""A board that runs the firmware, as a device: images in, outputs out."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts
from edgecv.targets.answers import output_bytes, outputs_of_bytes
from edgecv.targets.c.answers import encoded
from edgecv.targets.firmware.client import BoardClient

TIMES, RUNS = 5, 10
"""Times that are taken, and the runs that each is the mean of."""
MEANS = f"a time is the mean of {RUNS} runs, between two readings of the board's clock"
PROGRESS = 10
"""Images between two messages on the progress."""


class BoardDevice:
    """A board at the other end of a serial connection: see Device."""

    def __init__(
        self,
        file: DeployedFile,
        client: BoardClient,
        facts: DeviceFacts,
        context: DeployContext,
    ) -> None:
        self._file, self._client, self._context = file, client, context
        self.facts = facts

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...)."""
        return Outputs.joined(list(self._answers(images)))

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return timed runs of one image, uint8 (1, H, W, C); None for a board without a clock."""
        self._client.load(encoded(self._file, image).tobytes())
        means = []
        for _ in range(TIMES):
            microseconds = self._client.infer(RUNS)
            if microseconds is None:
                return None
            means.append(microseconds * 1000 // RUNS)
        self.facts = replace(self.facts, notes=(*self.facts.notes, MEANS))
        return (np.array(means, np.int64).reshape(TIMES, 1),)

    def _answers(self, images: Images) -> Iterator[Outputs]:
        for number in range(len(images)):
            if number % PROGRESS == 0:
                self._context.emit("evaluate", f"image {number + 1:,} of {len(images):,}")
            self._client.load(encoded(self._file, images[number : number + 1]).tobytes())
            self._client.infer(1)
            yield self._stored() if self._client.gives_bytes else self._decimals()

    def _stored(self) -> Outputs:
        """Return all outputs, which the board gives as they are stored."""
        content = self._client.outputs(sum(output_bytes(self._file)))
        rows = np.frombuffer(content, np.uint8)[None]
        return outputs_of_bytes(self._file, rows, self._client.where)

    def _decimals(self) -> Outputs:
        """Return the only output of a board of others, which gives it with three decimals."""
        outputs, answers = self._file.facts.outputs, self._file.facts.answers
        if len(outputs) != 1:
            raise StepError(
                self._client.where,
                f"gives one output, and {self._file.path.name} has {len(outputs)}",
                remedy="put the firmware on it that edgecv deploy --to qemu writes",
            )
        values = self._client.results(math.prod(answers[0]))
        reals = np.array(values, np.float32).reshape(1, *answers[0])
        return Outputs({outputs[0].name: reals})
