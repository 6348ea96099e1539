"""The report of a search. In: an `Answer` and the comparison of its finalists. Out: a `Part`. No torch."""

from __future__ import annotations

import math

from domlora.colours import COLOURS, colours
from domlora.comparison.names import names_of
from domlora.comparison.result import Comparison
from domlora.export.command import compare_commands, shell
from domlora.placements.words import short_name
from domlora.report import contests
from domlora.report.comparison import made, result, warnings
from domlora.report.facts import of_run, of_settings, placements_table
from domlora.report.parts import Chart, Code, Note, Part, Section, Table, facts
from domlora.search.answer import Answer
from domlora.search.config import OWN, TRAINING, FindConfig
from domlora.search.facts import FIND
from domlora.search.standings import points
from domlora.wording import count

LEADERS = 5  # placements that the chart of a race names while there are no finalists


def search_part(answer: Answer, judged: Comparison | None) -> Part:
    """Everything that a reader needs to know of a search, and to make it again.

    Args:
        judged: the comparison of its finalists with the answer as the baseline; None while nobody was judged.
    """
    race = answer.race
    sections = [Section("The race", _race(answer))]
    if judged is not None:
        sections.append(Section("The finalists, from fresh starts", result(judged)))
    if answer.placement is not None and answer.final is not None:
        rate = "" if answer.learning_rate is None else f" Train it at a learning rate of {answer.learning_rate:g}."
        words = f"{answer.placement.trainable_parameters:,} trainable parameters.{rate}"
        code = Code(answer.placement.snippet(dropout=answer.final.run.config.dropout))
        sections.append(Section("What to adapt", (Note(words), code)))
    config = FindConfig.model_validate(race.facts[FIND]["config"])
    settings = of_settings(config, *OWN) | of_settings(config.training, *TRAINING)
    sections += [
        Section("The placements of the race", (placements_table(race.placements),)),
        Section("Make it again", (Code(shell(compare_commands(race))),)),
        Section("Settings and provenance", (facts(settings), facts(of_run(race)))),
    ]
    told = warnings(race, None)
    if answer.final is not None:
        told = tuple(dict.fromkeys((*told, *warnings(answer.final.run, None))))
    return Part(
        id=answer.id, kind="Search", title=f"{race.model} on {race.task}", made=made(race), lead=answer.headline,
        told=answer.told, warnings=told, sections=sections,
    )  # fmt: skip


def _race(answer: Answer) -> list[Chart | Table | Note]:
    blocks: list[Chart | Table | Note] = []
    if answer.rungs:
        title = f"{count(len(answer.rungs), 'rung')} of the race: validation loss at the end of each"
        said = "A cross: it fell out. Losses above the base model's lie at the upper edge; hovering says them."
        blocks.append(Chart(title, contests.race(points(answer.race, answer.rungs), _palette(answer)), said))
    rows = [
        [
            str(place), short_name(row["placement"]), f"{row['loss']:.3f}" if math.isfinite(row["loss"]) else "",
            str(row["step"] or ""), f"{row['learning_rate']:g}" if math.isfinite(row["learning_rate"]) else "",
            f"{row['parameters']:,}", row["status"], row["why"],
        ]
        for place, row in enumerate(answer.table.to_dict("records"), 1)
    ]  # fmt: skip
    head = ("", "placement", "validation loss", "step", "rate", "parameters", "status", "proposed as")
    blocks.append(Table(head, rows, words=(1, 6, 7)))
    blocks += [Note(f"Takes no part: {name}: {why}.") for name, why in answer.race.facts[FIND]["left_out"].items()]
    return blocks


def _palette(answer: Answer) -> dict[str, str]:
    """The placements that the chart names: finalists in the colours of their comparison, else who leads."""
    raced = [short_name(name) for name in answer.table["placement"]]
    if answer.final is not None:
        return {name: colour for name, colour in colours(names_of(answer.final.run)).items() if name in raced}
    return dict(zip(raced[:LEADERS], COLOURS, strict=False))
