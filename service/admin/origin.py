"""Who acts by a command, and from where."""

import os
import pwd
import socket

from service.admin.log import Actor
from service.identity.staff.models import ALL


def from_command(by: str | None = None, *, role: str = "operator") -> Actor:
    """``by`` as it was given with the command, else the machine's user; every programme is theirs.

    ``from_address`` is that user at that machine, whatever name was given.
    """
    user = _user()
    return Actor(
        name=by or user,
        role=role,
        programme=ALL,
        channel="command",
        from_address=f"{user}@{socket.gethostname()}",
        request_id="",
    )


def _user() -> str:
    """By the process: what the environment says can be typed like any name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # A user without a name, as in some containers.
        return f"uid {os.getuid()}"
