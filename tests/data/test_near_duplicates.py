"""Nearly equal samples are found, all of them, and nothing else is."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from domlora.data.near_duplicates import NEAR, near_duplicates, word_pairs
from domlora.data.samples import Message, Sample

WORDS = [f"{a}{b}" for a in ("fox", "dog", "hen", "cow", "owl", "bee", "ant") for b in "abcdefghijklmnopqrst"]


def said(question, answer="yes", system=None):
    before = (Message("system", system),) if system is not None else ()
    return Sample((*before, Message("user", question), Message("assistant", answer)))


def random_text(draw, length=60):
    return " ".join(draw.choices(WORDS, k=length))


def changed(draw, text, count):
    """The text with so many words exchanged."""
    words = text.split()
    for place in draw.sample(range(len(words)), count):
        words[place] = "other"
    return " ".join(words)


def by_hand(samples, others):
    """Numbers of the samples that have a near-duplicate, by comparing each with each."""

    def near(one, other):
        return len(one & other) >= NEAR * len(one | other)

    theirs = [word_pairs(other) for other in others]
    return [i for i, one in enumerate(map(word_pairs, samples)) if any(near(one, other) for other in theirs)]


@pytest.mark.parametrize("seed", range(3))
def test_all_pairs_that_comparing_each_with_each_finds_are_found(seed):
    draw = random.Random(seed)
    texts = [random_text(draw) for _ in range(40)]
    others = [said(changed(draw, texts[i % 40], draw.randrange(8))) for i in range(30)]
    others += [said(random_text(draw)) for _ in range(100)]
    samples = [said(text) for text in texts]
    found = near_duplicates(samples, others)
    assert [match.one for match in found] == by_hand(samples, others) and 3 < len(found) < 30
    for match in found:
        one, other = word_pairs(samples[match.one]), word_pairs(others[match.other])
        assert match.jaccard == pytest.approx(len(one & other) / len(one | other)) and match.jaccard >= NEAR


def test_the_answer_is_the_same_in_each_process():
    code = (
        "from domlora.data.near_duplicates import near_duplicates; from domlora.data.samples import Message, Sample\n"
        "texts = [' '.join(f'w{i * k % 97}' for k in range(1, 60)) for i in range(1, 21)]\n"
        "rows = [[Sample((Message('user', text + end),)) for text in texts] for end in ('', ' so', ' there')]\n"
        "print(near_duplicates(rows[0], rows[2] + rows[1]))"
    )
    said_by = set()
    for seed in ("1", "2"):
        command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8", env=environment)
        said_by.add(done.stdout)
    assert len(said_by) == 1 and said_by.pop().count("Match") == 20


def test_marks_and_case_make_no_difference():
    assert near_duplicates([said("What does the quick fox say?")], [said("what does the QUICK fox say", "Yes!")])


def test_an_instruction_before_every_question_does_not_make_rows_alike():
    draw = random.Random(1)
    before = random_text(draw, 200)
    samples = [said(f"{before} {random_text(draw, 12)}") for _ in range(20)]
    others = [said(f"{before} {random_text(draw, 12)}") for _ in range(50)]
    assert near_duplicates(samples, others) == []
    assert [match.one for match in near_duplicates(samples, [*others, samples[7]])] == [7]


def test_a_common_system_text_does_not_make_rows_alike():
    draw = random.Random(2)
    system = random_text(draw, 200)
    one, other = (said(random_text(draw, 12), system=system) for _ in range(2))
    assert near_duplicates([one], [other]) == []


def test_scripts_without_spaces_are_compared_character_by_character():
    text = "我们去动物园看一只很大的狐狸和一只小狗,然后回家吃饭并且睡觉"
    one, near, far = (
        said(said_so, "好的") for said_so in (text, text.replace("大", "小"), "今天的天气非常好所以大家都出门散步")
    )
    assert near_duplicates([one], [near]) and not near_duplicates([one], [far])


def test_samples_of_few_words_or_none_are_compared_whole():
    assert near_duplicates([said("Fox?", "dog")], [said("fox", "Dog!")])
    assert near_duplicates([said("Fox?", "dog")], [said("fox", "hen")]) == []
    assert near_duplicates([said("?", "!")], [said("?", "!")]) == [], "no word, nothing to compare"


def test_nothing_held_out_or_nothing_to_compare_with_has_no_pairs():
    assert near_duplicates([], [said("a b c")]) == [] == near_duplicates([said("a b c")], [])
