"""Writes docs/findings.md: what `domlora matrix` says of the real models whose maps come with domlora.

    python docs/make_findings.py

The words and numbers are the command's own; nothing is measured, as every cell is among `sample_data/maps`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = ["matrix", "smollm2-135m", "gemma3-270m", "--curve"]
HEAD = """# Findings: architectures × tasks

SmolLM2-135M-Instruct and Gemma-3-270M on the four built-in tasks, 32 samples each, as `domlora matrix` reports them
(made by `python docs/make_findings.py`). Intervals are over the samples, for these two models and four tasks; both are
far below the 8B models of the paper (arXiv 2605.06183), so nothing here says what holds there.

- *could lead*: modules that may be the true winner at 95 %, given how the samples scatter.
- *same in resamples*: how often both maps have the same winner when their samples are drawn anew, with its interval.
- The last table draws n of the 32 samples with replacement; agreement near n = 32 is somewhat too good, since a module
  that leads by chance among these 32 counts as the true winner.

"""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "DOMLORA_HOME": home}
        command = [sys.executable, "-m", "domlora.cli", *COMMAND]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, encoding="utf-8")
    text = f"{HEAD}```\n$ domlora {' '.join(COMMAND)}\n{done.stdout.rstrip()}\n```\n"
    (Path(__file__).parent / "findings.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
