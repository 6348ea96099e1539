"""Whether what a form asks for is in the store already, and the way to it: nothing is fetched or computed for it then.

In: what is asked for. Out: the newest map or comparison that answers it. Models are compared by where they came from,
and by their files where these are on this machine.
"""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.shared import queries
from dashboard.shared.subject import Subject
from dashboard.shared.task_facts import task_hash
from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.errors import DomLoRAError
from domlora.models.fetch import localise
from domlora.models.origin import ModelOrigin
from domlora.models.reference import resolve
from domlora.paths import home
from domlora.probes.config import ProbeConfig


def of_probe(subject: Subject, config: ProbeConfig) -> queries.MapRow | None:
    """The newest map of exactly this probe, None where there is none."""
    wanted = None if subject.problems else task_hash(subject.task)
    asked = (subject.name, subject.task_name, config.probe, config.estimator, config.reduction)
    for row in queries.map_rows() if wanted else ():
        listed = (row.model, row.task, row.probe, row.estimator, row.reduction)
        if listed != asked or row.samples > config.samples:
            continue  # whole maps are read only where the list does not rule them out
        p = queries.energy(row.id).provenance
        if p.task_hash == wanted and p.config == config and _is_model(p.model_origin, p.model_revision, subject):
            return row
    return None


def of_sweep(subject: Subject, probe: ProbeConfig, config: SweepConfig) -> Run | None:
    """The newest finished comparison of exactly these settings, None where there is none."""
    wanted = None if subject.problems else task_hash(subject.task)
    for run in queries.run_rows() if wanted else ():
        same = (run.model, run.task_hash, run.config, run.status) == (subject.name, wanted, config, "done")
        if same and _is_model(run.model_origin, run.model_revision, subject) and _placed_by(run) == probe:
            return run
    return None


def say(what: str, when: datetime | str, page: str, address: dict[str, str]) -> None:
    """The line that says since when it is known, and leads there."""
    day = when if isinstance(when, datetime) else datetime.fromisoformat(when)
    st.page_link(
        page, label=f"{what} on {day.day} {day:%B %Y}: open it", icon=":material/check_circle:", query_params=address
    )


def _placed_by(run: Run) -> ProbeConfig | None:
    """How the map was measured that a comparison's placements were chosen by; None where it is gone."""
    try:
        return queries.energy(str(run.facts.get("energy_map"))).provenance.config
    except DomLoRAError:
        return None


def _is_model(origin: ModelOrigin | None, revision: str, subject: Subject) -> bool:
    """Whether something was measured of this very model."""
    if origin is None or origin.named_again != _place(subject):
        return False
    if subject.revision and subject.revision not in (revision, origin.revision):
        return False
    here = _revision(subject.model, subject.revision, str(home()))
    return here is None or here == revision


def _place(subject: Subject) -> str:
    ref = resolve(subject.model, subject.revision)
    if ref.kind == "gguf":
        return str(ref.path.absolute())
    return str(ref.path.resolve()) if ref.kind == "folder" else ref.source


@st.cache_data(ttl=60, show_spinner=False)
def _revision(model: str, revision: str | None, where: str) -> str | None:
    """That of the files on this machine; None where there are none, or they cannot be read."""
    try:
        return localise(resolve(model, revision), fetch=False).revision
    except DomLoRAError:
        return None
