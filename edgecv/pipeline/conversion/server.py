"""The child's side of conversion: opens, converts and runs models, and counts their cost.

A converter is native code that trusts the model: some layers crash it, some make it hang.
"""

import os
import resource
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgecv.core.costs import ModelCost
from edgecv.core.data import Outputs
from edgecv.core.errors import EdgecvError, RuntimeFailure, StepError
from edgecv.core.files import read_regular
from edgecv.core.images import ImageRows
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Session
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.registry import EXPORTERS, TASKS
from edgecv.formats.keras.image_input import fitted
from edgecv.formats.lookup import importer_of
from edgecv.formats.saved_model.frozen_graph import parameters_of
from edgecv.formats.trust import Trust
from edgecv.models.float_batches import fitting_batch
from edgecv.models.unquantized import has_quantizers, without_quantizers
from edgecv.pipeline.conversion.adapt_model import QUANTIZED, adapt
from edgecv.system.isolation.codec import encode, encode_outputs
from edgecv.system.isolation.heartbeat import LISTENER
from edgecv.system.isolation.limits import AddressSpace, restrict
from edgecv.system.isolation.server import ActionServer, Response
from edgecv.system.isolation.shared_images import Place, mapped
from edgecv.system.storage import on_disk, write_bytes, write_json

MEMORY_BYTES = 8 * 2**30
"""Address space that a request may add, beside 32 times the size of its model file."""
MEMORY_A_FILE_BYTE = 32
THREADS_A_CORE = 4
LARGEST_FILE_BYTES = 2**30
FILE_A_FILE_BYTE = 16
"""A converter writes a model several times on its way."""
MOST_MODELS = 2
"""Models that are open at a time: a baseline and its compressed model."""
ModelKey: TypeAlias = tuple[str, int, int, str, str]
"""A file, its time of change and its size, what is trusted, and the input that was asked for."""


def main() -> None:
    """Serve requests from standard input until it ends or the idle time is over."""
    server = ActionServer("TensorFlow")
    conversions = ConversionServer(server)
    LISTENER.set(server.heartbeat)
    actions: dict[str, Callable[..., Response]] = {
        "export": conversions.export,
        "predict": conversions.predict,
        "count": conversions.count,
        "adapt": conversions.adapt,
        "plain_onnx": conversions.plain_onnx,
        "adopt": conversions.adopt,
        "predict_each": conversions.predict_each,
        "input_evidence": conversions.input_evidence,
    }
    server.serve(
        {name: partial(conversions.run, action) for name, action in actions.items()},
        prepare=conversions.load_tensorflow,
    )


class ConversionServer:
    """The actions of ``Converter``. A model stays open as long as its file is unchanged."""

    def __init__(self, server: ActionServer) -> None:
        self._server = server
        self._models: dict[ModelKey, Any] = {}
        self._input_spec = DEFAULT_INPUT
        """The input of the model of the request, where its file leaves it open."""

    def load_tensorflow(self) -> None:
        """Import TensorFlow if the settings ask for it. Raises StepError."""
        from edgecv.models.tf import load_tensorflow

        if self._server.settings["needs_tensorflow"]:
            load_tensorflow()

    def run(
        self,
        action: Callable[..., Response],
        model: str,
        trust: Any,
        input_spec: Any,
        **arguments: Any,
    ) -> Response:
        """Run an action on a model, with the limits, the trust and the input of its file."""
        path = Path(model)
        self._input_spec = InputSpec.model_validate(input_spec)
        try:
            self._server.memory = _limit(path)
            allowed = Trust.model_validate(trust)
            with allowed.scope(), on_disk(Path(arguments.get("path", path))):
                return action(path, allowed, **arguments)
        except EdgecvError:
            raise
        except Exception as error:
            traceback.print_exception(error)  # Into the log.
            found = f"{type(error).__name__} while {self._server.doing}: {error}"
            raise StepError("", found, remedy="please report it: it is a bug") from error

    def _opened(self, path: Path, trust: Trust) -> Any:
        self._server.stage("opening it")
        key = self._key(path, trust)
        if key not in self._models:
            importer = importer_of(path)
            model = importer.load(path, trust)
            # A graph without TensorFlow was fitted to its images before.
            is_open = importer.needs_tensorflow
            self._keep(key, fitted(model, self._input_spec, path)[0] if is_open else model)
        return self._models[key]

    def _key(self, path: Path, trust: Trust) -> ModelKey:
        facts = path.stat()
        asked = self._input_spec.model_dump_json(exclude={"preprocess"})
        return str(path), facts.st_mtime_ns, facts.st_size, trust.model_dump_json(), asked

    def _keep(self, key: ModelKey, model: Any) -> None:
        """Keep an open model in place of the one that was opened first."""
        while len(self._models) >= MOST_MODELS:
            del self._models[next(iter(self._models))]
        self._models[key] = model

    def export(
        self,
        source: Path,
        trust: Trust,
        exporter: Any,
        images: Place,
        path: str,
        facts: str,
        *,
        keep_quantizers: bool,
    ) -> Response:
        """Write a model as an exporter does: the file, and its facts beside it."""
        model = self._opened(source, trust)
        self._server.stage("converting it")
        if not keep_quantizers and has_quantizers(model):
            model = without_quantizers(model)
        made = EXPORTERS.parse(exporter, "conversion")
        artifact = made.export(model, self._mapped(images)[:], Path(path))
        write_json(Path(facts), asdict(artifact))
        return {}, []

    def predict(self, source: Path, trust: Trust, images: Place) -> Response:
        """Return the predictions of a model and its number of parameters."""
        from edgecv.formats.keras.runtime import KerasSession

        model = self._opened(source, trust)
        self._server.stage("running it")
        header, arrays = encode_outputs(self._outputs(KerasSession(model), self._mapped(images)))
        return self._server.in_parts(({**header, "parameters": parameters_of(model)}, arrays))

    def predict_each(
        self, source: Path, trust: Trust, images: Place, choices: Mapping[str, Any]
    ) -> Response:
        """Return the outputs of a model with each preprocessing, in order."""
        from edgecv.formats.keras.runtime import KerasSession

        session = KerasSession(self._opened(source, trust))
        self._server.stage("running it")
        pixels, found = self._mapped(images), []
        for choice in choices.values():
            asked = InputSpec(preprocess=Preprocessing.model_validate(choice))
            try:
                found.append(encode_outputs(self._outputs(session.reading(asked), pixels)))
            except RuntimeFailure:  # No numbers: such pixels are too large for it.
                nothing = np.full((len(pixels), 1), np.nan, np.float32)
                found.append(encode_outputs(Outputs.one(nothing)))
        arrays = [array for _, arrays in found for array in arrays]
        return self._server.in_parts(({"each": [header for header, _ in found]}, arrays))

    def _outputs(self, session: Session, pixels: ImageRows) -> Outputs:
        """Return the outputs of a session; the parent is told after each of its batches."""
        from edgecv.formats.keras.runtime import BATCH

        parts = [session.predict(pixels[:0])]
        size = fitting_batch(pixels.shape[1:], BATCH)
        for start in range(0, len(pixels), size):
            parts.append(session.predict(pixels[start : start + size]))
            self._server.heartbeat()
        return Outputs.joined(parts)

    def count(self, source: Path, trust: Trust) -> Response:
        """Return the cost of a model by its graph."""
        from edgecv.models.channels.costs import cost_of_model

        model = self._opened(source, trust)
        self._server.stage("counting its operations")
        return encode(ModelCost, cost_of_model(model))

    def adapt(self, source: Path, trust: Trust, ends: Any, path: str) -> Response:
        """Write an adapted copy of a user's ONNX model."""
        from edgecv.formats.onnx.adapt import Ends, adapted

        self._server.stage("adapting it")
        content, parameters = adapted(source, Ends.model_validate(ends))
        write_bytes(Path(path), content)
        return {"parameters": parameters}, []

    def plain_onnx(self, source: Path, trust: Trust, path: str, *, in_float32: bool) -> Response:
        """Write an ONNX file as one file, of float32 if asked for, unless it is one already."""
        from edgecv.formats.onnx.external_data import in_one_file
        from edgecv.formats.onnx.float16 import content_in_float32

        self._server.stage("opening it")
        content = read_regular(source)
        whole = in_one_file(source, content)
        plain = content_in_float32(whole, str(source)) if in_float32 else whole
        if plain is not content:
            write_bytes(Path(path), plain)
        return {"was_external": whole is not content, "had_halves": plain is not whole}, []

    def adopt(
        self, source: Path, trust: Trust, path: str, task: Any, *, is_trained: bool
    ) -> Response:
        """Write a user's model, adapted, and its facts."""
        from edgecv.models.tf import model_bytes

        self._server.stage("opening it")
        asked = None if task is None else TASKS.parse(task, "conversion")
        key = self._key(source, trust)
        adapted = adapt(source, self._input_spec, trust, asked, is_trained=is_trained)
        if adapted.loaded is not None:  # A look at its pixels follows: a load takes seconds.
            self._keep(key, adapted.loaded)
        folder = Path(path)
        if not adapted.facts.is_own:
            suffix, content = model_bytes(adapted.model)
            write_bytes(folder / f"model{suffix}", content)
        if adapted.quantized is not None:
            write_bytes(folder / QUANTIZED, model_bytes(adapted.quantized)[1])
        write_bytes(folder / "facts.json", adapted.facts.model_dump_json().encode())
        return {}, []

    def input_evidence(self, source: Path, trust: Trust, images: Place) -> Response:
        """Return what a model's graph shows of its pixels."""
        from edgecv.formats.keras.runtime import KerasSession

        session = KerasSession(self._opened(source, trust))
        self._server.stage("running it")
        return encode(InputEvidence, session.evidence(self._mapped(images)[:]))

    def _mapped(self, place: Place) -> ImageRows:
        """Return images as a memory map that is shared with the parent."""
        if self._server.memory is not None:
            self._server.memory.allow(os.path.getsize(place["images"]))
        return mapped(place)


def _limit(path: Path) -> AddressSpace:
    """Limit the memory and file size of a request."""
    size = path.stat().st_size
    restrict(resource.RLIMIT_FSIZE, LARGEST_FILE_BYTES + FILE_A_FILE_BYTE * size)
    threads = THREADS_A_CORE * (os.cpu_count() or 1)
    return AddressSpace(MEMORY_BYTES + MEMORY_A_FILE_BYTE * size, threads)
