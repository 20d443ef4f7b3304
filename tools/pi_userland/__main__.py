"""python -m tools.pi_userland build | run -- script.py arguments"""

from __future__ import annotations

import argparse
import sys

from edgetune.errors import EdgetuneError
from tools.pi_userland.userland import PiUserland


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.pi_userland", description=sys.modules["tools.pi_userland"].__doc__
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the userland, if it is not cached, and print its folder")
    run = commands.add_parser("run", help="run the userland's Python")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- script.py arguments")
    options = parser.parse_args()
    try:
        userland = PiUserland.ready()
    except EdgetuneError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.command == "build":
        print(userland.root)
        return 0
    arguments = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    return userland.run(arguments, capture=False, check=False).returncode


sys.exit(main())
