"""Plotly figures of a comparison, from tables. Pure functions: no Streamlit, no store, no torch.

In: tables of a run and of its `Comparison`. Out: figures that keep their zoom while they grow (`uirevision`), that show
the same colour for the same contestant everywhere, and that can be read without colour: a contestant also has a symbol,
a learning rate a dash pattern.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.compare.tables import GROUPS
from dashboard.shared import words
from dashboard.shared.contestants import LOSS, colours, finish_compared, symbols
from dashboard.shared.figures import ACCENT, COLOURS, DASHES, error_bars

METRICS = {
    "eval_loss": "validation loss",
    "train_loss": "training loss",
    "eval_accuracy": "validation token accuracy",
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
}
UNITS = {
    "eval_loss": "nats per response token",
    "train_loss": "nats per response token",
    "eval_accuracy": "fraction of response tokens",
    "learning_rate": "size of a step",
    "grad_norm": "before clipping",
}
HIGHER_IS_BETTER = ("eval_accuracy",)
LEADER = {"line": {"color": ACCENT, "width": 3}}  # the ring around the best
FAR = 3  # times the distance of the best from the middle: what is farther off than that is not drawn to scale


def smooth(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average without the pull to zero of its first steps.

    Args:
        values: (steps,).
        weight: of the past, 0 for none, below 1.
    """
    out, mean, mass = np.empty(len(values)), 0.0, 0.0
    for i, value in enumerate(values):
        mean = weight * mean + (1 - weight) * value
        mass = weight * mass + (1 - weight)
        out[i] = mean / mass
    return out


def curves(
    metrics: pd.DataFrame, variants: pd.DataFrame, order: Sequence[str], metric: str, *,
    group: str = "contestant and rate", smoothing: float = 0.0, log: bool = False, steps: int | None = None,
    ranked: bool = True, revision: str = "",
) -> go.Figure:  # fmt: skip
    """One line a group of variants with the range of its members as a band.

    A variant that diverged or was cancelled is a thin line of its own that ends in a cross: a mean that loses a
    member would jump.

    Args:
        metrics: columns variant, step, name, value.
        variants: those to draw, a table of `dashboard.compare.tables.variant_table`; with a column `run` where they are
            of several: a line is then of one run, and its dash says which.
        order: all contestants of the runs in order; it fixes the colours.
        group: a key of `GROUPS`.
        steps: of the whole run, where the axis shall not grow with the curves.
        ranked: whether values of different lines may be compared, so that the title may name the best.
        revision: the zoom is kept as long as this stays.
    """
    figure = go.Figure()
    points = metrics[(metrics["name"] == metric) & np.isfinite(metrics["value"])]
    points = points.merge(variants, on="variant").sort_values(["variant", "step"])
    columns = ["run"] * ("run" in variants) + list(GROUPS[group])
    values = variants[columns].drop_duplicates() if columns else pd.DataFrame()
    palette = colours(order)
    dashed = "run" if "run" in variants else "learning_rate"  # what a line's dash tells apart
    dashes = list(variants["run"].unique()) if dashed == "run" else sorted(variants["learning_rate"].unique())
    ends: list[tuple[str, float, int]] = []
    for i, row in enumerate(values.itertuples(index=False)):
        fixed = dict(zip(columns, row, strict=True))
        mask = pd.Series(True, index=points.index)
        for column, value in fixed.items():
            mask &= points[column] == value
        members = points[mask]
        if members.empty:
            continue
        own_colour = "contestant" in fixed or "placement" in fixed
        colour = palette[str(members["contestant"].iloc[0])] if own_colour else COLOURS[i % len(COLOURS)]
        dash = DASHES[dashes.index(fixed[dashed]) % len(DASHES)] if dashed in fixed else "solid"
        label = _label(fixed)
        ended = members["status"].isin(["diverged", "cancelled"])
        for i_lost, (_, lost) in enumerate(members[ended].groupby("variant", sort=False)):
            _lost_line(figure, lost, smoothing, colour, dash, f"{label}: stopped early", i_lost == 0)
        at, middle, low, high, count = _mean(members[~ended], smoothing)
        if not len(at):
            continue
        ends.append((label, float(middle[-1]), int(at[-1])))
        _band(figure, at, low, high, colour, label, count)
        figure.add_scatter(
            x=at, y=middle, mode="lines" if len(at) > 1 else "markers", name=label, legendgroup=label,
            line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour},
            customdata=np.stack([low, high], axis=1),
            hovertemplate="%{y:.4g}" + (" (%{customdata[0]:.4g} to %{customdata[1]:.4g})" if count > 1 else ""),
        )  # fmt: skip
    figure.update_xaxes(title="optimizer step", rangemode="tozero", hoverformat="d", unifiedhovertitle_text="step %{x}")
    figure.update_yaxes(title=f"{METRICS[metric]} ({UNITS[metric]}{', log' if log else ''})")
    if steps is not None:
        figure.update_xaxes(range=[-0.01 * steps, 1.01 * steps])
    if log:
        figure.update_yaxes(type="log", dtick=_log_tick(points["value"]))
    figure.update_layout(hovermode="x unified", hoverlabel={"namelength": -1})
    title = _curve_title(metric, ends) if ranked else f"{METRICS[metric].capitalize()} of several runs over the steps"
    return finish_compared(figure, title, 400, revision=f"{revision}-{metric}-{log}-{steps}")


def _mean(members: pd.DataFrame, smoothing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Steps that every started member has reached, with mean, least, largest and the number of members."""
    if members.empty:
        empty = np.empty(0)
        return empty, empty, empty, empty, 0
    wide = members.pivot_table(index="step", columns="variant", values="value").dropna()
    table = np.column_stack([smooth(wide[name].to_numpy(), smoothing) for name in wide])  # (steps, members)
    return wide.index.to_numpy(), table.mean(axis=1), table.min(axis=1), table.max(axis=1), table.shape[1]


def _band(
    figure: go.Figure, steps: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, label: str, count: int
) -> None:  # fmt: skip
    """The range of a group's members, where it has several."""
    if count < 2 or len(steps) < 2:
        return
    figure.add_scatter(
        x=np.concatenate([steps, steps[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself",
        fillcolor=_faint(colour, 0.16), line={"width": 0}, hoverinfo="skip", showlegend=False, legendgroup=label,
        mode="lines",
    )  # fmt: skip


def _lost_line(
    figure: go.Figure, lost: pd.DataFrame, smoothing: float, colour: str, dash: str, group: str, first: bool
) -> None:  # fmt: skip
    """A variant that ended early; the legend has one entry for all of a group."""
    x, y = lost["step"].to_numpy(), smooth(lost["value"].to_numpy(), smoothing)
    said = f"{lost['status'].iloc[0]}, lr={lost['learning_rate'].iloc[0]:g}, seed {lost['seed'].iloc[0]}"
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name=group, legendgroup=group, showlegend=first, opacity=0.8,
        line={"color": colour, "width": 1, "dash": dash}, text=[said] * len(x),
        marker={"color": colour, "symbol": "x", "size": [0] * (len(x) - 1) + [10]},
        hovertemplate="%{y:.4g} (%{text})",
    )  # fmt: skip


def _curve_title(metric: str, ends: list[tuple[str, float, int]]) -> str:
    name = METRICS[metric].capitalize()
    if not ends:
        return f"{name}: no point yet"
    if metric not in ("train_loss", "eval_loss", "eval_accuracy"):
        return f"{name} over the steps"
    last = max(step for *_, step in ends)
    if last == 0:
        return f"{name} before training; the next evaluation is yet to come"
    reached = [(label, value) for label, value, step in ends if step == last]
    best = max if metric in HIGHER_IS_BETTER else min
    label, value = best(reached, key=lambda pair: pair[1])
    word = "highest" if metric in HIGHER_IS_BETTER else "lowest"
    return f"{name} at step {last}: {label} is {word} ({value:.3f})"


def _label(fixed: Mapping[str, object]) -> str:
    parts = [
        f"lr={value:g}" if name == "learning_rate" else f"seed {value}" if name == "seed" else str(value)
        for name, value in fixed.items()
    ]
    return ", ".join(parts)


def pareto(
    table: pd.DataFrame, order: Sequence[str], *, reference: float | None = None, part: str = "test",
    revision: str = "",
) -> go.Figure:  # fmt: skip
    """Final loss against trainable parameters, with intervals and the front of what nothing beats in both.

    Args:
        table: one row a contestant: contestant, trainable_parameters, loss, low, high (NaN: no interval),
            learning_rate, seeds, on_front.
        reference: the loss of the base model without any adapter.
    """
    figure = go.Figure()
    palette, marks = colours(order), symbols(order)
    table = table[np.isfinite(table["loss"].astype(float))]
    front = table[table["on_front"].astype(bool)].sort_values("trainable_parameters")
    if len(front) > 1:
        figure.add_scatter(
            x=front["trainable_parameters"], y=front["loss"], mode="lines", name="Pareto front", hoverinfo="skip",
            line={"color": "grey", "dash": "dot", "shape": "hv"},
        )  # fmt: skip
    best = table["loss"].astype(float).min()
    for row in table.itertuples():
        interval = np.isfinite(row.low) and np.isfinite(row.high)
        span = f"<br>95 % interval {row.low:.3f} to {row.high:.3f}" if interval else "<br>one seed: no interval"
        error = (
            error_bars([max(0.0, row.high - row.loss)], [max(0.0, row.loss - row.low)], thickness=1.4, width=5)
            if interval
            else None
        )
        figure.add_scatter(
            x=[row.trainable_parameters], y=[row.loss], mode="markers", name=row.contestant, error_y=error,
            marker={"color": palette[row.contestant], "symbol": marks[row.contestant], "size": 12,
                    **(LEADER if row.loss == best else {})},
            hovertemplate=f"<b>{row.contestant}</b><br>loss {row.loss:.3f}{span}"
                          f"<br>{row.trainable_parameters:,} trainable parameters<br>"
                          f"learning rate {row.learning_rate:g}, {words.count(row.seeds, 'seed')}<extra></extra>",
        )  # fmt: skip
    if reference is not None:
        figure.add_hline(
            y=reference, line={"color": "grey", "width": 1}, annotation_text=f"no adapter {reference:.3f}",
            annotation_position="top right", annotation_font_size=11,
        )  # fmt: skip
    figure.update_xaxes(
        title="trainable parameters (log)", type="log", tickformat="~s",
        dtick=_log_tick(table["trainable_parameters"]),
    )  # fmt: skip
    figure.update_yaxes(title=f"{part} {LOSS}")
    return finish_compared(figure, _pareto_title(table, front), 340, revision=revision)


def _pareto_title(table: pd.DataFrame, front: pd.DataFrame) -> str:
    if table.empty:
        return "Nothing has been measured to the end yet"
    best = table.loc[table["loss"].astype(float).idxmin()]
    small = table.loc[table["trainable_parameters"].astype(int).idxmin()]
    if len(table) == 1:
        return f"{best['contestant']}: loss {best['loss']:.3f} with {best['trainable_parameters']:,} parameters"
    if len(front) > 1 and best["contestant"] != small["contestant"]:
        factor = best["trainable_parameters"] / small["trainable_parameters"]
        return f"{best['contestant']} has the lowest loss, with {factor:,.0f} times the fewest parameters"
    return f"{best['contestant']} has the lowest loss ({best['loss']:.3f}) and no more parameters than the others"


def sensitivity(table: pd.DataFrame, order: Sequence[str], *, revision: str = "") -> go.Figure:
    """Loss of each contestant against its learning rate: who is hurt by a badly chosen one.

    Args:
        table: one row a contestant and rate: contestant, learning_rate, validation loss, low, high (least and largest
            seed), diverged (number of seeds); loss is NaN where no seed finished.
    """
    figure = go.Figure()
    palette, marks = colours(order), symbols(order)
    finite = table[np.isfinite(table["loss"])]
    top = float(finite["high"].fillna(finite["loss"]).max()) if len(finite) else 1.0
    lowest, edge = near_the_best(finite["loss"].to_numpy(dtype=float))
    if top - lowest > FAR * (edge - lowest):  # else a rate far too high leaves no room for those that matter
        beyond, pad = int((finite["loss"] > edge).sum()), 0.06 * (edge - lowest)
        figure.update_yaxes(range=[lowest - pad, edge + pad])
        figure.add_annotation(
            text=f"{beyond} {'loss lies' if beyond == 1 else 'losses lie'} above, up to {top:.3g}", showarrow=False,
            xref="paper", yref="paper", x=1, y=1, xanchor="right", yanchor="bottom",
        )  # fmt: skip
        top = edge
    for name in [name for name in order if name in set(table["contestant"])]:
        rows = table[table["contestant"] == name].sort_values("learning_rate")
        good = rows[np.isfinite(rows["loss"])]
        text = [
            f"{row.loss:.3f}" + (f", diverged seeds: {row.diverged}" if row.diverged else "")
            for row in good.itertuples()
        ]
        above, below = (good["high"] - good["loss"]).fillna(0), (good["loss"] - good["low"]).fillna(0)
        figure.add_scatter(
            x=good["learning_rate"], y=good["loss"], error_y=error_bars(above, below, thickness=1.2),
            mode="lines+markers", name=name, hovertext=text, legendgroup=name,
            line={"color": palette[name], "width": 2}, hovertemplate="%{hovertext}",
            marker={"color": palette[name], "symbol": marks[name], "size": 9, "line": {
                "color": LEADER["line"]["color"], "width": [2 if row.chosen else 0 for row in good.itertuples()],
            }},
        )  # fmt: skip
        bad = rows[~np.isfinite(rows["loss"]) & (rows["diverged"] > 0)]
        if len(bad):
            figure.add_scatter(
                x=bad["learning_rate"], y=[top] * len(bad), mode="markers", name=f"{name}, all diverged",
                marker={"color": palette[name], "symbol": "x", "size": 11}, hovertemplate="no loss",
            )  # fmt: skip
    rates = sorted(table["learning_rate"].unique())
    figure.update_xaxes(title="learning rate (log)", type="log", tickvals=rates, ticktext=[f"{r:g}" for r in rates])
    figure.update_yaxes(title=f"validation {LOSS}")
    figure.update_layout(hovermode="x unified", hoverlabel={"namelength": -1})
    return finish_compared(figure, _sensitivity_title(finite, rates), 400, revision=revision)


def near_the_best(losses: np.ndarray) -> tuple[float, float]:
    """The lowest loss, and the highest that is at most `FAR` times as far above the median as the lowest is below."""
    if not len(losses):
        return 0.0, 1.0
    lowest, median = float(losses.min()), float(np.median(losses))
    near = losses[losses <= median + FAR * (median - lowest)]
    return lowest, float(near.max())


def _sensitivity_title(finite: pd.DataFrame, rates: Sequence[float]) -> str:
    if len(rates) < 2:
        return "One learning rate only: name several to see how much it matters"
    if finite.empty:
        return "How much does the learning rate matter? No variant has finished yet"
    best = finite.loc[finite.groupby("contestant")["loss"].idxmin()]
    edge = best[best["learning_rate"].isin([rates[0], rates[-1]])]
    if len(edge):
        some = ", ".join(edge["contestant"][:3]) + (" and others" if len(edge) > 3 else "")
        return f"Best rate at the edge of the range for {some}: try further rates"
    return "Each contestant has its best rate inside the range"


def forgetting(table: pd.DataFrame, order: Sequence[str], *, revision: str = "") -> go.Figure:
    """Change of loss on the tasks that were not trained.

    Args:
        table: contestant, task, change (mean over seeds), low, high (95 % interval).
    """
    figure = go.Figure()
    palette = colours(order)
    patterns = ("", "/", "\\", "x", "-", "|", "+", ".")
    for i, name in enumerate(name for name in order if name in set(table["contestant"])):
        rows = table[table["contestant"] == name]
        error = error_bars(rows["high"] - rows["change"], rows["change"] - rows["low"], thickness=1.2, color="grey")
        figure.add_bar(
            x=rows["task"], y=rows["change"], name=name, error_y=error,
            marker={"color": palette[name], "pattern": {"shape": patterns[i % len(patterns)], "solidity": 0.2,
                                                        "fillmode": "overlay"}},
            hovertemplate=f"<b>{name}</b> on %{{x}}<br>loss changes by %{{y:+.3f}}<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": "grey", "width": 1})
    figure.update_xaxes(title="task that was not trained", type="category")
    figure.update_yaxes(title="change of loss (nats; above 0: forgotten)")
    if table.empty:
        title = "Forgetting was not measured"
    else:
        mean = table.groupby("contestant")["change"].mean()
        title = (
            "Nobody forgets: no mean loss on the other tasks rises"
            if mean.max() <= 0
            else (f"{mean.idxmax()} changes the other tasks' loss most upward ({mean.max():+.3f} on average)")
        )
    figure.update_layout(barmode="group", bargap=0.25)
    return finish_compared(figure, title, 380, revision=revision)


def _log_tick(values: pd.Series) -> str | int | None:
    """Between the ticks of a log axis: so that two at least are labelled, over however narrow a range."""
    values = values[values > 0]
    decades = math.log10(values.max() / values.min()) if len(values) else 0.0
    return 1 if decades >= 3 else "D2" if decades >= 1 else None  # Plotly itself then counts in equal steps


def _faint(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
