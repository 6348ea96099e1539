"""Executes one request: the same function for the command line, a local worker and a cluster.

Whatever is cheap and can fail comes first, and torch is imported only if the store does not have the answer.
"""

from __future__ import annotations

from domlora.fetch import localise
from domlora.jobs.spec import ProbeRequest, Progress
from domlora.models import resolve
from domlora.request import request_key
from domlora.store import Store
from domlora.tasks import load_task


def run_probe(request: ProbeRequest, store: Store, progress: Progress) -> str:
    """Answers a probe request from the store, or measures and stores it.

    Returns:
        The id of the energy map.

    Raises:
        DomLoRAError: whatever a user can mend.
    """
    progress("reading the task", 0, 0)
    task = load_task(request.task)
    task.draw(request.config.samples, request.config.seed, request.config.split)
    progress("fetching the model", 0, 0)
    local = localise(resolve(request.model, request.revision))
    known = store.find(request_key(local.revision, task.content_hash, request.config))
    if known is not None and not request.refresh:
        return known.id

    from domlora.loading import load_local
    from domlora.probing import probe

    progress("loading the model", 0, 0)
    model = load_local(local, dtype=request.config.dtype, device=request.device)
    energy = probe(model, task, request.config, progress=lambda done, total: progress("probing", done, total))
    return store.add_map(energy)
