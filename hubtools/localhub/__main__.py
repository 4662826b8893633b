"""`python -m hubtools.localhub --root DIR --port N`: for programs. Prints one line of JSON when
ready (`url`, `token`, `root`, `pid`), serves until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import sys
from pathlib import Path

from hubtools.errors import HubtoolsError, require_extra


def main() -> int:
    """Serve; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hubtools.localhub", description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="hf_local")
    parser.add_argument("--owner", action="append", default=[], help="namespace `me` may write to")
    arguments = parser.parse_args()
    # an event would wait for itself where the signal comes while its lock is being taken
    stop: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    try:
        require_extra("hub", "The embedded Hub")
        from hubtools.localhub.server import Hub

        with Hub(
            arguments.root, port=arguments.port, token=arguments.token, owners=arguments.owner
        ) as hub:
            ready = {
                "url": hub.url,
                "token": hub.token,
                "root": str(hub.root),
                "pid": os.getpid(),
            }
            print(json.dumps(ready), flush=True)
            stop.get()
    except HubtoolsError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"Hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
