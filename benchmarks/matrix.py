"""How long `domlora matrix` takes from nothing, and from the store.

    python benchmarks/matrix.py [MODEL...] [--samples 32]

Every call is a process of its own in a fresh home, as a user would run it; seconds of the clock and of the processor.
The same call is made three times: the first measures, the second finds everything in the store, and so does the third.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

from domlora.models.catalogue import REFERENCE_MODELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(REFERENCE_MODELS)[:5], metavar="MODEL")
    parser.add_argument("--samples", default="32")
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "domlora.cli", "matrix", *arguments.models, "--samples", arguments.samples]
    print(f"{len(arguments.models)} models on 4 tasks, {arguments.samples} samples, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as home:
        for name in ("from nothing", "from the store", "again"):
            before, started = _processor(), time.perf_counter()
            subprocess.run(command, env={**os.environ, "DOMLORA_HOME": home}, stdout=subprocess.DEVNULL, check=True)
            clock = time.perf_counter() - started
            print(f"{name}: {clock:.2f} s, of the processor {_processor() - before:.2f} s", flush=True)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
