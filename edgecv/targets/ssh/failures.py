"""Ends of a connection that another one would have too, by the status of ssh and its messages."""

from edgecv.targets.ssh.agent.start import (
    MISSING,
    NO_NUMPY,
    NO_ROOM,
    NO_RUNTIME,
    OLD_PYTHON,
    OLDEST,
)

NO_FOLDER, NO_PYTHON, OF_SSH = 81, 83, 255
"""Statuses of the script on the host where a step fails, and of ssh itself."""
NO_SPACE = "make room there: {ssh} {url} df -h /tmp"
INSTALL = (
    "{ssh} {url} {python} -m pip install {missing}, or --python of an environment there{wheels}"
)
FAILURES = (
    (
        OF_SSH,
        "IDENTIFICATION HAS CHANGED",
        "shows another host key than the known one, which may be an attack",
        "if the host was set up anew, remove the old key by ssh-keygen -R",
    ),
    (
        OF_SSH,
        "Host key verification failed",
        "has a host key that is not known here",
        "connect once by hand and compare its fingerprint: {ssh} {url}",
    ),
    (
        OF_SSH,
        "Permission denied",
        "does not let this user in",
        "`{ssh} {url}` must work without a question: see ssh-copy-id and ssh-add",
    ),
    (NO_FOLDER, "", "cannot make a folder", NO_SPACE),
    (NO_ROOM, "", "has no room for the program", NO_SPACE),
    (NO_PYTHON, "", "has no {python}", "install Python there, or name it by --python"),
    (OLD_PYTHON, "", "has an old {python}", f"--python: {'.'.join(map(str, OLDEST))} or newer"),
    (MISSING + NO_NUMPY, "", "its {python} lacks {lacked}", INSTALL),
    (MISSING + NO_RUNTIME, "", "its {python} lacks {lacked}", INSTALL),
    (MISSING + NO_NUMPY + NO_RUNTIME, "", "its {python} lacks {lacked}", INSTALL),
)
"""Status, text in the messages, what was found, what to do."""
NETWORK = (
    (
        "Could not resolve hostname",
        "has a name that no address is known for",
        "check the spelling: `{ssh} {url}` must find it too",
    ),
    ("Connection refused", "refuses the connection", "check the port, and that sshd runs there"),
    ("No route to host", "is not reached", "check that it is on, and in this network"),
    ("Network is unreachable", "is not reached", "check that this machine has a network"),
    ("Connection timed out", "does not answer", "check that it is on, and in this network"),
    ("Operation timed out", "does not answer", "check that it is on, and in this network"),
)
"""Text in the messages of an ssh that reached no host, what was found, what to do. Before the host
has ever answered, another try ends the same way."""
