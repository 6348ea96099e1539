"""How far work is in words, and how long it still takes by how fast it went lately."""

import pytest

from domlora.progress import FETCHING, Pace, in_words, share


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def seen(*points, total=1000):
    """A pace that saw (second, done)."""
    clock = Clock()
    pace = Pace(clock)
    for clock.now, done in points:
        pace.saw(done, total)
    return pace


def test_time_left_is_that_of_the_recent_rate_not_of_the_whole():
    slow_then_fast = [(float(t), t) for t in range(100)] + [(100.0 + t, 100 + 10 * t) for t in range(41)]
    pace = seen(*slow_then_fast)
    assert pace.rate == pytest.approx(10, rel=0.02)
    assert pace.left == pytest.approx((1000 - 500) / 10, rel=0.02)


@pytest.mark.parametrize(
    "points", [[], [(0.0, 5)], [(0.0, 5), (1.0, 90)], [(0.0, 5), (60.0, 5)], [(0.0, 5), (60.0, 1000)]]
)
def test_no_time_left_is_told_of_too_little_or_of_what_is_done(points):
    assert seen(*points).left is None


def test_other_work_begins_anew():
    clock = Clock()
    pace = Pace(clock)
    for clock.now, done, total in [(0, 0, 10), (9, 9, 10), (10, 0, 500), (11, 1, 500)]:
        pace.saw(done, total)
    assert pace.rate is None
    clock.now = 20
    pace.saw(10, 500)
    assert pace.rate == 1.0


def test_many_reports_are_not_all_kept():
    pace = seen(*((i / 1000, i) for i in range(60_000)), total=60_000)
    assert len(pace._seen) <= 70
    assert pace.rate == pytest.approx(1000, rel=0.01)


def test_words_count_megabytes_only_where_megabytes_are_counted():
    loading = seen((0.0, 0), (10.0, 34), total=93)
    assert in_words(FETCHING, 34, 93, loading) == "fetching the model: 34 of 93 MB, 3.4 MB/s"
    assert in_words(FETCHING, 34, 0) == "fetching the model: 34 MB"
    assert in_words("training", 64, 480) == "training: 13 %"
    assert in_words("loading the model", 0, 0) == "loading the model"
    assert in_words("", 0, 0) == "starting"


def test_all_is_done_only_when_all_is_done():
    assert (share(999, 1000), share(1000, 1000)) == ("99 %", "100 %")
