"""An agent as a program of its own: python serving.py FOLDER PYTHON…, where PYTHON… starts its measurements."""

import sys
from pathlib import Path

from edgetune.agent.app import Settings
from edgetune.agent.measure import Limits
from edgetune.agent.serve import Place, run_agent

if __name__ == "__main__":
    limits = Limits(seconds=240, memory_bytes=2**31)
    run_agent(
        Path(sys.argv[1]),
        Place(port=0, python=sys.argv[2:]),
        Settings(job=limits),
        say=lambda text: print(text, flush=True),
    )
