"""The parent's side: asks the child for files, and turns whatever happens to it into one line."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure
from edgecv.core.plugins import Exporter
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import Artifact, Images, ModelCost, Predictions
from edgecv.core.registry import EXPORTERS
from edgecv.formats.model_file import ModelFile
from edgecv.formats.onnx.adapt import Ends
from edgecv.formats.trust import NO_TRUST
from edgecv.pipeline.conversion.process_pool import PooledProcess, keep, take
from edgecv.pipeline.conversion.request import ConversionRequest, IdleExit
from edgecv.reports.json_file import read_artifact, read_model_cost
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.request import ProcessDied
from edgecv.system.isolation.shared_images import ImageFiles

SILENCE_S = 600.0
"""How long a step may say nothing. Calibration speaks once an image; a model of Keras 3 is run
beside its original meanwhile, which may take 420 s by itself."""
LONGEST_S = 3600.0
MEMORY_BYTES = 8 * 2**30
"""What one request may add to the child's address space, beside 32 times the model's file."""
DAMAGED = "the file is damaged or hostile: save the model again"
LOG_BYTES = 2**16
"""Of what native code prints during one request: more is of no use to anybody."""

T = TypeVar("T")


class Converter:
    """Converts models in a child process with TensorFlow, which a converter may kill.

    A conversion that crashes it, hangs it or eats its memory raises RuntimeFailure with one line;
    the next request starts a new child. What an exporter or importer refuses arrives as it was
    raised. ``log`` collects what native code prints. Not for two threads at once.
    """

    def __init__(self, log: Path | None = None) -> None:
        self._log = log
        self._hand: PooledProcess | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edgecv-conversion-")
        self._images = ImageFiles(Path(self._folder.name))

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        return None if self._hand is None else self._hand.child.process.pid

    def start(self, *, needs_tensorflow: bool = True) -> None:
        """Begin to start the child, without waiting for it, unless there is one."""
        if self._hand is not None and not self._hand.child.is_alive:
            self._discard()  # It had nothing to do, and has gone home.
        if self._hand is None:
            self._hand = take() or PooledProcess(needs_tensorflow=needs_tensorflow)

    def export(self, source: ModelFile, exporter: Exporter, images: Images, path: Path) -> Artifact:
        """Write a model as ``exporter`` does: the file, and its facts beside it.

        ``images``: uint8 (N, H, W, C), to find ranges with.
        """
        facts = path.with_name("artifact.json")
        arguments = {
            "exporter": EXPORTERS.table(exporter),
            "images": str(self._images.path_of(images)),
            "path": os.path.abspath(path),
            "facts": os.path.abspath(facts),
        }
        return self._ask("export", source, arguments, path.name, lambda _: read_artifact(facts))

    def predict(
        self, source: ModelFile, images: Images, choice: Preprocessing | None = None
    ) -> tuple[Predictions, int]:
        """Return what a model says of images, float32 (N, K), and how many parameters it has.

        ``choice``: as if pixels were preprocessed so for it, and a softmax taken of logits.
        """

        def read(frame: Frame) -> tuple[Predictions, int]:
            parameters = frame.header.get("parameters")
            if len(frame.arrays) != 1 or type(parameters) is not int:
                raise MalformedFrame("no predictions")
            (predictions,) = frame.arrays
            if predictions.dtype != np.float32 or predictions.ndim != 2:
                raise MalformedFrame(f"predictions of {predictions.dtype} {predictions.shape}")
            if len(predictions) != len(images):
                raise MalformedFrame(f"{len(predictions)} predictions for {len(images)} images")
            return predictions, parameters

        arguments = {"images": str(self._images.path_of(images)), "choice": _plain_table(choice)}
        return self._ask("predict", source, arguments, str(source.path), read)

    def count(self, source: ModelFile) -> ModelCost:
        """Return what a model costs by its graph. Raises InputError where that cannot be told."""
        facts = Path(self._folder.name) / "cost.json"
        arguments = {"facts": str(facts)}
        return self._ask(
            "count", source, arguments, str(source.path), lambda _: read_model_cost(facts)
        )

    def adopt(self, source: ModelFile, asked: Preprocessing | None) -> Path:
        """Open a user's model and adapt it: see ``adapting.adapt``.

        Returns a folder, there as long as this is, with its facts and the adapted model. Raises
        InputError also where the file kills the child, hangs it or eats its memory.
        """
        folder = Path(tempfile.mkdtemp(prefix="adopted-", dir=self._folder.name))
        arguments = {"asked": _plain_table(asked), "path": str(folder)}
        where = str(source.path)
        try:
            return self._ask("adopt", source, arguments, where, lambda _: folder)
        except RuntimeFailure as failure:
            if failure.where != where:  # The child itself could not start.
                raise
            raise InputError(where, failure.found, remedy=DAMAGED) from None

    def misfits(self, source: ModelFile, images: Images) -> dict[str, float]:
        """Return how far images are from those of the training: see ``adapting.misfits``."""

        def read(frame: Frame) -> dict[str, float]:
            match frame.header.get("names"), frame.arrays:
                case list(names), [values] if values.shape == (len(names),):
                    return {str(name): float(far) for name, far in zip(names, values, strict=True)}
            raise MalformedFrame("no divergences")

        arguments = {"images": str(self._images.path_of(images))}
        return self._ask("misfits", source, arguments, str(source.path), read)

    def adapt_onnx(self, source: ModelFile, ends: Ends, target: Path) -> int:
        """Write a foreign ONNX model as edgecv writes models; return how many parameters it has.

        Raises StepError where it cannot be adapted.
        """

        def read(frame: Frame) -> int:
            parameters = frame.header.get("parameters")
            if type(parameters) is not int:
                raise MalformedFrame("no count of parameters")
            return parameters

        arguments = {"ends": ends.model_dump(mode="json"), "path": os.path.abspath(target)}
        return self._ask("adapt", source, arguments, str(source.path), read)

    def close(self) -> None:
        """Let the child go, and remove the temporary files."""
        self._release()
        self._folder.cleanup()

    def _release(self) -> None:
        if self._hand is not None:
            keep(self._hand)
            self._hand = None

    def _ask(
        self,
        do: str,
        source: ModelFile,
        arguments: dict[str, Any],
        where: str,
        read: Callable[[Frame], T],
    ) -> T:
        told = {
            "model": os.path.abspath(source.path),
            "trust": source.trust.model_dump(mode="json"),
            **arguments,
        }
        request = {
            "do": do,
            "with": told,
            "silence_s": SILENCE_S,
            "memory_bytes": MEMORY_BYTES,
        }
        # One that others have used before may have been harmed by these: the verdict on a model is
        # that of a child which has seen no other.
        others_seen = bool(self._hand_for(source).seen - {told["model"]})
        try:
            return self._attempt(request, where, source, read)
        except IdleExit:
            pass
        except ProcessDied:
            if not others_seen:
                raise
        return self._attempt(request, where, source, read)

    def _hand_for(self, source: ModelFile) -> PooledProcess:
        """Return the child that may see a model."""
        self.start(needs_tensorflow=source.path.suffix != ".onnx")
        assert self._hand is not None
        if source.trust != NO_TRUST and self._hand.was_kept:
            self._release()  # It may stand in another folder, and know another module by that name.
            self._hand = PooledProcess()
        return self._hand

    def _attempt(
        self, request: dict[str, Any], where: str, source: ModelFile, read: Callable[[Frame], T]
    ) -> T:
        hand = self._hand_for(source)
        hand.is_clean = hand.is_clean and source.trust == NO_TRUST
        order = ConversionRequest(hand.child, where, source.path)
        try:
            answer = order.answer(request, SILENCE_S, lambda done: None, LONGEST_S)
            found = read(answer)
        except MalformedFrame as error:
            self._discard()
            raise order.nonsense(error) from None
        except EdgecvError as error:
            if isinstance(error, RuntimeFailure) or not hand.child.ready:
                self._discard()
            raise
        except BaseException:  # KeyboardInterrupt too: a child half-way is of no use
            self._discard()
            raise
        finally:
            if self._hand is not None:
                self._pass_on(hand)
        hand.seen.add(request["with"]["model"])
        return found

    def _pass_on(self, hand: PooledProcess) -> None:
        """Put what native code has printed into the run's own log."""
        if self._log is not None and (said := hand.said(LOG_BYTES)):
            with self._log.open("ab") as log:
                log.write(said)

    def _discard(self) -> None:
        if self._hand is not None:
            self._pass_on(self._hand)
            self._hand.end()
            self._hand = None


@contextmanager
def open_converter(log: Path | None = None) -> Iterator[Converter]:
    """Give a workshop and let its child go afterwards, whatever happens."""
    made = Converter(log)
    try:
        yield made
    finally:
        made.close()


def _plain_table(choice: Preprocessing | None) -> Any:
    return None if choice is None else choice.model_dump(mode="json")
