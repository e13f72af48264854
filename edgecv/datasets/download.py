"""Download of one published file: written atomically, resumed after an interruption."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.files import file_sha256
from edgecv.core.locks import held
from edgecv.core.plugins import Progress

ATTEMPTS = 5
CHUNK_BYTES = 1 << 18
TIMEOUT_SECONDS = (10.0, 60.0)
"""Timeouts of the connection, and between two chunks."""


@dataclass(frozen=True)
class Remote:
    """A published file: address, SHA-256 and size."""

    url: str
    sha256: str
    bytes: int


def fetch(remote: Remote, target: Path, progress: Progress, where: str, accepted: str) -> None:
    """Put the file at ``target``, unless it is there. Raises InputError; ``accepted``: other ways.

    A partial download stays beside ``target`` as ``.partial`` and is resumed.
    """
    import requests

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with held(target.with_name(target.name + ".lock"), f"downloads {target.name}"):
            if target.exists():  # another process has fetched it while this one waited
                return
            _fetch(remote, target, progress, where, accepted)
    except requests.RequestException as error:
        raise InputError(
            where,
            f"not in {target.parent}, and {remote.url} cannot be fetched ({_reason(error)})",
            accepted=accepted,
            remedy="give --data with images of your own, or the archive by its path",
        ) from None
    except OSError as error:
        raise InputError(
            where,
            f"{target} cannot be written: {error.strerror}",
            accepted=accepted,
            remedy="or set EDGECV_CACHE_DIR to a folder that can be written",
        ) from None


def _fetch(remote: Remote, target: Path, progress: Progress, where: str, accepted: str) -> None:
    partial = target.with_name(target.name + ".partial")
    # the partial file of an earlier run may be of another file: then start again, once
    for _ in range(2 if partial.exists() else 1):
        _transfer(remote, partial, progress)
        found = file_sha256(partial)
        if found == remote.sha256:
            os.replace(partial, target)
            return
        partial.unlink()
    raise InputError(
        where,
        f"what {remote.url} sent is not what was published "
        f"(SHA-256 {found[:12]}..., not {remote.sha256[:12]}...); it was thrown away",
        accepted=accepted,
        remedy="something between here and there changes it: try another network",
    )


def _transfer(remote: Remote, partial: Path, progress: Progress) -> None:
    """Download the file; retry broken connections as long as there is progress."""
    import requests

    for attempt in range(ATTEMPTS):
        before = _size(partial)
        try:
            _request(remote, partial, progress)
            return
        except requests.RequestException:
            if attempt == ATTEMPTS - 1 or _size(partial) <= before:
                raise


def _request(remote: Remote, partial: Path, progress: Progress) -> None:
    import requests

    done = _size(partial)
    if done >= remote.bytes:  # the checksum decides
        return
    # a compressed transfer would count other bytes than the file has
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(
        remote.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
    ) as response:
        response.raise_for_status()
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        if not (response.status_code == requests.codes.partial_content and goes_on):
            done = 0
        with open(partial, "ab" if done else "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                # an endless response must not fill the disk; the checksum detects it
                file.write(chunk[: remote.bytes - done])
                done = min(done + len(chunk), remote.bytes)
                progress(done, remote.bytes)
                if done == remote.bytes:
                    return
    raise requests.ConnectionError(f"it ended after {done:,} of {remote.bytes:,} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """Return a short form of the messages of requests."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    text = " ".join(str(error).split())
    return text if len(text) <= 60 else "no connection, or a broken one"
