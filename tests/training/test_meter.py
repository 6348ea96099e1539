"""Progress is said once a step, and within one only where it takes long."""

from domlora.training import meter
from domlora.training.meter import Meter


def test_a_part_of_a_step_is_counted_and_not_said():
    heard = []
    one = Meter(10, lambda *what: heard.append(what))
    one.within("training", 3)
    one.within("training", 3)
    assert heard == [] and one.done == 6
    one.add("training", 0)
    assert heard == [("training", 6, 10)]


def test_a_part_of_a_long_step_is_said(monkeypatch):
    heard, now = [], [100.0]
    monkeypatch.setattr(meter.time, "monotonic", lambda: now[0])
    one = Meter(10, lambda *what: heard.append(what), said=now[0])
    now[0] += meter.WITHIN_SECONDS + 1
    one.within("training", 3)
    assert heard == [("training", 3, 10)]
    now[0] += 1
    one.within("training", 30)
    assert len(heard) == 1 and one.done == 10, "not again at once, and never beyond the whole"
