"""The winner of each cell of a matrix, how sure it is, and whether cells share it; in a table and in a sentence."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from domlora.matrix.matrix import Matrix
from domlora.matrix.resampling import sources
from domlora.statistics import intervals
from domlora.wording import in_percent, listed

WINNER_COLUMNS = (
    "model", "task", "module", "stack", "layer", "kind", "depth", "share", "low", "high", "frequency", "could_lead",
    "runner_up", "runner_up_share", "lead", "effective_modules", "modules", "level",
)  # fmt: skip


def winners(matrix: Matrix) -> pd.DataFrame:
    """The winner of each measured cell.

    Returns:
        Columns model, task, module, stack, layer, kind, depth (of the winner), share with its 95 % interval `low`
        and `high`, `frequency` (in how many resamples it wins), could_lead (how many modules may be the true winner
        at 95 %, see `Matrix.could_lead`), runner_up, runner_up_share, lead (energy over that
        of the runner-up), effective_modules, modules, level. NaN where a map keeps nothing of single samples.
    """
    rows = []
    for model, task, energy in matrix.present:
        order, columns, bootstrap = matrix.order(model, task), matrix.columns(model, task), energy.bootstrap
        best, second = order[0], order[1] if len(order) > 1 else None
        score = energy.modules["energy"].to_numpy(dtype=float)
        better, worse = score[best], np.nan if second is None else score[second]
        if energy.probe.prefers == "low":
            better, worse = worse, better
        rows.append(
            {
                "model": model,
                "task": task,
                "module": columns.module[best],
                "stack": columns.stack[best],
                "layer": int(columns.layer[best]),
                "kind": columns.kind[best],
                "depth": columns.depth[best],
                "share": energy.shares[best],
                "low": np.nan if bootstrap is None else bootstrap.low[best],
                "high": np.nan if bootstrap is None else bootstrap.high[best],
                "frequency": np.nan if bootstrap is None else bootstrap.winner_frequency[best],
                "could_lead": len(matrix.could_lead(model, task)),
                "runner_up": None if second is None else columns.module[second],
                "runner_up_share": np.nan if second is None else energy.shares[second],
                "lead": better / worse if worse > 0 else np.inf,
                "effective_modules": energy.effective_modules,
                "modules": len(order),
                "level": energy.level,
            }
        )
    return pd.DataFrame(rows, columns=list(WINNER_COLUMNS))


def winner_sentence(matrix: Matrix, model: str) -> str:
    """Which module leads on how many tasks, and how sure it is that one module leads on all of them."""
    best = {task: matrix.winner(model, task) for name, task, _ in matrix.present if name == model}
    if not best:
        return f"{model}: not measured on any of these tasks."
    leads = Counter(best.values())
    module, count = leads.most_common(1)[0]
    if len(best) == 1:
        return f"{model}: {module} leads on {next(iter(best))}, the one task measured."
    if count == 1:
        said = f"{model}: another module leads on each of {len(best)} tasks"
    elif count == len(best):
        said = f"{model}: {module} leads on {'both' if count == 2 else f'all {count}'} tasks"
    else:
        others = [f"{name} on {listed([t for t in best if best[t] == name])}" for name in leads if name != module]
        said = f"{model}: {module} leads on {count} of {len(best)} tasks ({', '.join(others)})"
    agreed = same_winner(matrix, model)
    if agreed is None:
        return said + "; how sure that is cannot be said, as its maps keep no single samples."
    return said + f"; one and the same module leads on all of them in {in_percent(agreed)} of resamples."


def same_winner(matrix: Matrix, model: str) -> intervals.Estimate | None:
    """How often, over resamples of every task's rows, one module leads on all measured tasks of a model."""
    names, drawn = [], []
    for _, task, _ in (cell for cell in matrix.present if cell[0] == model):
        draws = matrix.draws(model, task)
        if draws is None:
            return None
        names.append(matrix.columns(model, task).module[draws.scores.argmax(axis=1)])
        drawn.append(draws)
    if not names:
        return None
    return intervals.probability((np.stack(names) == names[0]).all(axis=0), sources(drawn))
