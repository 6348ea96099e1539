"""What the facts of a search's runs are called: names, and nothing else."""

from __future__ import annotations

FIND = "find"  # of a race: what was asked, who starts, at which pace, by which maps
PLAN = "plan"  # what was planned
CANDIDATES = "candidates"  # who takes part, and why
RUNGS = "rungs"  # what each rung decided
FINAL = "final"  # the run of its finals, their settings, and who is the control
SPENT = "spent"  # seconds that it took so far
SEARCH = "search"  # of the comparison of finalists: the race's run, and what was asked
