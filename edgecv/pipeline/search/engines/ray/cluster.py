"""A Ray cluster that is there already: the way to it, and its nodes."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgecv.core.errors import InputError

CONNECT_S = 5.0
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""The first bytes of a client of gRPC, which Ray speaks: the preface, and empty settings."""
SETTINGS_FRAME = 4
REMEDY = "start one (ray start --head), or give --ray-address HOST:PORT"
NOT_THERE = "there is no Ray cluster"


@dataclass(frozen=True)
class RayNode:
    """A machine of a cluster that can take trials."""

    id: str
    name: str
    """Its host, and the beginning of its id: several may share a host."""
    cpus: float
    memory_bytes: float


def ray() -> Any:
    """Return the module. Raises InputError that says how it is installed."""
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray", "needs Ray", remedy='pip install "edgecv[ray]"') from None
    return ray


def connect(address: str) -> bool:
    """Connect to a cluster; False where this process was connected already. None is started.

    Raises InputError where there is none, or one of another version.
    """
    library = ray()
    if library.is_initialized():
        return False
    _check_address(address)
    os.environ.setdefault("RAY_py_gcs_connect_timeout_s", str(int(CONNECT_S)))
    try:
        with _usual_temporary_folder():
            library.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, SystemExit, TimeoutError):
        raise InputError(f"--ray-address {address}", NOT_THERE, remedy=REMEDY) from None
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"--ray-address {address}", f"Ray refused it: {error}", remedy="see ray status"
        ) from None
    return True


def _check_address(address: str) -> None:
    """Raise InputError, at once, where nothing that speaks gRPC is at an address.

    Ray itself waits for minutes, and ends the process.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise InputError(f"--ray-address {address}", "is no address", accepted="auto or HOST:PORT")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_S) as connection:
            connection.settimeout(CONNECT_S)
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(HTTP2_PREFACE)
            answer = connection.recv(9)
            if len(answer) < 4 or answer[3] != SETTINGS_FRAME:
                raise InputError(
                    f"--ray-address {address}", f"{NOT_THERE}, but another server", remedy=REMEDY
                )
    except (OSError, OverflowError) as error:
        raise InputError(
            f"--ray-address {address}", f"{NOT_THERE}: {error}", remedy=REMEDY
        ) from None


@contextmanager
def _usual_temporary_folder() -> Iterator[None]:
    """Look for a cluster where ``ray start`` notes it: not in the folder of this process."""
    own = os.environ.pop("TMPDIR", None)
    try:
        yield
    finally:
        if own is not None:
            os.environ["TMPDIR"] = own


def nodes() -> list[RayNode]:
    """Return the nodes that live and have processors for tasks."""
    found = []
    for each in ray().nodes():
        resources = each["Resources"]
        if each["Alive"] and resources.get("CPU"):
            name = f"{each['NodeManagerHostname']} ({each['NodeID'][:8]})"
            memory = resources.get("memory", 0.0)
            found.append(RayNode(each["NodeID"], name, resources["CPU"], memory))
    return found


def on_node(node_id: str) -> Any:
    """Return the scheduling strategy of a task for one node and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node_id, soft=False)


def first_sentence(error: Exception) -> str:
    """Return the first sentence of an error of Ray, which writes a page."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].partition(". ")[0] if lines else type(error).__name__
