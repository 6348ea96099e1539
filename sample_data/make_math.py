"""Writes tasks/parts/math.jsonl: word problems with worked solutions, from a fixed seed.

Comes in: nothing. Goes out: one JSON row a line. Imports the standard library only.
An example row (the file has no line breaks inside a row):

    {"messages": [
       {"role": "user", "content": "Pencils cost $0.40 each. How much do 5 cost, in dollars?"},
       {"role": "assistant", "content": "5 * $0.40 = $2.\\nThe answer is 2."}],
     "answer": "2"}

A family is one function: it draws numbers and a wording from the generator it is given and
returns a Problem. It computes the answer and every number in the steps in integers or exact
fractions. Answers are integers or finite decimals, so that they can be compared as text.
The file is long because it is a list of independent families.
"""

import json
import math
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

SEED = 20240607
ROWS_PER_FAMILY = 8
TARGET = Path(__file__).parent / "tasks" / "parts" / "math.jsonl"


class Person(NamedTuple):
    """A name with its pronouns, so that sentences can refer back to it."""

    name: str
    they: str
    them: str
    their: str


class Problem(NamedTuple):
    """One word problem: the prompt, the lines of reasoning, the exact answer."""

    prompt: str
    steps: list[str]
    answer: int | Fraction


Family = Callable[[random.Random], Problem]
FAMILIES: dict[str, Family] = {}

SHE = ("she", "her", "her")
HE = ("he", "him", "his")
PEOPLE = [
    *(Person(name, *SHE) for name in ("Maya", "Leila", "Ingrid", "Priya", "Sofia", "Grace", "Yuki", "Amara")),
    *(Person(name, *SHE) for name in ("Elena", "Nadia", "Ruth", "Carmen", "Freya", "Hana", "Zofia")),
    *(Person(name, *HE) for name in ("Omar", "Tomas", "Daniel", "Kofi", "Lars", "Mateo", "Ravi", "Hugo")),
    *(Person(name, *HE) for name in ("Felix", "Ahmed", "Jonas", "Pavel", "Samuel", "Chen", "Victor")),
]


def family(function: Family) -> Family:
    """Registers a problem family under its function name."""
    FAMILIES[function.__name__] = function
    return function


def dec(value: int | Fraction) -> str:
    """The exact decimal of a number: 7, 2.5, 0.125.

    Raises:
        ValueError: if the decimal expansion does not end.
    """
    value = Fraction(value)
    for digits in range(7):
        scaled = value * 10**digits
        if scaled.denominator == 1:
            sign = "-" if scaled < 0 else ""
            text = str(abs(scaled.numerator)).zfill(digits + 1)
            return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)
    raise ValueError(f"{value} has no short finite decimal")


def usd(cents: int | Fraction) -> str:
    """An amount of cents as dollars: $3, $2.50."""
    cents = Fraction(cents)
    if cents.denominator != 1:
        raise ValueError(f"{cents} is not a whole number of cents")
    whole, rest = divmod(cents.numerator, 100)
    return f"${whole}.{rest:02d}" if rest else f"${whole}"


def count(number: int | Fraction, noun: str, plural: str = "") -> str:
    """A number with its noun: 1 apple, 3 apples, 2 boxes (plural given)."""
    return f"{dec(number)} {noun if number == 1 else plural or noun + 's'}"


def clock(minutes: int) -> str:
    """Minutes after midnight on a 24-hour clock: 9:05, 14:30."""
    return f"{minutes // 60}:{minutes % 60:02d}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    last = 0 if number % 100 in (11, 12, 13) else number % 10
    return str(number) + {1: "st", 2: "nd", 3: "rd"}.get(last, "th")


def listed(numbers: list[int]) -> str:
    """4, 7 and 9."""
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def plus(numbers: list[int]) -> str:
    """4 + 7 + 9."""
    return " + ".join(map(str, numbers))


# Prices, money, percentages


@family
def unit_price(r: random.Random) -> Problem:
    thing = r.choice(["notebook", "candle", "light bulb", "ticket", "mug", "marker", "plant pot"])
    price, few, many = r.randrange(60, 480, 5), r.randint(3, 7), r.randint(8, 15)
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"A shop sells {few} {thing}s for {usd(few * price)}. At the same price for each {thing}, "
            f"how many dollars do {many} {thing}s cost?",
            f"{p.name} paid {usd(few * price)} for {few} identical {thing}s. How many dollars would "
            f"{p.they} have paid for {many} of them?",
            f"If {few} {thing}s cost {usd(few * price)}, what is the cost in dollars of {many} {thing}s?",
        ]
    )
    return Problem(
        prompt,
        [
            f"One {thing} costs {usd(few * price)} / {few} = {usd(price)}.",
            f"So {many} {thing}s cost {many} * {usd(price)} = {usd(many * price)}.",
        ],
        Fraction(many * price, 100),
    )


@family
def money_change(r: random.Random) -> Problem:
    (one, a), (two, b) = r.sample(
        [
            ("sandwich/sandwiches", 425),
            ("apple/apples", 65),
            ("juice/juices", 190),
            ("muffin/muffins", 235),
            ("bagel/bagels", 150),
            ("coffee/coffees", 310),
            ("peach/peaches", 85),
        ],
        2,
    )
    p, m, n = r.choice(PEOPLE), r.randint(2, 4), r.randint(2, 5)
    total = m * a + n * b
    note = next(x for x in (1000, 2000, 5000) if x > total)
    (one_s, one_p), (two_s, two_p) = one.split("/"), two.split("/")
    prompt = r.choice(
        [
            f"{p.name} buys {m} {one_p} at {usd(a)} each and {n} {two_p} at {usd(b)} each. {p.they.title()} "
            f"pays with a {usd(note)} bill. How many dollars of change does {p.they} get?",
            f"At a snack bar, one {one_s} costs {usd(a)} and one {two_s} costs {usd(b)}. {p.name} orders "
            f"{m} {one_p} and {n} {two_p} and hands over {usd(note)}. What is the change in dollars?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The {one_p} cost {m} * {usd(a)} = {usd(m * a)}.",
            f"The {two_p} cost {n} * {usd(b)} = {usd(n * b)}.",
            f"Together that is {usd(m * a)} + {usd(n * b)} = {usd(total)}.",
            f"The change is {usd(note)} - {usd(total)} = {usd(note - total)}.",
        ],
        Fraction(note - total, 100),
    )


@family
def discount_then_coupon(r: random.Random) -> Problem:
    thing, price = r.choice(
        [
            ("jacket", 80),
            ("backpack", 60),
            ("lamp", 40),
            ("bicycle helmet", 50),
            ("desk", 140),
            ("tent", 180),
            ("keyboard", 90),
            ("watch", 120),
        ]
    )
    off, coupon, p = r.choice([10, 15, 20, 25, 30, 40]), r.randint(3, 9), r.choice(PEOPLE)
    cut = Fraction(price * off, 100)
    sale = price - cut
    prompt = r.choice(
        [
            f"The regular price of a {thing} is ${price}. It is on sale for {off}% off, and {p.name} also "
            f"has a coupon that takes ${coupon} off the sale price. How many dollars does {p.they} pay?",
            f"A store reduces a ${price} {thing} by {off}%. At the till {p.name} uses a ${coupon} voucher "
            f"on the reduced price. What does the {thing} cost {p.them} in dollars?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The discount is {off}% of ${price}, which is {dec(Fraction(off, 100))} * {price} = {usd(cut * 100)}.",
            f"The sale price is ${price} - {usd(cut * 100)} = {usd(sale * 100)}.",
            f"After the coupon, the price is {usd(sale * 100)} - ${coupon} = {usd((sale - coupon) * 100)}.",
        ],
        sale - coupon,
    )


@family
def two_percent_changes(r: random.Random) -> Problem:
    up, down = r.choice([10, 20, 25, 30, 50]), r.choice([5, 10, 20, 25, 40])
    start = 100 * r.randint(4, 30) * 2
    middle = Fraction(start * (100 + up), 100)
    end = middle * (100 - down) / 100
    where, noun = r.choice(
        [
            ("A village", "inhabitants"),
            ("A website", "subscribers"),
            ("A library", "members"),
            ("A sports club", "members"),
            ("A school", "students"),
        ]
    )
    prompt = r.choice(
        [
            f"{where} had {start} {noun}. In the first year the number rose by {up}%, and in the second "
            f"year it fell by {down}%. How many {noun} were there after the two years?",
            f"{where} starts with {start} {noun}. Their number grows by {up}% and then shrinks by {down}% "
            f"of the new number. How many {noun} are there in the end?",
        ]
    )
    return Problem(
        prompt,
        [
            f"After the rise there are {start} * {dec(Fraction(100 + up, 100))} = {dec(middle)} {noun}.",
            f"After the fall there are {dec(middle)} * {dec(Fraction(100 - down, 100))} = {dec(end)} {noun}.",
        ],
        end,
    )


@family
def reverse_percentage(r: random.Random) -> Problem:
    off = r.choice([10, 15, 20, 25, 30, 40, 60])
    full = 20 * r.randint(2, 18)
    now = Fraction(full * (100 - off), 100)
    thing = r.choice(["coat", "printer", "guitar", "chair", "camera", "rug", "pair of boots"])
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"After a discount of {off}%, a {thing} costs {usd(now * 100)}. What was its price in dollars "
            "before the discount?",
            f"{p.name} pays {usd(now * 100)} for a {thing} that has been marked down by {off}%. What was "
            "the original price in dollars?",
        ]
    )
    return Problem(
        prompt,
        [
            f"After a discount of {off}%, {100 - off}% of the price is left.",
            f"So {100 - off}% of the original price is {usd(now * 100)}.",
            f"The original price is {usd(now * 100)} / {dec(Fraction(100 - off, 100))} = ${full}.",
        ],
        full,
    )


@family
def profit_percentage(r: random.Random) -> Problem:
    n, cost, gain = r.randint(8, 30), 20 * r.randint(1, 6), r.choice([10, 15, 20, 25, 35, 50, 75])
    price = Fraction(cost * (100 + gain), 100)
    thing = r.choice(["chair", "vase", "calculator", "scarf", "board game", "clock"])
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"A trader buys {n} {thing}s for ${n * cost} and sells each of them for {usd(price * 100)}. "
            "What is the profit as a percentage of the cost?",
            f"{p.name} spends ${n * cost} on {n} {thing}s and resells them all at {usd(price * 100)} "
            f"apiece. By what percentage does {p.their} income exceed {p.their} costs?",
        ]
    )
    earned = n * price
    return Problem(
        prompt,
        [
            f"The sales bring in {n} * {usd(price * 100)} = {usd(earned * 100)}.",
            f"The profit is {usd(earned * 100)} - ${n * cost} = {usd((earned - n * cost) * 100)}.",
            f"As a share of the cost this is {dec(earned - n * cost)} / {n * cost} = "
            f"{dec(Fraction(gain, 100))}, or {gain}%.",
        ],
        gain,
    )


@family
def loss_on_stock(r: random.Random) -> Problem:
    n, cost, price = r.randint(30, 80), r.randint(4, 9), r.randint(10, 14)
    spoiled = r.randint(6, n // 4 + 4)
    thing, why = r.choice(
        [
            ("melon", "go bad"),
            ("bunch", "wilt"),
            ("plate", "break"),
            ("candle", "crack"),
            ("jar", "leak"),
            ("cake", "get squashed"),
        ]
    )
    plural = "bunches of flowers" if thing == "bunch" else thing + "s"
    prompt = r.choice(
        [
            f"A stallholder buys {n} {plural} at ${cost} each. {spoiled} of them {why} and cannot be sold; "
            f"the others sell for ${price} each. How many dollars of profit are made?",
            f"A market seller pays ${cost} for each of {n} {plural}. Because {spoiled} of them {why}, only "
            f"the rest are sold, at ${price} each. What is the profit in dollars?",
        ]
    )
    good = n - spoiled
    if good * price <= n * cost:
        return loss_on_stock(r)
    return Problem(
        prompt,
        [
            f"The stock costs {n} * ${cost} = ${n * cost}.",
            f"The number sold is {n} - {spoiled} = {good}, which brings in {good} * ${price} = ${good * price}.",
            f"The profit is ${good * price} - ${n * cost} = ${good * price - n * cost}.",
        ],
        good * price - n * cost,
    )


@family
def break_even(r: random.Random) -> Problem:
    thing, setup = r.choice(
        [
            ("T-shirt", "a printing screen"),
            ("cupcake", "a market stall"),
            ("poster", "a design program"),
            ("bracelet", "a set of tools"),
            ("bowl", "a used kiln"),
        ]
    )
    cost = r.randint(1, 5)
    margin, n = r.randint(2, 9), r.randint(15, 60)
    fixed, p = margin * n, r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"{p.name} pays ${fixed} for {setup}. Each {thing} then costs ${cost} to make and sells for "
            f"${cost + margin}. How many {thing}s must {p.they} sell to get back all {p.their} costs?",
            f"To start a small business, {p.name} spends ${fixed} on {setup}. Materials for one {thing} "
            f"cost ${cost}, and one {thing} sells for ${cost + margin}. After how many sales has {p.they} "
            "broken even?",
        ]
    )
    return Problem(
        prompt,
        [
            f"Each {thing} sold earns ${cost + margin} - ${cost} = ${margin} above its own cost.",
            f"To cover ${fixed}, {p.they} needs {fixed} / {margin} = {n} sales.",
        ],
        n,
    )


@family
def simple_interest(r: random.Random) -> Problem:
    start, years = 100 * r.randint(4, 40), r.randint(2, 6)
    rate = r.choice([Fraction(2), Fraction(3), Fraction(4), Fraction(5), Fraction(5, 2), Fraction(3, 2)])
    yearly = start * rate / 100
    p, place = r.choice(PEOPLE), r.choice(["a savings account", "a bond", "a credit union account"])
    end = start + years * yearly
    prompt = r.choice(
        [
            f"{p.name} puts ${start} into {place} that pays {dec(rate)}% simple interest a year. How many "
            f"dollars does {p.they} have in total after {years} years?",
            f"${start} is invested in {place} at {dec(rate)}% simple interest per year. What is the total "
            f"value in dollars after {years} years?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The interest for one year is {dec(rate / 100)} * ${start} = {usd(yearly * 100)}.",
            f"In {years} years this makes {years} * {usd(yearly * 100)} = {usd(years * yearly * 100)}.",
            f"The total is ${start} + {usd(years * yearly * 100)} = {usd(end * 100)}.",
        ],
        end,
    )


@family
def compound_interest(r: random.Random) -> Problem:
    start, rate = 500 * r.randint(2, 16), r.choice([2, 4, 5, 6, 8, 10, 20])
    factor = Fraction(100 + rate, 100)
    one, two = start * factor, start * factor**2
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"{p.name} deposits ${start} at {rate}% interest a year, and the interest is added to the "
            f"balance at the end of each year. What is the balance in dollars after 2 years?",
            f"A loan of ${start} grows by {rate}% compound interest each year. If nothing is paid back, "
            "how many dollars are owed after 2 years?",
        ]
    )
    return Problem(
        prompt,
        [
            f"After the first year the amount is ${start} * {dec(factor)} = {usd(one * 100)}.",
            f"After the second year it is {usd(one * 100)} * {dec(factor)} = {usd(two * 100)}.",
        ],
        two,
    )


@family
def bill_with_tip(r: random.Random) -> Problem:
    friends, tip = r.randint(3, 6), r.choice([10, 15, 20, 25])
    bill = friends * 20 * r.randint(1, 3)
    extra = Fraction(bill * tip, 100)
    share = (bill + extra) / friends
    who = r.choice(["friends", "colleagues", "cousins", "teammates"])
    prompt = r.choice(
        [
            f"{friends} {who} share a restaurant bill of ${bill} and add a {tip}% tip. If everyone pays the "
            "same, how many dollars does each person pay?",
            f"Dinner for {friends} {who} comes to ${bill} before the tip. They leave a tip of {tip}% and "
            "split the total equally. What is each share in dollars?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The tip is {dec(Fraction(tip, 100))} * ${bill} = {usd(extra * 100)}.",
            f"The total is ${bill} + {usd(extra * 100)} = {usd((bill + extra) * 100)}.",
            f"Each person pays {usd((bill + extra) * 100)} / {friends} = {usd(share * 100)}.",
        ],
        share,
    )


@family
def overtime_pay(r: random.Random) -> Problem:
    wage, normal, extra = 2 * r.randint(6, 14), r.choice([35, 38, 40]), r.randint(2, 9)
    p, job = r.choice(PEOPLE), r.choice(["a bakery", "a garage", "a warehouse", "a garden centre"])
    over = wage * 3 // 2
    prompt = r.choice(
        [
            f"{p.name} works at {job} for ${wage} an hour. Hours beyond {normal} in a week are paid one and "
            f"a half times as much. How many dollars does {p.they} earn in a week of {normal + extra} hours?",
            f"At {job}, the hourly wage is ${wage} for the first {normal} hours of a week and 1.5 times that "
            f"for each hour after. What is {p.name} paid in dollars for {normal + extra} hours in one week?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The first {normal} hours pay {normal} * ${wage} = ${normal * wage}.",
            f"There are {normal + extra} - {normal} = {extra} overtime hours at 1.5 * ${wage} = ${over} "
            f"each, which pay {extra} * ${over} = ${extra * over}.",
            f"The week's pay is ${normal * wage} + ${extra * over} = ${normal * wage + extra * over}.",
        ],
        normal * wage + extra * over,
    )


@family
def equal_plans(r: random.Random) -> Problem:
    unit, plan = r.choice(
        [
            ("minute", "phone plan"),
            ("kilometre", "van rental"),
            ("visit", "gym"),
            ("ride", "bike hire scheme"),
            ("print", "photo lab"),
        ]
    )
    low, gap, n = r.randrange(10, 40, 5), r.randrange(5, 25, 5), r.randint(8, 40)
    base = r.randrange(5, 20)
    more = Fraction(gap * n, 100)
    prompt = r.choice(
        [
            f"One {plan} charges {usd(100 * base)} a month plus {low + gap} cents for each {unit}. Another "
            f"charges {usd(100 * (base + more))} a month plus {low} cents for each {unit}. For how many "
            f"{unit}s in a month do the two cost the same?",
            f"{plan.capitalize()} A has a monthly fee of {usd(100 * base)} and costs {low + gap} cents per "
            f"{unit}; {plan} B has a fee of {usd(100 * (base + more))} and costs {low} cents per {unit}. "
            f"At how many {unit}s per month are both equally expensive?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The fees differ by {usd(100 * (base + more))} - {usd(100 * base)} = {usd(100 * more)}, which "
            f"is {gap * n} cents.",
            f"Each {unit} makes up {low + gap} - {low} = {gap} cents of the difference.",
            f"The costs are equal after {gap * n} / {gap} = {n} {unit}s.",
        ],
        n,
    )


@family
def taxi_fare(r: random.Random) -> Problem:
    base, rate, km = r.randrange(200, 500, 50), r.randrange(110, 250, 10), r.randint(4, 18)
    total, p = base + rate * km, r.choice(PEOPLE)
    service = r.choice(["taxi", "water taxi", "rickshaw"])
    prompt = r.choice(
        [
            f"A {service} charges {usd(base)} to start and {usd(rate)} for every kilometre. {p.name} pays "
            f"{usd(total)}. How many kilometres was the ride?",
            f"The fare of a {service} is {usd(base)} plus {usd(rate)} per kilometre. How many kilometres "
            f"can {p.name} travel for exactly {usd(total)}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"Without the starting charge, {usd(total)} - {usd(base)} = {usd(total - base)} is for the distance.",
            f"The distance is {usd(total - base)} / {usd(rate)} = {km} kilometres.",
        ],
        km,
    )


@family
def exchange_rate(r: random.Random) -> Problem:
    rate = r.choice([Fraction(6, 5), Fraction(5, 4), Fraction(11, 10), Fraction(8, 5)])
    euros = 20 * r.randint(5, 30)
    spent = 20 * r.randint(1, euros // 40)
    dollars, left = euros * rate, (euros - spent) * rate
    p = r.choice(PEOPLE)
    coin = r.choice(["euros", "pounds", "francs"])
    prompt = r.choice(
        [
            f"One {coin[:-1]} costs {usd(rate * 100)}. Before a trip {p.name} changes {usd(dollars * 100)} "
            f"into {coin}. {p.they.title()} spends {spent} {coin} and changes the rest back at the same "
            f"rate. How many dollars does {p.they} get back?",
            f"{p.name} exchanges {usd(dollars * 100)} for {coin} at {usd(rate * 100)} apiece, spends {spent} "
            f"{coin} on {p.their} holiday and then exchanges what is left at the same rate. How many "
            f"dollars does {p.they} receive?",
        ]
    )
    return Problem(
        prompt,
        [
            f"{p.name} gets {dec(dollars)} / {dec(rate)} = {euros} {coin}.",
            f"After the spending, {euros} - {spent} = {euros - spent} {coin} are left.",
            f"These are worth {euros - spent} * {usd(rate * 100)} = {usd(left * 100)}.",
        ],
        left,
    )


@family
def work_backwards_money(r: random.Random) -> Problem:
    left, b = r.randint(4, 20), r.randint(5, 18)
    part, word = r.choice([(2, "half"), (3, "a third"), (4, "a quarter")])
    unit = left + b
    while unit % (part - 1):
        b += 1
        unit = left + b
    start = unit // (part - 1) * part
    p, (x, y) = (
        r.choice(PEOPLE),
        r.sample(["a book", "a cinema ticket", "lunch", "a present", "a haircut", "a train ride"], 2),
    )
    prompt = r.choice(
        [
            f"{p.name} spends {word} of {p.their} money on {x} and then ${b} on {y}. {p.they.title()} has "
            f"${left} left. How many dollars did {p.they} have at first?",
            f"After paying {word} of what was in {p.their} wallet for {x} and another ${b} for {y}, "
            f"{p.name} still has ${left}. How many dollars were in the wallet at the beginning?",
        ]
    )
    step = {2: "half", 3: "two thirds", 4: "three quarters"}[part]
    how = {2: f"2 * ${unit}", 3: f"${unit} / 2 * 3", 4: f"${unit} / 3 * 4"}[part]
    return Problem(
        prompt,
        [
            f"Before paying for {y}, {p.name} had ${left} + ${b} = ${unit}.",
            f"This was {step} of the money, because {word} had gone on {x}.",
            f"So {p.they} started with {how} = ${start}.",
        ],
        start,
    )


@family
def saving_goal(r: random.Random) -> Problem:
    p, pay, spend = r.choice(PEOPLE), r.randint(14, 30), r.randint(3, 11)
    weeks, have = r.randint(5, 16), r.randint(10, 60)
    price = have + weeks * (pay - spend) - r.randint(0, pay - spend - 1)
    thing = r.choice(["a skateboard", "a tablet", "a microscope", "a drum kit", "a pair of skis"])
    missing = price - have
    prompt = r.choice(
        [
            f"{p.name} wants to buy {thing} for ${price} and already has ${have}. Each week {p.they} earns "
            f"${pay} and spends ${spend}. After how many weeks does {p.they} have enough money?",
            f"{thing.capitalize()} costs ${price}. {p.name} has ${have} saved, and every week {p.they} "
            f"receives ${pay} of which {p.they} uses ${spend}. What is the least number of weeks "
            f"{p.they} has to wait?",
        ]
    )
    exact = missing % (pay - spend) == 0
    return Problem(
        prompt,
        [
            f"{p.name} still needs ${price} - ${have} = ${missing}.",
            f"Each week adds ${pay} - ${spend} = ${pay - spend}.",
            f"{missing} / {pay - spend} is exactly {weeks}, so {p.they} needs {weeks} weeks."
            if exact
            else f"{weeks - 1} weeks give ${(weeks - 1) * (pay - spend)}, which is too little, and {weeks} weeks "
            f"give ${weeks * (pay - spend)}, which is enough.",
        ],
        weeks,
    )


# Ages, numbers, equations


@family
def ages_multiple(r: random.Random) -> Problem:
    a, b = r.sample(PEOPLE, 2)
    k, young, ahead = r.randint(2, 4), r.randint(4, 12), r.randint(2, 9)
    total = (k + 1) * young + 2 * ahead
    word = {2: "twice", 3: "three times", 4: "four times"}[k]
    prompt = r.choice(
        [
            f"{a.name} is {word} as old as {b.name}. In {ahead} years their ages will add up to {total}. "
            f"How old is {b.name} now?",
            f"In {ahead} years the ages of {a.name} and {b.name} will sum to {total}. Today {a.name} is "
            f"{word} as old as {b.name}. What is {b.name}'s age today?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In {ahead} years both are {ahead} years older, so today the ages add up to {total} - "
            f"2 * {ahead} = {total - 2 * ahead}.",
            f"If {b.name} is x years old, {a.name} is {k}x, and x + {k}x = {k + 1}x = {total - 2 * ahead}.",
            f"So x = {total - 2 * ahead} / {k + 1} = {young}.",
        ],
        young,
    )


@family
def ages_difference(r: random.Random) -> Problem:
    p, k = r.choice(PEOPLE), r.randint(2, 4)
    ahead, later = r.randint(2, 8), r.randint(10, 16)
    young, gap = later - ahead, later * (k - 1)
    word = {2: "twice", 3: "three times", 4: "four times"}[k]
    elder = r.choice(["mother", "uncle", "aunt", "father"] if gap > 19 else ["cousin", "neighbour"])
    prompt = r.choice(
        [
            f"{p.name}'s {elder} is {gap} years older than {p.name}. In {ahead} years the {elder} will be "
            f"{word} as old as {p.name}. How old is {p.name} now?",
            f"{p.name} is {gap} years younger than {p.their} {elder}. {ahead} years from now, the {elder} "
            f"will be {word} {p.name}'s age. Find {p.name}'s present age.",
        ]
    )
    one = f"{k - 1} times {p.name}'s age then" if k > 2 else f"{p.name}'s age then"
    calc = f"{gap} / {k - 1} = {later}" if k > 2 else f"{later}"
    return Problem(
        prompt,
        [
            f"The difference of {gap} years stays the same.",
            f"In {ahead} years the {elder} is {word} as old, so the difference equals {one}.",
            f"So {p.name} will be {calc} years old in {ahead} years.",
            f"Now {p.they} is {later} - {ahead} = {young}.",
        ],
        young,
    )


@family
def heads_and_legs(r: random.Random) -> Problem:
    two, four, place = r.choice(
        [
            ("chickens", "rabbits", "A farmyard"),
            ("ducks", "goats", "A pen"),
            ("ostriches", "zebras", "A safari park"),
            ("geese", "sheep", "A meadow"),
        ]
    )
    a, b = r.randint(6, 25), r.randint(5, 20)
    heads, legs = a + b, 2 * a + 4 * b
    prompt = r.choice(
        [
            f"{place} holds {two} and {four}, {heads} animals in all. Together they have {legs} legs. How "
            f"many {four} are there?",
            f"Among some {two} and {four} there are {heads} heads and {legs} legs. How many of the animals are {four}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"If all {heads} animals were {two}, there would be {heads} * 2 = {2 * heads} legs.",
            f"There are {legs} - {2 * heads} = {legs - 2 * heads} more legs than that.",
            f"Each of the {four} has 2 extra legs, so there are {legs - 2 * heads} / 2 = {b} {four}.",
        ],
        b,
    )


@family
def ticket_system(r: random.Random) -> Problem:
    a, b = r.randint(20, 90), r.randint(15, 80)
    child = r.randint(3, 7)
    adult = child + r.randint(2, 7)
    money, total = a * adult + b * child, a + b
    event = r.choice(["school play", "museum", "swimming pool", "concert", "film evening"])
    prompt = r.choice(
        [
            f"Tickets for a {event} cost ${adult} for adults and ${child} for children. {total} people buy "
            f"tickets for ${money} altogether. How many adults are there?",
            f"A {event} sells {total} tickets and takes ${money}. An adult pays ${adult} and a child pays "
            f"${child}. How many adult tickets were sold?",
        ]
    )
    return Problem(
        prompt,
        [
            f"If all {total} tickets were for children, the income would be {total} * ${child} = ${total * child}.",
            f"The real income is ${money} - ${total * child} = ${money - total * child} higher.",
            f"Each adult adds ${adult} - ${child} = ${adult - child}, so there are {money - total * child} "
            f"/ {adult - child} = {a} adults.",
        ],
        a,
    )


@family
def two_purchases(r: random.Random) -> Problem:
    (x, xs), (y, ys) = r.sample(
        [
            ("pen", "pens"),
            ("brush", "brushes"),
            ("folder", "folders"),
            ("ruler", "rulers"),
            ("eraser", "erasers"),
            ("box", "boxes"),
        ],
        2,
    )
    a, b, n, m = r.randint(2, 9), r.randint(2, 9), r.randint(2, 5), r.randint(2, 5)
    more = n + r.randint(1, 3)
    first, second = n * a + m * b, more * a + m * b
    p, q = r.sample(PEOPLE, 2)
    prompt = r.choice(
        [
            f"{n} {xs} and {m} {ys} cost ${first}. {more} {xs} and {m} {ys} cost ${second}. What does one "
            f"{y} cost in dollars?",
            f"{p.name} pays ${first} for {n} {xs} and {m} {ys}. In the same shop {q.name} pays ${second} "
            f"for {more} {xs} and {m} {ys}. How many dollars is one {y}?",
        ]
    )
    extra = more - n
    return Problem(
        prompt,
        [
            f"The second purchase has {extra} more {xs if extra > 1 else x} and costs ${second} - ${first} = "
            f"${second - first} more, so one {x} costs ${a}.",
            f"The {n} {xs} in the first purchase cost {n} * ${a} = ${n * a}.",
            f"That leaves ${first} - ${n * a} = ${m * b} for {m} {ys}.",
            f"One {y} costs ${m * b} / {m} = ${b}.",
        ],
        b,
    )


@family
def digits_of_number(r: random.Random) -> Problem:
    ones, gap = r.randint(0, 6), r.randint(1, 3)
    tens = ones + gap
    total, number = ones + tens, 10 * tens + ones
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"The digits of a two-digit number add up to {total}. The tens digit is {gap} more than the "
            "ones digit. What is the number?",
            f"{p.name} thinks of a two-digit number. Its digit sum is {total}, and its ones digit is {gap} "
            "less than its tens digit. Which number is it?",
        ]
    )
    return Problem(
        prompt,
        [
            f"If the ones digit is x, the tens digit is x + {gap}, and 2x + {gap} = {total}.",
            f"So x = ({total} - {gap}) / 2 = {ones}, and the tens digit is {ones} + {gap} = {tens}.",
            f"The number is {number}.",
        ],
        number,
    )


@family
def consecutive_numbers(r: random.Random) -> Problem:
    kind, step = r.choice([("whole", 1), ("even", 2), ("odd", 2)])
    n, middle = r.choice([3, 5]), r.randint(12, 60)
    middle += (kind == "even" and middle % 2) or (kind == "odd" and (middle + 1) % 2)
    total, largest = n * middle, middle + step * (n // 2)
    word = {3: "three", 5: "five"}[n]
    prompt = r.choice(
        [
            f"The sum of {word} consecutive {kind} numbers is {total}. What is the largest of them?",
            f"{word.capitalize()} consecutive {kind} numbers add up to {total}. Find the largest one.",
            f"Houses on one side of a street carry {word} consecutive {kind} numbers whose sum is {total}. "
            "What is the highest house number?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The middle number is the average: {total} / {n} = {middle}.",
            f"The numbers are {listed([middle + step * i for i in range(-(n // 2), n // 2 + 1)])}.",
            f"The largest is {largest}.",
        ],
        largest,
    )


@family
def think_of_number(r: random.Random) -> Problem:
    x, k, add, sub = r.randint(4, 30), r.randint(2, 9), r.randint(5, 40), r.randint(1, 4)
    p, out = r.choice(PEOPLE), (x + add) * k - sub
    prompt = r.choice(
        [
            f"{p.name} thinks of a number, adds {add}, multiplies the result by {k} and subtracts {sub}. "
            f"{p.they.title()} gets {out}. What number did {p.they} think of?",
            f"A number machine adds {add} to its input, multiplies by {k} and takes away {sub}. The output "
            f"is {out}. What was the input?",
        ]
    )
    return Problem(
        prompt,
        [
            "Undo the steps from the end.",
            f"Before the subtraction it was {out} + {sub} = {out + sub}.",
            f"Before the multiplication it was {out + sub} / {k} = {x + add}.",
            f"Before the addition it was {x + add} - {add} = {x}.",
        ],
        x,
    )


# Ratios, mixtures, recipes


@family
def ratio_share(r: random.Random) -> Problem:
    a, b, c = r.sample(range(2, 9), 3)
    unit = r.randint(4, 25)
    total = (a + b + c) * unit
    p, q, s = r.sample(PEOPLE, 3)
    prompt = r.choice(
        [
            f"{p.name}, {q.name} and {s.name} share ${total} in the ratio {a}:{b}:{c}. How many dollars "
            f"does {q.name} get?",
            f"A prize of ${total} is divided among {p.name}, {q.name} and {s.name} in the ratio "
            f"{a}:{b}:{c}, in this order. What is {q.name}'s part in dollars?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The ratio has {a} + {b} + {c} = {a + b + c} parts.",
            f"One part is ${total} / {a + b + c} = ${unit}.",
            f"{q.name} gets {b} * ${unit} = ${b * unit}.",
        ],
        b * unit,
    )


@family
def ratio_difference(r: random.Random) -> Problem:
    a, b = r.choice([(5, 3), (7, 4), (9, 5), (8, 3), (7, 5), (5, 2), (4, 3), (11, 6)])
    unit = r.randint(3, 14)
    x, y, place = r.choice(
        [
            ("red tiles", "white tiles", "a mosaic"),
            ("oaks", "birches", "a wood"),
            ("novels", "comics", "a box"),
            ("cars", "vans", "a car park"),
            ("roses", "tulips", "a flower bed"),
        ]
    )
    gap = (a - b) * unit
    prompt = r.choice(
        [
            f"The ratio of {x} to {y} in {place} is {a}:{b}. There are {gap} more {x} than {y}. How many "
            f"{x} and {y} are there altogether?",
            f"In {place}, for every {a} {x} there are {b} {y}. If the {x} outnumber the {y} by {gap}, what "
            f"is the total number of {x} and {y}?",
        ]
    )
    size = f"one part is {gap} / {a - b} = {unit}" if a - b > 1 else f"one part is {unit}"
    return Problem(
        prompt,
        [
            f"The difference is {a} - {b} = {count(a - b, 'part')}, so {size}.",
            f"Altogether there are {a} + {b} = {a + b} parts.",
            f"The total is {a + b} * {unit} = {(a + b) * unit}.",
        ],
        (a + b) * unit,
    )


@family
def mixture_strength(r: random.Random) -> Problem:
    while True:
        a, b = r.randint(2, 12), r.randint(2, 12)
        p, q = r.sample(range(5, 65, 5), 2)
        if (a * p + b * q) % (a + b) == 0:
            break
    what, solute = r.choice(
        [
            ("coolant", "glycol"),
            ("juice drink", "juice"),
            ("acid solution", "acid"),
            ("vinegar cleaner", "vinegar"),
            ("syrup", "sugar"),
        ]
    )
    mixed = (a * p + b * q) // (a + b)
    x, y = Fraction(a * p, 100), Fraction(b * q, 100)
    prompt = r.choice(
        [
            f"{a} litres of {what} with {p}% {solute} are mixed with {b} litres of {what} with {q}% "
            f"{solute}. What percentage of the mixture is {solute}?",
            f"A tank holds {a} litres of {what} that is {p}% {solute}. Someone adds {b} litres of {what} "
            f"that is {q}% {solute}. How many percent of the result is {solute}?",
        ]
    )
    total = x + y
    return Problem(
        prompt,
        [
            f"The first part contains {dec(Fraction(p, 100))} * {a} = {count(x, 'litre')} of {solute}.",
            f"The second part contains {dec(Fraction(q, 100))} * {b} = {count(y, 'litre')} of {solute}.",
            f"Together there {'is' if total == 1 else 'are'} {count(total, 'litre')} of {solute} in "
            f"{a} + {b} = {a + b} litres.",
            f"The share is {dec(total)} / {a + b} = {dec(Fraction(mixed, 100))}, or {mixed}%.",
        ],
        mixed,
    )


@family
def blend_price(r: random.Random) -> Problem:
    while True:
        a, b = r.randint(2, 9), r.randint(2, 9)
        p, q = r.sample(range(4, 21), 2)
        if ((a * p + b * q) * 100) % (a + b) == 0:
            break
    x, y, blend = r.choice(
        [
            ("almonds", "raisins", "trail mix"),
            ("Kenyan coffee", "Brazilian coffee", "a coffee blend"),
            ("green tea", "mint", "a tea blend"),
            ("oats", "dried berries", "muesli"),
        ]
    )
    price = Fraction(a * p + b * q, a + b)
    prompt = r.choice(
        [
            f"A grocer mixes {a} kg of {x} at ${p} per kg with {b} kg of {y} at ${q} per kg to make "
            f"{blend}. What does one kilogram of the mixture cost in dollars?",
            f"To make {blend}, a shop combines {a} kg of {x} (${p} per kg) and {b} kg of {y} (${q} per kg). "
            "What is the cost per kilogram in dollars?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The {x} cost{'' if x in ('almonds', 'oats') else 's'} {a} * ${p} = ${a * p}.",
            f"The {y} cost{'s' if y in ('mint', 'Brazilian coffee') else ''} {b} * ${q} = ${b * q}.",
            f"The mixture weighs {a} + {b} = {a + b} kg and costs ${a * p} + ${b * q} = ${a * p + b * q}.",
            f"One kilogram costs ${a * p + b * q} / {a + b} = {usd(price * 100)}.",
        ],
        price,
    )


@family
def recipe_scaling(r: random.Random) -> Problem:
    dish, item = r.choice(
        [
            ("pancakes", "flour"),
            ("lentil soup", "lentils"),
            ("rice pudding", "rice"),
            ("apple crumble", "sugar"),
            ("pizza dough", "flour"),
            ("hummus", "chickpeas"),
        ]
    )
    base, target = r.choice([(4, 6), (4, 10), (6, 9), (6, 15), (8, 12), (2, 7), (4, 14), (5, 8)])
    grams = base * r.randint(3, 12) * 10
    p, have = r.choice(PEOPLE), r.randint(2, 8) * 50
    need = grams // base * target
    if have >= need:
        have = need // 2 // 10 * 10
    prompt = r.choice(
        [
            f"A recipe for {dish} for {base} people needs {grams} g of {item}. {p.name} cooks for {target} "
            f"people and already has {have} g of {item}. How many more grams of {item} does {p.they} need?",
            f"{p.name} wants to make {dish} for {target} people. The recipe, which serves {base}, asks for "
            f"{grams} g of {item}, and there are {have} g in the cupboard. How many grams of {item} does "
            f"{p.they} still have to buy?",
        ]
    )
    return Problem(
        prompt,
        [
            f"One person needs {grams} g / {base} = {grams // base} g of {item}.",
            f"For {target} people that is {target} * {grams // base} g = {need} g.",
            f"The missing amount is {need} g - {have} g = {need - have} g.",
        ],
        need - have,
    )


@family
def limiting_ingredient(r: random.Random) -> Problem:
    thing, (x, a), (y, b) = r.choice(
        [
            ("cake", ("eggs", 3), ("grams of flour", 250)),
            ("loaf", ("grams of seeds", 40), ("grams of flour", 500)),
            ("bird house", ("boards", 5), ("screws", 16)),
            ("bouquet", ("roses", 7), ("ferns", 4)),
            ("first-aid kit", ("bandages", 6), ("plasters", 15)),
            ("necklace", ("shells", 9), ("glass beads", 24)),
        ]
    )
    n, m = r.sample(range(5, 18), 2)
    have_x, have_y = a * n + r.randint(0, a - 1), b * m + r.randint(0, b - 1)
    best, plural = min(n, m), "loaves" if thing == "loaf" else thing + "s"
    prompt = r.choice(
        [
            f"One {thing} takes {a} {x} and {b} {y}. There are {have_x} {x} and {have_y} {y}. How many whole "
            f"{plural} can be made?",
            f"A class has {have_x} {x} and {have_y} {y}. Each {thing} uses {a} {x} and {b} {y}. What is the "
            f"greatest number of {plural} the class can make?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The {x} are enough for {n} {plural}, since {n} * {a} = {n * a} and {n + 1} * {a} = "
            f"{(n + 1) * a} is more than {have_x}.",
            f"The {y} are enough for {m} {plural}, since {m} * {b} = {m * b} and {m + 1} * {b} = "
            f"{(m + 1) * b} is more than {have_y}.",
            f"Both are needed, so the smaller number counts: {best} {plural}.",
        ],
        best,
    )


@family
def fraction_of_rest(r: random.Random) -> Problem:
    a, b, unit = r.randint(3, 5), r.randint(2, 4), r.randint(2, 12)
    total = a * b * unit
    first = total // a
    rest = total - first
    second = rest // b
    if rest % b:
        return fraction_of_rest(r)
    names = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"{p.name} reads {names[a]} of a {total}-page book on Saturday and {names[b]} of the remaining "
            f"pages on Sunday. How many pages are left?",
            f"A baker has {total} rolls. In the morning {names[a]} of them are sold, and in the afternoon "
            f"{names[b]} of the rest. How many rolls remain?",
            f"Of {total} seats in a hall, {names[a]} are booked online. Later {names[b]} of the others are "
            "booked by phone. How many seats are still free?",
        ]
    )
    return Problem(
        prompt,
        [
            f"First, {names[a]} of {total} is {total} / {a} = {first}, so {total} - {first} = {rest} are left.",
            f"Then {names[b]} of {rest} is {rest} / {b} = {second}.",
            f"In the end {rest} - {second} = {rest - second} are left.",
        ],
        rest - second,
    )


# Speed, time, work


@family
def speed_with_stop(r: random.Random) -> Problem:
    speed, hours, stop = r.choice([60, 80, 90, 72, 100]), r.randint(2, 5), r.choice([15, 20, 30, 45])
    half = r.choice([0, 30])
    drive = hours * 60 + half
    distance = Fraction(speed * drive, 60)
    start = r.randrange(6 * 60, 10 * 60, 15)
    end = start + drive + stop
    what = r.choice(["coach", "lorry", "car", "camper van"])
    prompt = r.choice(
        [
            f"A {what} leaves at {clock(start)} and arrives at {clock(end)} after one stop of {stop} "
            f"minutes. While moving, its speed is {speed} km per hour. How many kilometres does it cover?",
            f"Starting at {clock(start)}, a {what} travels at {speed} km per hour, rests for {stop} minutes "
            f"on the way and reaches its goal at {clock(end)}. How long is the route in kilometres?",
        ]
    )
    return Problem(
        prompt,
        [
            f"From {clock(start)} to {clock(end)} there are {end - start} minutes.",
            f"The time in motion is {end - start} - {stop} = {drive} minutes, which is "
            f"{dec(Fraction(drive, 60))} hours.",
            f"The distance is {speed} * {dec(Fraction(drive, 60))} = {dec(distance)} km.",
        ],
        distance,
    )


@family
def meeting_vehicles(r: random.Random) -> Problem:
    a, b, minutes = 4 * r.randint(3, 22), 4 * r.randint(3, 22), r.choice([45, 75, 90, 120, 135, 150, 180])
    distance = Fraction((a + b) * minutes, 60)
    kind = "cyclists" if max(a, b) < 36 else "cars"
    if (a < 36) != (b < 36):
        return meeting_vehicles(r)
    prompt = r.choice(
        [
            f"Two {kind} start at the same time from towns {dec(distance)} km apart and go towards each "
            f"other at {a} km/h and {b} km/h. After how many minutes do they meet?",
            f"The road between two towns is {dec(distance)} km long. From each end one of two {kind} sets "
            f"off, one at {a} km/h and the other at {b} km/h. How many minutes later do they pass each other?",
        ]
    )
    return Problem(
        prompt,
        [
            f"They come closer by {a} + {b} = {a + b} km every hour.",
            f"They meet after {dec(distance)} / {a + b} = {dec(Fraction(minutes, 60))} hours.",
            f"That is {dec(Fraction(minutes, 60))} * 60 = {minutes} minutes.",
        ],
        minutes,
    )


@family
def catching_up(r: random.Random) -> Problem:
    slow, gain, head = r.randint(50, 90), r.choice([10, 15, 20, 25, 30, 40]), r.randint(2, 9)
    while slow * head % gain:
        head += 1
    minutes = slow * head // gain
    a, b = r.sample(PEOPLE, 2)
    prompt = r.choice(
        [
            f"{a.name} walks at {slow} metres per minute. {b.name} starts {head} minutes later from the same "
            f"place and follows at {slow + gain} metres per minute. How many minutes does {b.name} need to "
            f"catch up?",
            f"{a.name} leaves home on foot, covering {slow} metres a minute. After {head} minutes {b.name} "
            f"follows {a.them} at {slow + gain} metres a minute. For how many minutes does {b.name} walk "
            f"before reaching {a.name}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In {head} minutes {a.name} gets {head} * {slow} = {head * slow} metres ahead.",
            f"Each minute {b.name} gains {slow + gain} - {slow} = {gain} metres.",
            f"Catching up takes {head * slow} / {gain} = {minutes} minutes.",
        ],
        minutes,
    )


@family
def average_speed(r: random.Random) -> Problem:
    there, back = r.choice([(60, 40), (30, 20), (12, 4), (15, 10), (60, 30), (20, 5), (90, 45), (36, 12)])
    d = there * back // math.gcd(there, back) * r.choice([1, 2])
    t1, t2 = d // there, d // back
    avg = Fraction(2 * d, t1 + t2)
    who = r.choice(PEOPLE)
    verb = "rides" if there <= 36 else "drives"
    prompt = r.choice(
        [
            f"{who.name} {verb} {d} km to a lake at {there} km/h and returns by the same road at {back} km/h. "
            "What is the average speed for the whole trip in km/h?",
            f"On the way to {who.their} aunt, {d} km away, {who.name} {verb} at {there} km/h. On the way back "
            f"{who.they} {verb} at {back} km/h. Find the average speed of the round trip in km/h.",
        ]
    )
    return Problem(
        prompt,
        [
            f"The way there takes {d} / {there} = {count(t1, 'hour')}, and the way back takes {d} / {back} = "
            f"{count(t2, 'hour')}.",
            f"The whole trip is 2 * {d} = {2 * d} km in {t1} + {t2} = {t1 + t2} hours.",
            f"The average speed is {2 * d} / {t1 + t2} = {dec(avg)} km/h.",
        ],
        avg,
    )


@family
def next_departure(r: random.Random) -> Problem:
    every, first = r.choice([12, 15, 18, 20, 25, 40]), 60 * r.randint(5, 7) + r.choice([0, 5, 10, 20])
    k, wait = r.randint(6, 18), r.randint(1, 11)
    bus = first + k * every
    p, what = r.choice(PEOPLE), r.choice(["bus", "tram", "ferry", "train"])
    prompt = r.choice(
        [
            f"The first {what} leaves at {clock(first)}, and then one leaves every {every} minutes. {p.name} "
            f"comes to the stop at {clock(bus - wait)}. How many minutes does {p.they} wait for the next "
            f"{what}?",
            f"From {clock(first)} on, a {what} departs every {every} minutes. How many minutes must {p.name} "
            f"wait if {p.they} arrives at {clock(bus - wait)}?",
        ]
    )
    passed = bus - wait - first
    return Problem(
        prompt,
        [
            f"From {clock(first)} to {clock(bus - wait)} there are {passed} minutes.",
            f"{passed} = {k - 1} * {every} + {passed - (k - 1) * every}, so the last {what} left "
            f"{count(passed - (k - 1) * every, 'minute')} ago.",
            f"The next one comes in {every} - {passed - (k - 1) * every} = {count(wait, 'minute')}.",
        ],
        wait,
    )


@family
def elapsed_time(r: random.Random) -> Problem:
    start = r.randrange(13 * 60, 18 * 60, 5)
    parts = r.sample([20, 25, 35, 40, 45, 50, 55, 70, 95], 3)
    pause = r.choice([5, 10, 15])
    end = start + sum(parts) + 2 * pause
    spare = r.choice([10, 15, 20, 25, 30])
    what, bit = r.choice([("concert", "set"), ("workshop", "session"), ("tournament", "round")])
    prompt = r.choice(
        [
            f"A {what} starts at {clock(start)}. It has three {bit}s of {listed(parts)} minutes with a break "
            f"of {pause} minutes after the first and after the second. The last bus leaves at "
            f"{clock(end + spare)}. How many minutes are there between the end of the {what} and the bus?",
            f"Three {bit}s of a {what} last {listed(parts)} minutes, separated by two breaks of {pause} "
            f"minutes each. The {what} begins at {clock(start)} and the hall must be empty at "
            f"{clock(end + spare)}. How many minutes remain for leaving the hall?",
        ]
    )
    length = sum(parts) + 2 * pause
    return Problem(
        prompt,
        [
            f"The {what} lasts {plus(parts)} + 2 * {pause} = {length} minutes, or {length // 60} h {length % 60} min.",
            f"It ends at {clock(end)}.",
            f"From {clock(end)} to {clock(end + spare)} there are {spare} minutes.",
        ],
        spare,
    )


@family
def work_together(r: random.Random) -> Problem:
    pairs = [(a, b) for a in range(2, 25) for b in range(a + 1, 37) if a * b % (a + b) == 0]
    a, b = r.choice(pairs)
    t = a * b // (a + b)
    p, q = r.sample(PEOPLE, 2)
    job = r.choice(["paint a fence", "sort the archive", "tile a bathroom", "weed a field"])
    prompt = r.choice(
        [
            f"{p.name} can {job} in {a} hours, and {q.name} needs {b} hours for it. How many hours do they "
            "need together?",
            f"Alone, {p.name} needs {a} hours to {job}; {q.name} needs {b} hours. Working side by side, how "
            "many hours do they take?",
            f"One pump empties a pool in {a} hours, another one in {b} hours. How many hours does it take "
            "with both pumps running?",
        ]
    )
    x, y = (
        (f"{p.name} does", f"{q.name} does") if "pump" not in prompt else ("the first pump empties", "the second one")
    )
    return Problem(
        prompt,
        [
            f"In one hour {x} 1/{a} of the work and {y} 1/{b}."
            if "pump" not in prompt
            else f"In one hour {x} 1/{a} of the pool and {y} 1/{b}.",
            f"Together that is 1/{a} + 1/{b} = {a + b}/{a * b} = 1/{t} per hour.",
            f"So they need {count(t, 'hour')}.",
        ],
        t,
    )


@family
def workers_and_days(r: random.Random) -> Problem:
    a, days, b = r.randint(4, 12), r.randint(6, 15), r.randint(3, 14)
    if a == b or a * days % b:
        return workers_and_days(r)
    job = r.choice(["build a wall", "harvest an orchard", "lay a cable", "renovate a school"])
    who = r.choice(["workers", "builders", "people"] if "harvest" not in job else ["pickers", "workers"])
    prompt = r.choice(
        [
            f"{a} {who} {job} in {days} days. How many days would {b} {who} need at the same pace?",
            f"It takes {days} days for {a} {who} to {job}. All work equally fast. In how many days can {b} "
            f"{who} do the same?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The job takes {a} * {days} = {a * days} days of work by one person.",
            f"Shared among {b} {who}, it takes {a * days} / {b} = {count(a * days // b, 'day')}.",
        ],
        a * days // b,
    )


@family
def provisions(r: random.Random) -> Problem:
    n, days, used, change = r.randint(6, 20), r.randint(12, 30), r.randint(2, 8), r.randint(2, 6)
    rest = n * (days - used)
    if rest % (n + change):
        return provisions(r)
    left = rest // (n + change)
    group, place = r.choice(
        [("hikers", "mountain hut"), ("sailors", "ship"), ("scientists", "station"), ("horses", "stable")]
    )
    prompt = r.choice(
        [
            f"In a {place}, the food for {n} {group} lasts {days} days. After {used} days {change} more "
            f"{group} arrive. For how many more days does the remaining food last?",
            f"A {place} has enough food for {n} {group} for {days} days. When {used} days have passed, the "
            f"group grows by {change} {group}. How many further days will the food last?",
        ]
    )
    if place == "ship":
        prompt = prompt.replace("In a ship", "On a ship")
    return Problem(
        prompt,
        [
            f"After {used} days the food would last {n} {group} another {days} - {used} = {days - used} days, "
            f"which is {n} * {days - used} = {rest} daily portions.",
            f"Now there are {n} + {change} = {n + change} {group}.",
            f"The food lasts {rest} / {n + change} = {count(left, 'more day', 'more days')}.",
        ],
        left,
    )


@family
def tank_with_leak(r: random.Random) -> Problem:
    fill, leak, minutes = r.randint(12, 30), r.randint(2, 9), r.randint(15, 60)
    start = r.choice([0, 20, 50, 80])
    size = start + (fill - leak) * minutes
    what = r.choice(["tank", "pool", "pond", "trough"])
    held = (
        f"holds {size} litres and already contains {start} litres" if start else (f"holds {size} litres and is empty")
    )
    prompt = r.choice(
        [
            f"A {what} {held}. A hose adds {fill} litres a minute, but {leak} litres a minute leak out. After "
            f"how many minutes is the {what} full?",
            f"Water runs into a {what} at {fill} litres per minute, while a crack lets {leak} litres per "
            f"minute escape. The {what} {held}. How many minutes does it take to fill it?",
        ]
    )
    steps = [f"Each minute the {what} gains {fill} - {leak} = {fill - leak} litres."]
    if start:
        steps.append(f"It still has room for {size} - {start} = {size - start} litres.")
    steps.append(f"It is full after {size - start} / {fill - leak} = {minutes} minutes.")
    return Problem(prompt, steps, minutes)


@family
def snail_climb(r: random.Random) -> Problem:
    up, down, depth = r.randint(4, 9), r.randint(1, 3), r.randint(14, 40)
    animal = r.choice(["snail", "caterpillar", "beetle", "frog"])
    place = r.choice(["well", "wall", "pit"])
    full = -(-(depth - up) // (up - down))
    if full < 3:
        return snail_climb(r)
    where = {
        "well": f"at the bottom of a {depth} m deep well",
        "pit": f"in a {depth} m deep pit",
        "wall": f"at the foot of a {depth} m high wall",
    }[place]
    prompt = r.choice(
        [
            f"A {animal} sits {where}. Each day it climbs {up} m, and each night it slips back {down} m. On "
            "which day does it reach the top? Give the number of the day.",
            f"A {animal} starts {where}. By day it gets {up} m higher, at night it slides down {down} m. How "
            "many days does it take to reach the top?",
        ]
    )
    return Problem(
        prompt,
        [
            f"A full day and night bring the {animal} up {up} - {down} = {up - down} m.",
            f"It reaches the top on a day that it begins at {depth} - {up} = {depth - up} m or higher.",
            f"After {full - 1} days and nights it is at {(full - 1) * (up - down)} m, and after {full} at "
            f"{full * (up - down)} m, which is high enough for the first time.",
            f"So it reaches the top on day {full} + 1 = {full + 1}.",
        ],
        full + 1,
    )


@family
def fuel_use(r: random.Random) -> Problem:
    per100, trip, price = r.randint(5, 9), 50 * r.randint(4, 16), r.choice([150, 160, 175, 180, 190])
    litres = Fraction(per100 * trip, 100)
    cost = litres * price
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"A car uses {per100} litres of fuel per 100 km, and fuel costs {usd(price)} a litre. What does "
            f"the fuel for a trip of {trip} km cost in dollars?",
            f"{p.name} drives {trip} km. {p.their.title()} car needs {per100} litres for 100 km, and a litre "
            f"costs {usd(price)}. How many dollars does {p.they} spend on fuel?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The trip is {trip} / 100 = {dec(Fraction(trip, 100))} times 100 km.",
            f"It takes {dec(Fraction(trip, 100))} * {per100} = {dec(litres)} litres.",
            f"The fuel costs {dec(litres)} * {usd(price)} = {usd(cost)}.",
        ],
        cost / 100,
    )


# Averages and statistics


@family
def needed_score(r: random.Random) -> Problem:
    n = r.randint(3, 5)
    scores = [r.randint(62, 96) for _ in range(n)]
    goal = r.randint(75, 90)
    need = goal * (n + 1) - sum(scores)
    if not 55 <= need <= 100:
        return needed_score(r)
    p, what = r.choice(PEOPLE), r.choice(["tests", "quizzes", "exams"])
    one = {"tests": "test", "quizzes": "quiz", "exams": "exam"}[what]
    prompt = r.choice(
        [
            f"{p.name} scored {listed(scores)} on the first {n} {what}. What score does {p.they} need on the "
            f"next {one} to have an average of {goal}?",
            f"So far {p.name} has {what} results of {listed(scores)} points. {p.they.title()} wants an "
            f"average of {goal} after one more {one}. How many points must {p.they} get on it?",
        ]
    )
    prompt = prompt.replace(f"{what} results", f"{one} results")
    return Problem(
        prompt,
        [
            f"An average of {goal} on {n + 1} {what} needs {n + 1} * {goal} = {goal * (n + 1)} points.",
            f"So far there are {plus(scores)} = {sum(scores)} points.",
            f"The next {one} must bring {goal * (n + 1)} - {sum(scores)} = {need}.",
        ],
        need,
    )


@family
def joining_average(r: random.Random) -> Problem:
    n, mean, shift = r.randint(4, 11), r.randint(140, 175), r.choice([-3, -2, -1, 1, 2, 3])
    new = (mean + shift) * (n + 1) - mean * n
    group, who = r.choice([("players", "player"), ("dancers", "dancer"), ("pupils", "pupil")])
    move = "rises" if shift > 0 else "falls"
    prompt = r.choice(
        [
            f"The average height of {n} {group} is {mean} cm. When another {who} joins them, the average "
            f"{move} to {mean + shift} cm. How tall is the new {who} in centimetres?",
            f"{n} {group} are {mean} cm tall on average. With one more {who}, the average is {mean + shift} "
            f"cm. What is the height of that {who} in centimetres?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The heights of the first {n} {group} add up to {n} * {mean} = {n * mean} cm.",
            f"With the new {who} the sum is {n + 1} * {mean + shift} = {(n + 1) * (mean + shift)} cm.",
            f"The new {who} is {(n + 1) * (mean + shift)} - {n * mean} = {new} cm tall.",
        ],
        new,
    )


@family
def weighted_mean(r: random.Random) -> Problem:
    a, b = r.randint(10, 30), r.randint(10, 30)
    x, y = r.randint(60, 90), r.randint(60, 90)
    if x == y or (a * x + b * y) * 10 % (a + b):
        return weighted_mean(r)
    mean = Fraction(a * x + b * y, a + b)
    prompt = r.choice(
        [
            f"One class of {a} students has an average score of {x}, and another class of {b} students has an "
            f"average of {y}. What is the average score of all the students?",
            f"On Saturday {a} visitors rate an exhibition with {x} points on average, and on Sunday {b} "
            f"visitors give {y} points on average. What is the average rating over both days?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The first group has {a} * {x} = {a * x} points in all, the second {b} * {y} = {b * y}.",
            f"Together there are {a * x} + {b * y} = {a * x + b * y} points for {a} + {b} = {a + b} people.",
            f"The average is {a * x + b * y} / {a + b} = {dec(mean)}.",
        ],
        mean,
    )


@family
def median_and_range(r: random.Random) -> Problem:
    data = r.sample(range(8, 60), r.choice([5, 7]))
    ordered = sorted(data)
    median, spread = ordered[len(data) // 2], ordered[-1] - ordered[0]
    what = r.choice(["numbers of emails", "bus delays in minutes", "numbers of visitors", "numbers of birds counted"])
    prompt = r.choice(
        [
            f"On {len(data)} days the {what} were {listed(data)}. What is the sum of the median and the range "
            "of these values?",
            f"Here are the {what} on {len(data)} days: {listed(data)}. Add the range of the values to their "
            "median. What do you get?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In order the values are {listed(ordered)}.",
            f"The median is the middle value, {median}.",
            f"The range is {ordered[-1]} - {ordered[0]} = {spread}.",
            f"The sum is {median} + {spread} = {median + spread}.",
        ],
        median + spread,
    )


@family
def temperature_mean(r: random.Random) -> Problem:
    temps = [r.randint(-9, 6) for _ in range(5)]
    temps[4] += -sum(temps) % 5
    mean = sum(temps) // 5
    place = r.choice(["Oslo", "a mountain village", "Helsinki", "a polar station", "Ottawa"])
    said = ", ".join(f"{t}°C" for t in temps[:4]) + f" and {temps[4]}°C"
    prompt = r.choice(
        [
            f"The morning temperatures in {place} on five days were {said}. What was the average temperature "
            "in degrees Celsius?",
            f"From Monday to Friday a thermometer in {place} showed {said}. Find the mean in degrees Celsius.",
        ]
    )
    expr = " + ".join(f"({t})" if t < 0 else str(t) for t in temps)
    return Problem(
        prompt,
        [
            f"The sum is {expr} = {sum(temps)}.",
            f"The average is {sum(temps)} / 5 = {mean}.",
        ],
        mean,
    )


# Geometry and scale


@family
def fence_cost(r: random.Random) -> Problem:
    a, b, gate, price = r.randint(12, 40), r.randint(8, 30), r.randint(2, 4), r.randint(6, 18)
    a, b = max(a, b), min(a, b)
    around = 2 * (a + b)
    what = r.choice(["garden", "vegetable plot", "playground", "paddock"])
    prompt = r.choice(
        [
            f"A rectangular {what} is {a} m long and {b} m wide. It gets a fence all around except for a gate "
            f"{gate} m wide. One metre of fence costs ${price}. What does the fence cost in dollars?",
            f"How many dollars does it cost to fence a rectangular {what} of {a} m by {b} m at ${price} per "
            f"metre if an opening of {gate} m is left free?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The perimeter is 2 * ({a} + {b}) = {around} m.",
            f"Without the opening, {around} - {gate} = {around - gate} m of fence are needed.",
            f"The cost is {around - gate} * ${price} = ${(around - gate) * price}.",
        ],
        (around - gate) * price,
    )


@family
def floor_tiles(r: random.Random) -> Problem:
    side = r.choice([20, 25, 30, 40, 50])
    a, b = r.randint(14, 20), r.randint(6, 13)
    pack = r.choice([6, 8, 10, 12])
    tiles = a * b
    packs = -(-tiles // pack)
    room = r.choice(["kitchen", "hallway", "balcony", "bathroom"])
    long, wide = Fraction(a * side, 100), Fraction(b * side, 100)
    prompt = r.choice(
        [
            f"A {room} floor is {dec(long)} m long and {dec(wide)} m wide. It is covered with square tiles of "
            f"{side} cm, which come in packs of {pack}. How many packs are needed?",
            f"Square tiles with sides of {side} cm are sold in packs of {pack}. How many packs does it take "
            f"to cover a {room} floor of {dec(long)} m by {dec(wide)} m?",
        ]
    )
    exact = tiles % pack == 0
    return Problem(
        prompt,
        [
            f"Along the length there are {a * side} / {side} = {a} tiles, along the width {b * side} / {side} "
            f"= {b} tiles.",
            f"In all there are {a} * {b} = {tiles} tiles.",
            f"That is {tiles} / {pack} = {packs} packs."
            if exact
            else f"{packs - 1} packs have only {(packs - 1) * pack} tiles, so {packs} packs are needed.",
        ],
        packs,
    )


@family
def border_area(r: random.Random) -> Problem:
    a, b, w = r.randint(8, 30), r.randint(5, 20), r.randint(1, 3)
    outer, inner = (a + 2 * w) * (b + 2 * w), a * b
    inside, edge = r.choice(
        [("swimming pool", "path"), ("lawn", "gravel path"), ("painting", "frame"), ("flower bed", "row of paving")]
    )
    unit, square = ("cm", "centimetres") if inside == "painting" else ("m", "metres")
    prompt = r.choice(
        [
            f"A rectangular {inside} measures {a} {unit} by {b} {unit}. A {edge} {w} {unit} wide runs all "
            f"around it. What is the area of the {edge} in square {square}?",
            f"Around a {inside} of {a} {unit} by {b} {unit} there is a {edge} with a width of {w} {unit}. How "
            f"many square {square} does the {edge} cover?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The outer rectangle is {a} + 2 * {w} = {a + 2 * w} {unit} long and {b} + 2 * {w} = {b + 2 * w} "
            f"{unit} wide.",
            f"Its area is {a + 2 * w} * {b + 2 * w} = {outer} square {square}.",
            f"The {inside} takes {a} * {b} = {inner} square {square}.",
            f"The {edge} covers {outer} - {inner} = {outer - inner} square {square}.",
        ],
        outer - inner,
    )


@family
def wall_paint(r: random.Random) -> Problem:
    a, b, h = r.randint(6, 9), r.randint(3, 5), r.choice([Fraction(5, 2), Fraction(3), Fraction(12, 5)])
    out, per = r.randint(2, 6), r.choice([5, 6, 8, 10])
    walls = 2 * (a + b) * h
    area = walls - out
    cans = math.ceil(area / per)
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"A room is {a} m long, {b} m wide and {dec(h)} m high. {p.name} paints its four walls, leaving "
            f"out {out} square metres of doors and windows. One can covers {per} square metres. How many cans "
            f"does {p.they} need?",
            f"{p.name} wants to paint the four walls of a {a} m by {b} m room that is {dec(h)} m high. Doors "
            f"and windows take up {out} square metres. If a can is enough for {per} square metres, how many "
            f"cans must {p.they} buy?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The walls are 2 * ({a} + {b}) = {2 * (a + b)} m around, so their area is {2 * (a + b)} * "
            f"{dec(h)} = {dec(walls)} square metres.",
            f"The area to paint is {dec(walls)} - {out} = {dec(area)} square metres.",
            f"{cans} cans cover {cans * per} square metres and {cans - 1} cover only {(cans - 1) * per}, so "
            f"{cans} cans are needed.",
        ],
        cans,
    )


@family
def box_of_cubes(r: random.Random) -> Problem:
    s = r.choice([2, 3, 4, 5])
    a, b, c = (r.randint(3, 12) for _ in range(3))
    what = r.choice(["sugar cubes", "dice", "wooden blocks", "wrapped sweets"])
    prompt = r.choice(
        [
            f"A box is {a * s} cm long, {b * s} cm wide and {c * s} cm high inside. How many cube-shaped "
            f"{what} with an edge of {s} cm fit into it?",
            f"How many {what} in the form of cubes with {s} cm edges can be packed into a box of {a * s} cm "
            f"by {b * s} cm by {c * s} cm?",
        ]
    )
    return Problem(
        prompt,
        [
            f"Along the edges there is room for {a * s} / {s} = {a}, {b * s} / {s} = {b} and {c * s} / {s} = "
            f"{c} cubes.",
            f"The box holds {a} * {b} * {c} = {a * b * c} cubes.",
        ],
        a * b * c,
    )


@family
def water_level(r: random.Random) -> Problem:
    a, b, rise = r.choice([20, 25, 30, 40, 50]), r.choice([10, 20, 30, 40]), r.randint(2, 9)
    start = r.randint(8, 20)
    ml = a * b * rise
    litres = Fraction(ml, 1000)
    what = r.choice(["an aquarium", "a glass tank", "a planter"])
    prompt = r.choice(
        [
            f"The bottom of {what} measures {a} cm by {b} cm, and the water in it stands {start} cm high. "
            f"Another {count(litres, 'litre')} of water {'is' if litres == 1 else 'are'} poured in, and none "
            "spills. How high is the water then, in centimetres?",
            f"Water stands at {start} cm in {what} with a base of {a} cm by {b} cm. Somebody adds "
            f"{count(litres, 'litre')}. What is the new water level in centimetres?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The added water is {dec(litres)} * 1000 = {ml} cubic centimetres.",
            f"The base has an area of {a} * {b} = {a * b} square centimetres, so the level rises by {ml} / "
            f"{a * b} = {rise} cm.",
            f"The new level is {start} + {rise} = {start + rise} cm.",
        ],
        start + rise,
    )


@family
def triangle_angles(r: random.Random) -> Problem:
    parts = r.choice(
        [
            (1, 2, 3),
            (2, 3, 4),
            (3, 4, 5),
            (1, 3, 5),
            (2, 3, 7),
            (4, 5, 6),
            (1, 4, 4),
            (2, 5, 5),
            (3, 5, 7),
            (1, 1, 4),
            (2, 7, 9),
            (5, 6, 7),
        ]
    )
    a, b, c = parts
    unit = 180 // sum(parts)
    which, size = r.choice([("largest", c * unit), ("smallest", a * unit)])
    ask = r.choice(
        [
            f"The angles of a triangle are in the ratio {a}:{b}:{c}. How many degrees is the {which} angle?",
            f"A triangular sail has angles in the ratio {a}:{b}:{c}. Find its {which} angle in degrees.",
        ]
    )
    if (which == "largest" and b == c) or (which == "smallest" and a == b):
        return triangle_angles(r)
    return Problem(
        ask,
        [
            f"The angles of a triangle add up to 180 degrees, and the ratio has {a} + {b} + {c} = {sum(parts)} parts.",
            f"One part is 180 / {sum(parts)} = {unit} degrees.",
            f"The {which} angle is {size // unit} * {unit} = {size} degrees.",
        ],
        size,
    )


@family
def right_triangle(r: random.Random) -> Problem:
    a, b, c = r.choice(
        [(3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (6, 8, 10), (9, 12, 15), (20, 21, 29), (12, 16, 20)]
    )
    p = r.choice(PEOPLE)
    kind = r.choice(["ladder", "walk", "wire"])
    if kind == "walk":
        prompt = (
            f"{p.name} walks {a} km east and then {b} km north. How many kilometres is {p.they} from "
            "the starting point in a straight line?"
        )
        steps = [
            f"The two legs form a right angle, so the distance squared is {a}^2 + {b}^2 = {a * a} + {b * b} = {c * c}.",
            f"The distance is the square root of {c * c}, which is {c} km.",
        ]
        return Problem(prompt, steps, c)
    if kind == "wire":
        prompt = (
            f"A wire of {c} m is stretched from the top of an upright mast to a peg in the ground "
            f"{a} m from its foot. How many metres high is the mast?"
        )
    else:
        prompt = (
            f"A ladder of {c} m leans against a vertical wall. Its foot is {a} m from the wall. How "
            "many metres above the level ground does it touch the wall?"
        )
    return Problem(
        prompt,
        [
            f"Wall, ground and ladder form a right triangle with hypotenuse {c} m."
            if kind == "ladder"
            else f"Mast, ground and wire form a right triangle with hypotenuse {c} m.",
            f"The height squared is {c}^2 - {a}^2 = {c * c} - {a * a} = {b * b}.",
            f"The height is the square root of {b * b}, which is {b} m.",
        ],
        b,
    )


@family
def rolling_wheel(r: random.Random) -> Problem:
    d, turns = r.choice([20, 25, 40, 50, 60, 70, 80]), r.choice([50, 100, 150, 200, 250, 400, 500])
    around = Fraction(314 * d, 100)
    metres = around * turns / 100
    what = r.choice(["bicycle", "wheelbarrow", "scooter", "measuring cart"])
    prompt = r.choice(
        [
            f"The wheel of a {what} has a diameter of {d} cm. How many metres does the {what} move in {turns} "
            "turns of the wheel? Use 3.14 for pi.",
            f"A {what} wheel of {d} cm diameter turns {turns} times. Taking pi as 3.14, how many metres does it roll?",
        ]
    )
    return Problem(
        prompt,
        [
            f"One turn covers the circumference: 3.14 * {d} = {dec(around)} cm.",
            f"{turns} turns cover {turns} * {dec(around)} = {dec(around * turns)} cm.",
            f"That is {dec(around * turns)} / 100 = {dec(metres)} m.",
        ],
        metres,
    )


@family
def shadow_height(r: random.Random) -> Problem:
    stick, k = r.randint(1, 4), r.choice([Fraction(3, 2), Fraction(5, 2), Fraction(2), Fraction(5, 4)])
    short = stick * k
    tall = r.randint(6, 30)
    long = tall * k
    thing = r.choice(["tree", "flagpole", "lighthouse", "chimney", "statue"])
    prompt = r.choice(
        [
            f"A stick {stick} m high casts a shadow of {dec(short)} m. At the same time the shadow of a "
            f"{thing} is {dec(long)} m long. How many metres high is the {thing}?",
            f"The shadow of a {thing} measures {dec(long)} m when a post of {stick} m has a shadow of "
            f"{dec(short)} m. Find the height of the {thing} in metres.",
        ]
    )
    steps = [f"A height of 1 m gives a shadow of {dec(short)} / {stick} = {dec(k)} m."]
    if stick == 1:
        steps = [f"A height of 1 m gives a shadow of {dec(k)} m."]
    return Problem(prompt, [*steps, f"The {thing} is {dec(long)} / {dec(k)} = {tall} m high."], tall)


@family
def map_scale(r: random.Random) -> Problem:
    scale, cm2 = r.choice([20000, 25000, 50000, 100000, 200000]), r.randint(5, 36)
    cm = Fraction(cm2, 2)
    km = cm * scale / 100000
    a, b = r.sample(["a castle", "a lake", "a camp site", "a bridge", "a railway station", "a summit"], 2)
    prompt = r.choice(
        [
            f"On a map with the scale 1:{scale}, the path from {a} to {b} is {dec(cm)} cm long. How many "
            "kilometres is it in reality?",
            f"A map has the scale 1:{scale}. Between {a} and {b} one measures {dec(cm)} cm. What is the real "
            "distance in kilometres?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In reality the distance is {dec(cm)} * {scale} = {dec(cm * scale)} cm.",
            f"One kilometre is 100000 cm, so this is {dec(cm * scale)} / 100000 = {dec(km)} km.",
        ],
        km,
    )


@family
def posts_along_path(r: random.Random) -> Problem:
    gap, n = r.randint(3, 12), r.randint(9, 40)
    thing = r.choice(["lamp", "tree", "flag", "bollard"])
    place = r.choice(["a straight road", "a canal", "a promenade"])
    loop = r.random() < 0.4
    if loop:
        return Problem(
            f"{thing.capitalize()}s stand every {gap} m around a circular track of {gap * n} m. How many "
            f"{thing}s are there?",
            [
                f"On a closed track, each {thing} has one gap of {gap} m after it.",
                f"So there are {gap * n} / {gap} = {n} {thing}s.",
            ],
            n,
        )
    return Problem(
        f"Along {place} of {gap * n} m there is a {thing} every {gap} m, including one at each end. How "
        f"many {thing}s are there?",
        [
            f"There are {gap * n} / {gap} = {n} gaps.",
            f"With a {thing} at both ends there is one more {thing} than gaps: {n} + 1 = {n + 1}.",
        ],
        n + 1,
    )


@family
def cutting_time(r: random.Random) -> Problem:
    n, m, per = r.randint(3, 6), r.randint(7, 14), r.randint(2, 9)
    thing = r.choice(["log", "steel pipe", "plank", "beam"])
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"{p.name} needs {per * (n - 1)} minutes to saw a {thing} into {n} pieces. How many minutes does "
            f"{p.they} need to saw an equal {thing} into {m} pieces if every cut takes the same time?",
            f"Sawing a {thing} into {n} pieces takes {per * (n - 1)} minutes. At the same time per cut, how "
            f"many minutes does it take to get {m} pieces from such a {thing}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"For {n} pieces, {n} - 1 = {n - 1} cuts are made, so one cut takes {per * (n - 1)} / {n - 1} = "
            f"{per} minutes.",
            f"For {m} pieces, {m} - 1 = {m - 1} cuts are needed.",
            f"They take {m - 1} * {per} = {(m - 1) * per} minutes.",
        ],
        (m - 1) * per,
    )


# Counting and chance


@family
def menu_choices(r: random.Random) -> Problem:
    a, b, c, k = r.randint(3, 5), r.randint(4, 7), r.randint(3, 5), r.randint(1, 2)
    sets = [
        ("starters", "main courses", "desserts", "A restaurant offers", "three-course meals"),
        ("shirts", "trousers", "jackets", "A wardrobe contains", "outfits"),
        ("cases", "screens", "keyboards", "A computer shop stocks", "combinations"),
    ]
    x, y, z, lead, whole = r.choice(sets)
    total, bad = a * b * c, k * c
    y_count = f"{b} pairs of trousers" if y == "trousers" else f"{b} {y}"
    y_one = "pair of trousers" if y == "trousers" else y[:-1]
    banned = f"{k} of the {x}" if k > 1 else f"one of the {x}"
    prompt = (
        f"{lead} {a} {x}, {y_count} and {c} {z}. One of each is chosen, but "
        f"{banned} cannot be combined with one particular {y_one}. How many different {whole} are "
        "possible?"
    )
    return Problem(
        prompt,
        [
            f"Without the restriction there are {a} * {b} * {c} = {total} {whole}.",
            f"The forbidden pairs can go with any of the {c} {z}, which rules out {k} * 1 * {c} = {bad}.",
            f"So {total} - {bad} = {total - bad} {whole} are possible.",
        ],
        total - bad,
    )


@family
def round_robin(r: random.Random) -> Problem:
    n, k = r.randint(5, 16), r.choice([1, 2])
    games = n * (n - 1) // 2
    if k == 2:
        sport = r.choice(["handball", "football", "volleyball", "hockey"])
        return Problem(
            f"In a {sport} league with {n} teams, every team plays every other team twice. How many matches "
            "are played in a season?",
            [
                f"Each of the {n} teams can be paired with {n - 1} others, and each pair is counted twice, so "
                f"there are {n} * {n - 1} / 2 = {games} pairs.",
                f"Each pair plays twice: 2 * {games} = {2 * games} matches.",
            ],
            2 * games,
        )
    scene, act = r.choice(
        [
            (f"{n} people meet, and everyone shakes hands once with everyone else.", "handshakes"),
            (f"{n} towns are each joined to every other town by one direct road.", "roads"),
            (f"{n} friends each clink glasses once with each of the others.", "clinks"),
        ]
    )
    return Problem(
        f"{scene} How many {act} are there?",
        [
            f"Each of the {n} is paired with {n - 1} others, which gives {n} * {n - 1} = {n * (n - 1)}.",
            f"Every pair has been counted twice, so there are {n * (n - 1)} / 2 = {games} {act}.",
        ],
        games,
    )


@family
def arrangements(r: random.Random) -> Problem:
    n, k = r.randint(5, 9), r.choice([2, 3])
    p = r.choice(PEOPLE)
    prompt, what = r.choice(
        [
            (
                f"{n} runners take part in a race without ties. In how many ways can the first {k} places be filled?",
                "ways",
            ),
            (
                f"{p.name} makes a code of {k} different digits, using only the digits from 1 to {n}. How many "
                "codes are possible?",
                "codes",
            ),
            (
                f"{n} people stand for election, and {k} different posts are given to {k} different people. How "
                "many results are possible?",
                "results",
            ),
        ]
    )
    factors = [n - i for i in range(k)]
    total = math.prod(factors)
    then = " and ".join(f"{f} choices for the {w}" for f, w in zip(factors[1:], ["second", "third"], strict=False))
    return Problem(
        prompt,
        [
            f"There are {n} choices for the first position, then {then}.",
            f"This gives {' * '.join(map(str, factors))} = {total} {what}.",
        ],
        total,
    )


@family
def choose_group(r: random.Random) -> Problem:
    n, m = r.randint(4, 8), r.randint(3, 6)
    x, y, what = r.choice(
        [
            ("girls", "boys", "team"),
            ("teachers", "parents", "committee"),
            ("violinists", "cellists", "ensemble"),
            ("defenders", "attackers", "squad"),
        ]
    )
    one, two = math.comb(n, 2), m
    prompt = (
        r.choice(
            [
                f"From {n} {x} and {m} {y}, a {what} of two {x} and one of the {y} is chosen. In how many ways can "
                "this be done?",
                f"A {what} consists of two {x} and one person from the {y}. There are {n} {x} and {m} {y} to choose "
                f"from. How many different {what}s are possible?",
            ]
        )
        .replace("a ensemble", "an ensemble")
        .replace("A ensemble", "An ensemble")
    )
    return Problem(
        prompt,
        [
            f"Two of {n} {x} can be chosen in {n} * {n - 1} / 2 = {one} ways, since the order does not matter.",
            f"One of the {y} can be chosen in {m} ways.",
            f"Together there are {one} * {m} = {one * two} possibilities.",
        ],
        one * two,
    )


@family
def draw_percentage(r: random.Random) -> Problem:
    total = r.choice([20, 25, 40, 50])
    a = r.randint(3, total // 3)
    b = r.randint(3, total // 3)
    c = total - a - b
    chance = Fraction(100 * (total - a), total)
    x, y, z, thing, bag = r.choice(
        [
            ("red", "blue", "green", "marbles", "bag"),
            ("lemon", "cherry", "mint", "sweets", "jar"),
            ("white", "black", "grey", "socks", "drawer"),
        ]
    )
    prompt = r.choice(
        [
            f"A {bag} contains {a} {x}, {b} {y} and {c} {z} {thing}. One is taken at random. What is the "
            f"probability, in percent, that it is not {x}?",
            f"There are {a} {x}, {b} {y} and {c} {z} {thing} in a {bag}. If one of them is picked without "
            f"looking, what is the chance in percent that it is {y} or {z}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"There are {a} + {b} + {c} = {total} {thing}.",
            f"{b} + {c} = {b + c} of them are {y} or {z}.",
            f"The probability is {b + c} / {total} = {dec(chance / 100)}, or {dec(chance)}%.",
        ],
        chance,
    )


@family
def expected_hits(r: random.Random) -> Problem:
    sides, good, plays = r.choice(
        [
            (6, 2, 90),
            (8, 3, 120),
            (10, 3, 250),
            (12, 5, 144),
            (5, 2, 75),
            (20, 7, 300),
            (6, 1, 72),
            (8, 5, 64),
            (10, 7, 40),
            (5, 3, 95),
        ]
    )
    p = r.choice(PEOPLE)
    plays *= r.choice([1, 2, 3])
    tool, act = r.choice(
        [("wheel with {} equal sectors", "spins it"), ("fair die with {} faces", "rolls it")][
            : 2 if sides in (6, 8, 12, 20) else 1
        ]
    )
    name = "sector" if "wheel" in tool else "face"
    marked = f"{good} of which are marked" if good > 1 else "one of which is marked"
    prompt = (
        f"{p.name} has a {tool.format(sides)}, {marked} with a star, and {act} {plays} times. "
        f"How many stars can {p.they} expect?"
    )
    hits = plays * good // sides
    return Problem(
        prompt,
        [
            f"The probability of a star is {good}/{sides}, because {count(good, name)} of {sides} "
            f"{'has' if good == 1 else 'have'} one.",
            f"In {plays} tries one expects {plays} * {good} / {sides} = {hits} stars.",
        ],
        hits,
    )


@family
def two_draws(r: random.Random) -> Problem:
    n = r.choice([5, 6, 16, 25])
    good = r.randint(2, n - 2)
    share = Fraction(100 * good * (good - 1), n * (n - 1))
    try:
        dec(share)
    except ValueError:
        return two_draws(r)
    thing, mark, place = r.choice(
        [
            ("tiles", "blue", "box"),
            ("cards", "red", "stack"),
            ("balls", "yellow", "bag"),
            ("batteries", "charged", "drawer"),
        ]
    )
    prompt = r.choice(
        [
            f"A {place} holds {n} {thing}, of which {good} are {mark}. Two are drawn one after the other "
            f"without being put back. What is the probability, in percent, that both are {mark}?",
            f"{good} of the {n} {thing} in a {place} are {mark}. Someone takes two of them at random at once. "
            f"How likely is it, in percent, that both are {mark}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The first is {mark} with probability {good}/{n}, and then the second with {good - 1}/{n - 1}.",
            f"Both together: ({good} * {good - 1}) / ({n} * {n - 1}) = {good * (good - 1)} / {n * (n - 1)} = "
            f"{dec(share / 100)}.",
            f"That is {dec(share)}%.",
        ],
        share,
    )


@family
def venn_both(r: random.Random) -> Problem:
    both, a, b, none = r.randint(3, 12), r.randint(5, 16), r.randint(5, 16), r.randint(1, 9)
    total = both + a + b + none
    x, y, who = r.choice(
        [
            ("play chess", "play tennis", "children"),
            ("speak French", "speak Spanish", "guides"),
            ("own a cat", "own a dog", "families"),
            ("like jazz", "like opera", "listeners"),
            ("can swim", "can ski", "campers"),
        ]
    )
    prompt = r.choice(
        [
            f"Of {total} {who}, {a + both} {x}, {b + both} {y} and {none} do neither. How many belong to both groups?",
            f"A survey asks {total} {who}: {a + both} {x}, {b + both} {y}, and for {none} neither is true. How "
            "many belong to both groups?",
        ]
    )
    if x.startswith(("own", "like", "can")):
        prompt = prompt.replace(f"and {none} do neither", f"and for {none} neither is true")
    if none == 1:
        prompt = prompt.replace("1 do neither", "1 does neither")
    return Problem(
        prompt,
        [
            f"{total} - {none} = {total - none} {who} belong to at least one group.",
            f"The two groups add up to {a + both} + {b + both} = {a + b + 2 * both}, which counts those in both twice.",
            f"So {a + b + 2 * both} - {total - none} = {both} belong to both.",
        ],
        both,
    )


@family
def venn_exactly_one(r: random.Random) -> Problem:
    both, a, b = r.randint(4, 20), r.randint(6, 30), r.randint(6, 30)
    x, y, who, verb = r.choice(
        [
            ("football", "athletics", "club members", "do"),
            ("the morning talk", "the evening talk", "guests", "attend"),
            ("physics", "biology", "pupils", "take"),
            ("the local paper", "a sports magazine", "neighbours", "read"),
        ]
    )
    prompt = r.choice(
        [
            f"{a + both} {who} {verb} {x}, {b + both} {verb} {y}, and {both} {verb} both. How many {verb} "
            "exactly one of the two?",
            f"Among some {who}, {a + both} {verb} {x} and {b + both} {verb} {y}; {both} of these {verb} both. "
            f"How many {who} {verb} only one of them?",
        ]
    )
    return Problem(
        prompt,
        [
            f"Only {x}: {a + both} - {both} = {a}.",
            f"Only {y}: {b + both} - {both} = {b}.",
            f"Exactly one: {a} + {b} = {a + b}.",
        ],
        a + b,
    )


# Remainders, multiples, patterns


@family
def packing_remainder(r: random.Random) -> Problem:
    size, full, rest = r.randint(6, 24), r.randint(5, 30), r.randint(1, 5)
    total = size * full + rest
    ask_boxes = r.random() < 0.5
    thing, box, plural = r.choice(
        [
            ("eggs", "carton", "cartons"),
            ("pupils", "minibus", "minibuses"),
            ("books", "crate", "crates"),
            ("photos", "album page", "album pages"),
        ]
    )
    if ask_boxes:
        return Problem(
            f"{total} {thing} are to be placed in {plural} that hold {size} each. How many {plural} are "
            f"needed for all the {thing}?",
            [
                f"{full} full {plural} hold {full} * {size} = {full * size} {thing}.",
                f"{total} - {full * size} = {rest} {'is' if rest == 1 else 'are'} left, so one more is needed: "
                f"{full} + 1 = {full + 1}.",
            ],
            full + 1,
        )
    return Problem(
        f"{total} {thing} fill as many {plural} of {size} as possible. How many more {thing} would be needed "
        f"to fill the last {box}, too?",
        [
            f"{total} / {size} gives {full} full {plural} with {total} - {full} * {size} = {rest} left over.",
            f"The last {box} has {size} - {rest} = {size - rest} free places.",
        ],
        size - rest,
    )


@family
def two_remainders(r: random.Random) -> Problem:
    a, b = r.choice([(7, 5), (9, 4), (8, 5), (11, 6), (9, 7), (7, 4), (11, 4), (8, 7), (10, 7)])
    x, y = r.randint(1, a - 1), r.randint(1, b - 1)
    tried = [x]
    while tried[-1] % b != y:
        tried.append(tried[-1] + a)
    if len(tried) < 3:
        return two_remainders(r)
    p, number = r.choice(PEOPLE), tried[-1]
    thing = r.choice(["stamps", "shells", "coins", "toy cars"])
    prompt = r.choice(
        [
            f"{p.name} has some {thing}. Put in rows of {a}, {x} {'is' if x == 1 else 'are'} left over; in rows "
            f"of {b}, {y} {'is' if y == 1 else 'are'} left over. What is the smallest number of {thing} "
            f"{p.they} can have?",
            f"What is the smallest positive whole number that leaves remainder {x} when divided by {a} and "
            f"remainder {y} when divided by {b}?",
        ]
    )
    return Problem(
        prompt,
        [
            f"Numbers with remainder {x} on division by {a} are {listed(tried)}, and so on.",
            f"Their remainders on division by {b} are {listed([t % b for t in tried])}.",
            f"The first with remainder {y} is {number}.",
        ],
        number,
    )


@family
def common_multiple(r: random.Random) -> Problem:
    a, b, c = r.sample([4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20], 3)
    ab = math.lcm(a, b)
    n = math.lcm(ab, c)
    if n > 400:
        return common_multiple(r)
    prompt = r.choice(
        [
            f"Three lights flash every {a}, {b} and {c} seconds. They have just flashed together. After how many "
            "seconds do they next flash together?",
            f"Buses on three lines leave a terminal every {a}, {b} and {c} minutes. At noon all three leave "
            "together. How many minutes later does this happen again?",
            f"Three gardeners water the same park every {a}, {b} and {c} days. Today all of them are there. In "
            "how many days will all of them be there again?",
        ]
    )
    return Problem(
        prompt,
        [
            f"We need the least common multiple of {a}, {b} and {c}.",
            f"The least common multiple of {a} and {b} is {ab}.",
            f"The least common multiple of {ab} and {c} is {n}.",
        ],
        n,
    )


@family
def common_divisor(r: random.Random) -> Problem:
    g = r.choice([6, 8, 9, 12, 14, 15, 18])
    a, b = r.choice([(3, 4), (2, 5), (4, 5), (3, 7), (5, 6), (4, 7), (5, 8), (3, 8)])
    x, y = a * g, b * g
    prompt, unit = r.choice(
        [
            (
                f"Two ribbons of {x} cm and {y} cm are cut into pieces of the same length, as long as possible, with "
                "nothing left over. How many pieces are there in total?",
                "pieces",
            ),
            (
                f"A florist has {x} roses and {y} lilies and makes as many identical bouquets as possible, using all "
                "the flowers. How many flowers are in one bouquet?",
                "flowers",
            ),
            (
                f"A floor of {x} dm by {y} dm is laid with equal square tiles that are as large as possible. How many "
                "tiles are needed?",
                "tiles",
            ),
        ]
    )
    first = f"The greatest common divisor of {x} and {y} is {g}."
    if unit == "tiles":
        return Problem(
            prompt,
            [
                first,
                f"With tiles of {g} dm, there are {x} / {g} = {a} along one side and {y} / {g} = {b} along the other.",
                f"That makes {a} * {b} = {a * b} tiles.",
            ],
            a * b,
        )
    if unit == "pieces":
        return Problem(
            prompt,
            [
                first,
                f"The pieces are {g} cm long, so there are {x} / {g} = {a} and {y} / {g} = {b} of them.",
                f"In total there are {a} + {b} = {a + b} pieces.",
            ],
            a + b,
        )
    return Problem(
        prompt,
        [
            first,
            f"There are {g} bouquets, each with {x} / {g} = {a} roses and {y} / {g} = {b} lilies.",
            f"One bouquet has {a} + {b} = {a + b} flowers.",
        ],
        a + b,
    )


@family
def growing_rows(r: random.Random) -> Problem:
    first, step, n = r.randint(5, 20), r.randint(2, 5), r.randint(8, 20)
    last = first + (n - 1) * step
    twice = (first + last) * n
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"A theatre has {n} rows. The first row has {first} seats, and each row has {step} more than the row "
            "before. How many seats are there?",
            f"{p.name} does {first} push-ups on the first day and {step} more each day than the day before. How "
            f"many push-ups does {p.they} do in {n} days altogether?",
            f"Pipes are stacked in {n} layers. The top layer has {first} pipes, and each layer below has {step} "
            "more than the one above it. How many pipes are in the stack?",
        ]
    )
    return Problem(
        prompt,
        [
            f"The last number is {first} + {n - 1} * {step} = {last}.",
            f"The sum is {n} * ({first} + {last}) / 2 = {twice} / 2 = {twice // 2}.",
        ],
        twice // 2,
    )


@family
def doubling(r: random.Random) -> Problem:
    start, k, n, every = r.randint(3, 40), r.choice([2, 2, 3]), r.randint(3, 6), r.choice([2, 3, 4, 5])
    word = {2: "doubles", 3: "triples"}[k]
    what, unit = r.choice(
        [
            ("number of bacteria in a dish", "hours"),
            ("number of duckweed plants in a pond", "days"),
            ("number of users of an app", "weeks"),
        ]
    )
    values = [start * k**i for i in range(n + 1)]
    prompt = r.choice(
        [
            f"The {what} {word} every {every} {unit}. At the start it is {start}. What is it after {n * every} {unit}?",
            f"Starting from {start}, the {what} {word} every {every} {unit}. How large is it {n * every} {unit} later?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In {n * every} {unit} it {word} {n * every} / {every} = {n} times.",
            f"Step by step: {' -> '.join(map(str, values))}.",
            f"So it is {values[-1]}.",
        ],
        values[-1],
    )


@family
def match_pattern(r: random.Random) -> Problem:
    shape, first, more = r.choice([("squares", 4, 3), ("triangles", 3, 2), ("hexagons", 6, 5), ("pentagons", 5, 4)])
    n = r.randint(9, 50)
    total = first + (n - 1) * more
    prompt, answer, steps = r.choice(
        [
            (
                f"A row of {shape} is laid with matches so that neighbours share one match. The first takes {first} "
                f"matches, and each further one takes {more}. How many matches do {n} {shape} need?",
                total,
                [
                    f"After the first there are {n} - 1 = {n - 1} more, with {more} matches each: {n - 1} * {more} = "
                    f"{(n - 1) * more}.",
                    f"In total that is {first} + {(n - 1) * more} = {total} matches.",
                ],
            ),
            (
                f"{total} matches are used for a row of {shape} in which neighbours share one match. The first uses "
                f"{first} matches and every other one {more}. How many {shape} are in the row?",
                n,
                [
                    f"After the first, {total} - {first} = {total - first} matches are left.",
                    f"They make {total - first} / {more} = {n - 1} further {shape}.",
                    f"With the first one there are {n - 1} + 1 = {n} {shape}.",
                ],
            ),
        ]
    )
    return Problem(prompt, steps, answer)


@family
def page_digits(r: random.Random) -> Problem:
    n = r.randint(40, 360)
    two = min(n, 99) - 9
    three = max(0, n - 99)
    total = 9 + 2 * two + 3 * three
    thing = r.choice(["page", "locker", "seat"])
    prompt = r.choice(
        [
            f"How many digits are written when {thing}s are numbered from 1 to {n}?",
            f"A printer numbers {n} {thing}s, starting with 1. How many digits does it print in all?",
        ]
    )
    steps = [
        "The numbers from 1 to 9 have 9 digits.",
        f"The numbers from 10 to {min(n, 99)} have {two} * 2 = {2 * two} digits.",
    ]
    if three:
        verb = "The number 100 has" if three == 1 else f"The numbers from 100 to {n} have"
        steps.append(f"{verb} {three} * 3 = {3 * three} digits.")
    parts = [9, 2 * two] + ([3 * three] if three else [])
    return Problem(prompt, [*steps, f"In all there are {plus(parts)} = {total} digits."], total)


# Units, calendar, sports, everyday stories


@family
def dripping_tap(r: random.Random) -> Problem:
    drops, ten = r.choice([20, 25, 30, 40, 50]), r.choice([1, 2, 3, 4])
    hours = r.choice([5, 10, 12, 24, 48])
    drop = Fraction(ten, 10)
    per_hour = drops * drop * 60
    litres = per_hour * hours / 1000
    what = r.choice(["tap", "pipe", "shower head"])
    prompt = r.choice(
        [
            f"A {what} loses {drops} drops a minute, and each drop is {dec(drop)} ml. How many litres does it "
            f"lose in {hours} hours?",
            f"Each minute {drops} drops of {dec(drop)} ml fall from a leaking {what}. How many litres of water "
            f"are wasted in {hours} hours?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In a minute the loss is {drops} * {dec(drop)} = {dec(drops * drop)} ml, in an hour 60 * "
            f"{dec(drops * drop)} = {dec(per_hour)} ml.",
            f"In {hours} hours it is {hours} * {dec(per_hour)} = {dec(per_hour * hours)} ml.",
            f"Since 1 litre is 1000 ml, this is {dec(litres)} litres.",
        ],
        litres,
    )


@family
def unit_conversion(r: random.Random) -> Problem:
    kind = r.choice(["rope", "weight", "bottle", "speed"])
    p = r.choice(PEOPLE)
    if kind == "rope":
        half, piece = r.randint(11, 49), r.choice([25, 40, 50, 75])
        cm = half * 50
        n = cm // piece
        return Problem(
            f"A rope is {dec(Fraction(half, 2))} m long. {p.name} cuts off as many pieces of {piece} cm as "
            "possible. How many pieces are there?",
            [
                f"The rope is {dec(Fraction(half, 2))} * 100 = {cm} cm long.",
                f"{n} * {piece} = {n * piece}, and one more piece would need {(n + 1) * piece} cm, so there are "
                f"{n} pieces.",
            ],
            n,
        )
    if kind == "weight":
        n, g, box = r.randint(12, 48), r.choice([125, 250, 350, 450, 750]), r.choice([400, 600, 800])
        total = Fraction(n * g + box, 1000)
        return Problem(
            f"A crate weighs {box} g when empty. {p.name} puts in {n} jars of {g} g each. What does the full "
            "crate weigh in kilograms?",
            [
                f"The jars weigh {n} * {g} = {n * g} g.",
                f"With the crate it is {n * g} + {box} = {n * g + box} g.",
                f"That is {n * g + box} / 1000 = {dec(total)} kg.",
            ],
            total,
        )
    if kind == "bottle":
        glasses, ml, bottle = r.randint(20, 90), r.choice([150, 200, 250]), r.choice([750, 1500, 2000])
        n = -(-glasses * ml // bottle)
        size = dec(Fraction(bottle, 1000))
        return Problem(
            f"For a party {p.name} wants to pour {glasses} glasses of {ml} ml from bottles of {size} litres. "
            f"How many bottles does {p.they} need?",
            [
                f"The glasses take {glasses} * {ml} = {glasses * ml} ml.",
                f"A bottle holds {size} * 1000 = {bottle} ml.",
                f"{n - 1} bottles hold {(n - 1) * bottle} ml, which is too little; {n} bottles hold {n * bottle} "
                f"ml, so {n} are needed.",
            ],
            n,
        )
    ms = r.randint(2, 40)
    kmh = Fraction(ms * 3600, 1000)
    who = "runner" if ms < 9 else ("cyclist" if ms < 16 else "train")
    return Problem(
        f"A {who} covers {ms} metres per second. How many kilometres per hour is that?",
        [
            f"In one hour, which is 3600 seconds, the distance is {ms} * 3600 = {ms * 3600} m.",
            f"That is {ms * 3600} / 1000 = {dec(kmh)} km, so the speed is {dec(kmh)} km/h.",
        ],
        kmh,
    )


MONTHS = [
    ("January", 31),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
]


@family
def days_between(r: random.Random) -> Problem:
    i = r.randrange(1, len(MONTHS) - 2)
    (m1, d1), (m2, d2), (m3, _) = MONTHS[i : i + 3]
    start, end = r.randint(5, 26), r.randint(4, 27)
    first = d1 - start + 1
    total = first + d2 + end
    what = r.choice(["An exhibition", "A building site", "A ski lift", "A summer school", "A holiday camp"])
    if what == "A ski lift":
        what = "A river ferry"
    prompt = r.choice(
        [
            f"{what} is open from {start} {m1} to {end} {m3}, both days included. How many days is that?",
            f"{what} opens on {start} {m1} and closes after {end} {m3} of the same year. On how many days is it "
            "open if there is no day off?",
        ]
    )
    return Problem(
        prompt,
        [
            f"In {m1} there are {d1} - {start} + 1 = {first} days.",
            f"{m2} has {d2} days, and in {m3} there are {end}.",
            f"Together: {first} + {d2} + {end} = {total} days.",
        ],
        total,
    )


@family
def nth_weekday(r: random.Random) -> Problem:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    known, date, want = r.randrange(7), r.randint(1, 7), r.randrange(7)
    if want == known:
        return nth_weekday(r)
    nth = r.randint(2, 4)
    first = (date + want - known - 1) % 7 + 1
    answer = first + 7 * (nth - 1)
    month = r.choice(MONTHS)[0]
    word = {2: "second", 3: "third", 4: "fourth"}[nth]
    event = r.choice(["club meeting", "flea market", "choir rehearsal", "book fair", "staff meeting"])
    prompt = r.choice(
        [
            f"In some year, {date} {month} is a {days[known]}. The {event} is on the {word} {days[want]} of "
            f"{month}. On which day of the month is it? Give the number.",
            f"A {event} takes place on the {word} {days[want]} of {month}. This year the {ordinal(date)} of the "
            f"month is a {days[known]}. What is the date of the {event}? Give the day of the month as a number.",
        ]
    )
    move = first - date
    shift = f"{count(abs(move), 'day')} {'later' if move > 0 else 'earlier'}"
    return Problem(
        prompt,
        [
            f"{date} {month} is a {days[known]}, so the first {days[want]} is {shift}, on the {ordinal(first)}.",
            f"The {word} {days[want]} is {count(nth - 1, 'week')} after that: {first} + {nth - 1} * 7 = {answer}.",
        ],
        answer,
    )


@family
def league_points(r: random.Random) -> Problem:
    wins, draws, losses = r.randint(5, 20), r.randint(2, 9), r.randint(2, 10)
    games, points = wins + draws + losses, 3 * wins + draws
    team = r.choice(["The Falcons", "The Rovers", "The Comets", "The Harbour Lions", "The Night Owls"])
    prompt = r.choice(
        [
            f"In a league a win brings 3 points, a draw 1 point and a defeat nothing. {team} have played "
            f"{games} matches, lost {losses} of them and have {points} points. How many matches did they win?",
            f"{team} have {points} points after {games} matches, with {losses} defeats. A win counts 3 points, "
            "a draw 1 point and a defeat 0. How many wins are there?",
        ]
    )
    return Problem(
        prompt,
        [
            f"{games} - {losses} = {games - losses} matches were won or drawn.",
            f"If all of these were draws, they would give {games - losses} points, but there are {points} - "
            f"{games - losses} = {points - games + losses} more.",
            f"A win gives 2 points more than a draw, so there were {points - games + losses} / 2 = {wins} wins.",
        ],
        wins,
    )


@family
def basketball(r: random.Random) -> Problem:
    twos, threes, free = r.randint(4, 15), r.randint(2, 8), r.randint(1, 9)
    points = 2 * twos + 3 * threes + free
    p = r.choice(PEOPLE)
    prompt = r.choice(
        [
            f"In a basketball game {p.name} scored {points} points with two-point shots, {threes} three-point "
            f"shots and {free} free throw{'s' if free > 1 else ''} worth one point each. How many two-point shots "
            f"did {p.they} make?",
            f"{p.name}'s {points} points come from {threes} three-pointers, {free} one-point free "
            f"throw{'s' if free > 1 else ''} and some two-point baskets. How many two-point baskets are there?",
        ]
    )
    if free == 1:
        prompt = prompt.replace(" worth one point each", " worth one point")
    return Problem(
        prompt,
        [
            f"The three-point shots give {threes} * 3 = {3 * threes} points.",
            f"Without them and the free throw{'s' if free > 1 else ''}, {points} - {3 * threes} - {free} = "
            f"{2 * twos} points are left.",
            f"These come from {2 * twos} / 2 = {twos} two-point shots.",
        ],
        twos,
    )


@family
def knockout(r: random.Random) -> Problem:
    n, length = r.choice([16, 32, 64, 128, 48, 100]), r.choice([20, 25, 30, 40])
    games = n - 1
    sport = r.choice(["tennis", "table tennis", "chess", "badminton", "fencing"])
    prompt, answer, last = r.choice(
        [
            (
                f"{n} players enter a {sport} tournament in which the loser of every match is out. How many matches "
                "are played until the winner is known?",
                games,
                [],
            ),
            (
                f"In a {sport} knockout event with {n} players, each match takes {length} minutes. How many minutes "
                "of play are there in all?",
                games * length,
                [f"They take {games} * {length} = {games * length} minutes."],
            ),
        ]
    )
    return Problem(
        prompt,
        [
            f"Every match sends exactly one player home, and all but one of the {n} must go.",
            f"So there are {n} - 1 = {games} matches.",
            *last,
        ],
        answer,
    )


@family
def bus_passengers(r: random.Random) -> Problem:
    start = r.randint(14, 40)
    off1, on1 = r.randint(2, 12), r.randint(1, 12)
    mid = start - off1 + on1
    half = mid % 2 == 0 and mid > 4
    if not half:
        return bus_passengers(r)
    on2 = r.randint(2, 9)
    what = r.choice(["bus", "tram", "ferry", "cable car"])
    end = mid // 2 + on2
    prompt = r.choice(
        [
            f"A {what} leaves with {start} passengers. At the first stop {off1} get off and {on1} get on. At the "
            f"second stop half of the passengers get off and {on2} get on. How many passengers are on board now?",
            f"{start} people are on a {what}. First {off1} leave it and {on1} join; at the next stop half of the "
            f"people leave and {on2} join. How many people are then on the {what}?",
        ]
    )
    if on1 == 1:
        prompt = prompt.replace("and 1 get on", "and 1 gets on").replace("and 1 join", "and 1 joins")
    return Problem(
        prompt,
        [
            f"After the first stop there are {start} - {off1} + {on1} = {mid}.",
            f"At the second stop {mid} / 2 = {mid // 2} get off, so {mid // 2} stay.",
            f"With {on2} new ones there are {mid // 2} + {on2} = {end}.",
        ],
        end,
    )


@family
def equal_sharing(r: random.Random) -> Problem:
    a, b = r.sample(PEOPLE, 2)
    give, small = r.randint(3, 14), r.randint(5, 40)
    big = small + 2 * give
    thing = r.choice(["marbles", "stickers", "trading cards", "sweets", "seashells"])
    prompt = r.choice(
        [
            f"{a.name} has {big} {thing} and {b.name} has {small}. How many {thing} must {a.name} give to "
            f"{b.name} so that both have the same number?",
            f"{a.name} owns {big} {thing}, {b.name} only {small}. They want to have equally many. How many "
            f"should {a.name} hand over?",
            f"If {a.name} gives {b.name} {give} of {a.their} {thing}, both have equally many. Now {a.name} has "
            f"{big}. How many does {b.name} have now?",
        ]
    )
    if prompt.startswith("If"):
        return Problem(
            prompt,
            [
                f"After giving, {a.name} has {big} - {give} = {big - give} {thing}, and {b.name} has as many.",
                f"Before receiving {give}, {b.name} had {big - give} - {give} = {small}.",
            ],
            small,
        )
    return Problem(
        prompt,
        [
            f"{a.name} has {big} - {small} = {big - small} more {thing}.",
            f"Giving away half of the difference makes both equal: {big - small} / 2 = {give}.",
        ],
        give,
    )


@family
def production_rate(r: random.Random) -> Problem:
    a, mins, made = r.randint(2, 6), r.choice([5, 6, 10, 12, 15]), r.randint(3, 9)
    b, hours = r.randint(7, 12), r.randint(2, 8)
    what, thing = r.choice(
        [("printers", "posters"), ("ovens", "pizzas"), ("machines", "bottle caps"), ("robots", "circuit boards")]
    )
    first = a * made
    rounds = hours * 60 // mins
    total = b * made * rounds
    prompt = r.choice(
        [
            f"{a} {what} make {first} {thing} in {mins} minutes. How many {thing} do {b} such {what} make in "
            f"{hours} hours?",
            f"In {mins} minutes, {a} equal {what} turn out {first} {thing}. At this rate, how many {thing} come "
            f"from {b} {what} in {hours} hours?",
        ]
    )
    return Problem(
        prompt,
        [
            f"One of the {what} makes {first} / {a} = {made} {thing} in {mins} minutes.",
            f"{hours} hours are {hours * 60} minutes, or {hours * 60} / {mins} = {rounds} times {mins} minutes.",
            f"So {b} {what} make {b} * {made} * {rounds} = {total} {thing}.",
        ],
        total,
    )


@family
def percent_of_group(r: random.Random) -> Problem:
    total = 20 * r.randint(6, 45)
    p1, p2 = r.choice([20, 25, 30, 35, 40, 45]), r.choice([10, 20, 25, 40, 50, 60])
    part = total * p1 // 100
    if part * p2 % 100:
        return percent_of_group(r)
    sub = part * p2 // 100
    prompt = r.choice(
        [
            f"A school has {total} students. {p1}% of them come by bicycle, and {p2}% of these wear a yellow "
            "vest. How many students come by bicycle without a yellow vest?",
            f"Of {total} trees in a park, {p1}% are fruit trees, and {p2}% of the fruit trees are apple trees. "
            "How many fruit trees are not apple trees?",
            f"An orchestra library owns {total} scores. {p1}% of them are symphonies, and {p2}% of the symphonies "
            "are on loan. How many symphonies are on the shelf?",
        ]
    )
    return Problem(
        prompt,
        [
            f"{p1}% of {total} is {dec(Fraction(p1, 100))} * {total} = {part}.",
            f"{p2}% of {part} is {dec(Fraction(p2, 100))} * {part} = {sub}.",
            f"The others are {part} - {sub} = {part - sub}.",
        ],
        part - sub,
    )


def _row(problem: Problem) -> dict:
    answer = dec(problem.answer)
    solution = "\n".join([*problem.steps, f"The answer is {answer}."])
    return {
        "messages": [
            {"role": "user", "content": problem.prompt},
            {"role": "assistant", "content": solution},
        ],
        "answer": answer,
    }


def family_rows(name: str) -> list[dict]:
    """The rows of one family: the same on every call, whatever other families exist.

    Args:
        name: a key of FAMILIES.

    Returns:
        ROWS_PER_FAMILY rows with different prompts.
    """
    source = random.Random(f"{SEED} {name}")
    found: dict[str, dict] = {}
    while len(found) < ROWS_PER_FAMILY:
        problem = FAMILIES[name](source)
        found.setdefault(problem.prompt, _row(problem))
    return list(found.values())


def groups() -> dict[str, list[dict]]:
    """Family name to its rows, for splits that keep a family on one side."""
    return {name: family_rows(name) for name in FAMILIES}


def rows() -> list[dict]:
    """All rows, the families taken in turn so that any stretch of the file is mixed."""
    return [row for turn in zip(*groups().values(), strict=True) for row in turn]


def main() -> None:
    """Writes TARGET."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    TARGET.write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
