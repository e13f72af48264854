"""A deployment as text: the device beside this machine."""

from edgecv.core.report import Deployment, Report
from edgecv.core.text import counted


def deployment_lines(report: Report) -> list[str]:
    """Return what a device gives beside this machine, and notes on it; nothing without one."""
    found = report.deployment
    if found is None:
        return []
    return [_line(found), *found.notes] if found.images else list(found.notes)


def _line(found: Deployment) -> str:
    """Return what a device gives beside this machine, in one line."""
    kernels = f" (LiteRT's {found.kernels} kernels)" if found.kernels else ""
    parts = [
        f"{found.same_answers:,} of {counted(found.images, 'image')} get this machine's answer"
        f"{kernels}",
        f"{found.equal_outputs:,} the same numbers",
    ]
    if found.equal_outputs < found.images:
        parts.append(f"a number differs by {found.largest_difference:.2g} at the most")
    if found.memory_bytes is not None:
        parts.append(f"{found.memory_bytes:,} bytes of memory")
    if found.flash_bytes is not None:
        parts.append(f"{found.flash_bytes:,} bytes of flash")
    return f"{found.artifact} ({found.runtime}): {', '.join(parts)}"
