"""A hash of the weights of a model."""

import hashlib
from typing import Any


def weights_sha256(model: Any) -> str:
    """Hash the weights of a model, in order: a ``.keras`` file is never byte-stable."""
    digest = hashlib.sha256()
    for weight in model.weights:
        value = weight.numpy()
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
