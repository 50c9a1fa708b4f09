"""Commands as a shell starts them, exit status and all, in this process: what a start costs is
paid once. Tests whose matter is the process itself start one.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from subprocess import CompletedProcess
from unittest.mock import patch

from click.testing import CliRunner

from service import garbage
from service.cli import main

Run = Callable[..., "CompletedProcess[str]"]


def in_process(environ: Mapping[str, str], *first: str) -> Run:
    """``run(*words, **more)``: ``tanhui``, the ``first`` words and these, with ``more`` settings.

    Of the settings only those count that are given here. What ends in a traceback raises.
    """
    own = {name: value for name, value in environ.items() if name.startswith("TANHUI_")}
    others = {name: None for name in os.environ if name.startswith("TANHUI_")}

    def run(*words: object, **more: str) -> "CompletedProcess[str]":
        argv = ["tanhui", *first, *map(str, words)]
        before, code = signal.getsignal(signal.SIGTERM), 0
        with (
            CliRunner().isolation(env={**others, **own, **more}) as (out, err, _),
            patch.object(sys, "argv", argv),
            patch.object(garbage, "settle"),  # The tests' own collector stays as it is.
        ):
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            finally:
                signal.signal(signal.SIGTERM, before)
        return CompletedProcess(argv, code, out.getvalue().decode(), err.getvalue().decode())

    return run
