"""The hand-written material behind make_code.py: the tables PROBLEMS, PRINTS and REFACTORINGS.

Nothing comes in and nothing is computed. The file is long because it is data.

A Problem holds a correct solution, checks ("expression == literal", run in order after `setup`
and the import in `needs`), one sentence on the idea, and a bug: a piece of the solution, what it
was mistaken for, and one sentence that names the mistake. A Print is a snippet and why it prints
what it prints. A Refactoring is code before and after, and asserts that the code after satisfies.
"""

from typing import NamedTuple


class Problem(NamedTuple):
    """One programming problem; `spec` continues "Write a function `name` that ..."."""

    signature: str
    spec: str
    code: str
    checks: tuple[str, ...]
    idea: str
    bug: tuple[str, str] = ("", "")
    why: str = ""
    setup: str = ""
    needs: str = ""
    kind: str = "function"

    @property
    def name(self) -> str:
        """The bare name of the function or class."""
        return self.signature.split("(")[0]


class Print(NamedTuple):
    """A snippet that prints, and the reason for its output."""

    code: str
    why: str


class Refactoring(NamedTuple):
    """An instruction, the code before and after it, and asserts that hold for both."""

    task: str
    before: str
    after: str
    test: str


def _problem(
    signature: str,
    spec: str,
    code: str,
    checks: str,
    idea: str,
    *more: str,
    setup: str = "",
    needs: str = "",
    kind: str = "function",
) -> Problem:
    """Builds a Problem; `more` is the good piece, the faulty piece and the reason, or nothing."""
    good, faulty, why = more or ("", "", "")
    return Problem(
        signature,
        spec,
        code.strip("\n") + "\n",
        tuple(checks.strip().split("\n")),
        idea,
        (good, faulty),
        why,
        setup.strip("\n"),
        needs,
        kind,
    )


PROBLEMS = [
    # Strings
    _problem(
        "count_vowels(text)",
        "returns how many vowels (a, e, i, o, u) a string contains, ignoring case",
        """
def count_vowels(text):
    return sum(letter in "aeiou" for letter in text.lower())
""",
        """count_vowels("Banana") == 3
count_vowels("rhythm") == 0
count_vowels("AEIou") == 5""",
        "Each comparison gives True or False, and True counts as 1 in a sum.",
        "text.lower()",
        "text",
        "The text was not converted to lower case, so capital vowels were missed.",
    ),
    _problem(
        "is_palindrome(text)",
        "tells whether a text reads the same in both directions when case and "
        "everything but letters and digits are ignored",
        """
def is_palindrome(text):
    kept = [c.lower() for c in text if c.isalnum()]
    return kept == kept[::-1]
""",
        """is_palindrome("Never odd or even") == True
is_palindrome("palindrome") == False
is_palindrome("1a2") == False""",
        "The relevant characters are collected first and then compared with their reversal.",
        "c.isalnum()",
        "c.isalpha()",
        "`isalpha` also drops the digits, so texts that differ only in digits "
        "count as palindromes; `isalnum` keeps them.",
    ),
    _problem(
        "initials(full_name)",
        "returns the upper-case initials of a name, each followed by a dot",
        """
def initials(full_name):
    return "".join(part[0].upper() + "." for part in full_name.split())
""",
        '''initials("ada lovelace") == "A.L."
initials("Jean  Luc Picard") == "J.L.P."
initials("") == ""''',
        "`split()` without an argument also copes with several spaces in a row.",
        "full_name.split()",
        'full_name.split(" ")',
        '`split(" ")` yields empty parts for double spaces and for an empty name, and those have no first letter.',
    ),
    _problem(
        "caesar(text, shift)",
        "shifts every letter a-z and A-Z by `shift` places in the alphabet, wrapping "
        "around, and leaves other characters alone",
        """
def caesar(text, shift):
    out = []
    for c in text:
        if c.isascii() and c.isalpha():
            base = ord("A") if c.isupper() else ord("a")
            c = chr((ord(c) - base + shift) % 26 + base)
        out.append(c)
    return "".join(out)
""",
        '''caesar("xyz", 3) == "abc"
caesar("Hello, World!", 5) == "Mjqqt, Btwqi!"
caesar(caesar("Round trip", 9), -9) == "Round trip"''',
        "Subtracting the base letter gives a number from 0 to 25 that can wrap around with `% 26`.",
        "(ord(c) - base + shift) % 26 + base",
        "ord(c) + shift",
        "Letters near the end of the alphabet ran past z because the shift did not wrap around.",
    ),
    _problem(
        "compress(text)",
        "run-length encodes a string, so that 'aaab' becomes 'a3b1'",
        """
from itertools import groupby


def compress(text):
    return "".join(f"{char}{len(list(group))}" for char, group in groupby(text))
""",
        '''compress("aaab") == "a3b1"
compress("") == ""
compress("abba") == "a1b2a1"''',
        "`groupby` collects equal neighbours, and the length of each group is the count.",
        "groupby(text)",
        "groupby(sorted(text))",
        "Sorting the text first merges runs that are not next to each other.",
    ),
    _problem(
        "decompress(code)",
        "reverses a run-length encoding such as 'a3b12' (a letter, then its count)",
        """
import re


def decompress(code):
    return "".join(char * int(count) for char, count in re.findall(r"([a-zA-Z])(\\d+)", code))
""",
        '''decompress("a3b1") == "aaab"
decompress("") == ""
decompress("x12") == "xxxxxxxxxxxx"''',
        "The regular expression finds pairs of one letter and the digits behind it.",
        r"(\d+)",
        r"(\d)",
        "The pattern took only one digit, so counts of 10 or more were cut.",
    ),
    _problem(
        "title_case(sentence, small)",
        "capitalizes the first letter of each word except for words in the "
        "set `small`, but always capitalizes the first word",
        """
def title_case(sentence, small):
    words = sentence.lower().split()
    return " ".join(
        word if i > 0 and word in small else word.capitalize() for i, word in enumerate(words)
    )
""",
        '''title_case("the lord of the rings", {"the", "of"}) == "The Lord of the Rings"
title_case("A TALE OF TWO CITIES", {"of", "a"}) == "A Tale of Two Cities"
title_case("", {"of"}) == ""''',
        "`enumerate` provides the position, so that the first word can be treated differently.",
        "i > 0 and word in small",
        "word in small",
        "The first word was left in lower case when it was one of the small words.",
    ),
    _problem(
        "are_anagrams(first, second)",
        "tells whether two strings are anagrams, ignoring case and spaces",
        """
from collections import Counter


def are_anagrams(first, second):
    def letters(text):
        return Counter(text.lower().replace(" ", ""))

    return letters(first) == letters(second)
""",
        """are_anagrams("Dormitory", "dirty room") == True
are_anagrams("aab", "abb") == False
are_anagrams("", " ") == True""",
        "Two texts are anagrams exactly if their letter counts agree.",
        'Counter(text.lower().replace(" ", ""))',
        'set(text.lower().replace(" ", ""))',
        "A set forgets how often each letter occurs, so 'aab' and 'abb' looked the same.",
    ),
    _problem(
        "longest_word(text)",
        "returns the longest word of a text, the first one if several are equally "
        "long, and an empty string if there is none",
        """
def longest_word(text):
    return max(text.split(), key=len, default="")
""",
        '''longest_word("a quick brown fox") == "quick"
longest_word("") == ""
longest_word("to be or not") == "not"''',
        "`max` with a key returns the first of equal maxima, and `default` covers the empty case.",
        ', default=""',
        "",
        "`max` raises ValueError for an empty sequence unless a default is given.",
    ),
    _problem(
        "truncate(text, width)",
        "shortens a text to at most `width` characters, ending in '...' if something was cut off",
        """
def truncate(text, width):
    if len(text) <= width:
        return text
    return text[: width - 3] + "..."
""",
        '''truncate("hello world", 8) == "hello..."
truncate("short", 5) == "short"
truncate("abcdef", 5) == "ab..."''',
        "The three dots are part of the width, so three characters fewer of the text are kept.",
        "text[: width - 3]",
        "text[:width]",
        "The dots were added after a full `width` characters, which made the result too long.",
    ),
    _problem(
        "snake_to_camel(name)",
        "turns snake_case into camelCase",
        """
def snake_to_camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
""",
        '''snake_to_camel("max_row_count") == "maxRowCount"
snake_to_camel("id") == "id"
snake_to_camel("user_id") == "userId"''',
        "Starred unpacking separates the first word, which stays in lower case.",
        "first + ",
        "first.capitalize() + ",
        "The first word must stay in lower case in camelCase.",
    ),
    _problem(
        "camel_to_snake(name)",
        "turns camelCase or PascalCase into snake_case",
        """
import re


def camel_to_snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
""",
        '''camel_to_snake("maxRowCount") == "max_row_count"
camel_to_snake("HttpServer") == "http_server"
camel_to_snake("x") == "x"''',
        "The pattern matches the empty place before every capital letter that is not at the start.",
        "(?<!^)",
        "",
        "Without the look-behind an underscore is also put before a capital first letter.",
    ),
    _problem(
        "common_prefix(words)",
        "returns the longest common prefix of a list of strings",
        """
def common_prefix(words):
    if not words:
        return ""
    low, high = min(words), max(words)
    for i, char in enumerate(low):
        if char != high[i]:
            return low[:i]
    return low
""",
        '''common_prefix(["flower", "flow", "flight"]) == "fl"
common_prefix([]) == ""
common_prefix(["same", "same"]) == "same"
common_prefix(["dog", "car"]) == ""''',
        "Only the alphabetically first and last words matter, because all others lie between them.",
        "return low[:i]",
        "return low[: i + 1]",
        "The slice included the first character that differs.",
    ),
    _problem(
        "mask_card(number)",
        "replaces all but the last four characters of a card number by '*'",
        """
def mask_card(number):
    return number[-4:].rjust(len(number), "*")
""",
        '''mask_card("1234567812345678") == "************5678"
mask_card("99887") == "*9887"
mask_card("123") == "123"''',
        "The last four characters are kept and padded on the left to the original length.",
        "rjust",
        "ljust",
        "`ljust` puts the stars on the right; they belong on the left.",
    ),
    _problem(
        "reverse_words(sentence)",
        "reverses the order of the words in a sentence",
        """
def reverse_words(sentence):
    return " ".join(reversed(sentence.split()))
""",
        '''reverse_words("one two three") == "three two one"
reverse_words("  padded  text ") == "text padded"
reverse_words("") == ""''',
        "The words are split, taken in reverse order and joined again.",
        "reversed(sentence.split())",
        "reversed(sentence)",
        "Reversing the string itself reverses the letters instead of the words.",
    ),
    _problem(
        "center_box(lines)",
        "returns the lines as a box: every line is centred to the longest width "
        "(an odd space goes to the right) and put between '| ' and ' |'",
        """
def center_box(lines):
    width = max(map(len, lines), default=0)
    return [f"| {line:^{width}} |" for line in lines]
""",
        """center_box(["hi", "there"]) == ["|  hi   |", "| there |"]
center_box([]) == []
center_box(["abc", "x"]) == ["| abc |", "|  x  |"]""",
        "The width of a format specification can itself be given in braces.",
        ":^{width}",
        ":<{width}",
        "`<` aligns to the left; centring needs `^`.",
    ),
    _problem(
        "is_pangram(text)",
        "tells whether a text uses every letter from a to z at least once",
        """
import string


def is_pangram(text):
    return set(string.ascii_lowercase) <= set(text.lower())
""",
        """is_pangram("The quick brown fox jumps over the lazy dog") == True
is_pangram("Hello, world") == False
is_pangram("abcdefghijklmnopqrstuvwxyz") == True""",
        "The alphabet must be a subset of the characters of the text.",
        "set(string.ascii_lowercase) <= set(text.lower())",
        "set(string.ascii_lowercase) == set(text.lower())",
        "Equality fails as soon as the text has a space or any other extra character; a subset test is meant.",
    ),
    _problem(
        "wrap_text(text, width)",
        "breaks a text into lines of at most `width` characters without cutting words (no word is longer than that)",
        """
def wrap_text(text, width):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return lines + [line] if line else lines
""",
        """wrap_text("the cat sat on the mat", 7) == ["the cat", "sat on", "the mat"]
wrap_text("", 5) == []
wrap_text("aa bb cc", 5) == ["aa bb", "cc"]""",
        "A word goes on the current line if it still fits with a space before it.",
        "return lines + [line] if line else lines",
        "return lines",
        "The last line was never added to the result.",
    ),
    # Lists
    _problem(
        "second_largest(numbers)",
        "returns the second largest distinct value of a list, or None if there is none",
        """
def second_largest(numbers):
    distinct = sorted(set(numbers), reverse=True)
    return distinct[1] if len(distinct) > 1 else None
""",
        """second_largest([4, 9, 9, 2]) == 4
second_largest([7, 7]) == None
second_largest([1, 2, 3]) == 2""",
        "Duplicates are removed before sorting, so the second element is the second distinct value.",
        "sorted(set(numbers), reverse=True)",
        "sorted(numbers, reverse=True)",
        "Duplicates of the maximum were kept and then counted as the second largest value.",
    ),
    _problem(
        "flatten(nested)",
        "flattens a list that may contain lists to any depth",
        """
def flatten(nested):
    flat = []
    for item in nested:
        if isinstance(item, list):
            flat.extend(flatten(item))
        else:
            flat.append(item)
    return flat
""",
        """flatten([1, [2, [3, []], 4]]) == [1, 2, 3, 4]
flatten([]) == []
flatten([["a"], "b"]) == ["a", "b"]""",
        "The function calls itself for every inner list and extends the result with what it returns.",
        "flat.extend(flatten(item))",
        "flat.extend(item)",
        "Only one level was flattened, because inner lists were not processed recursively.",
    ),
    _problem(
        "chunks(items, size)",
        "splits a list into consecutive pieces of `size` elements; the last piece may be shorter",
        """
def chunks(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]
""",
        """chunks([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
chunks([], 3) == []
chunks([1, 2, 3], 5) == [[1, 2, 3]]""",
        "The start positions go up in steps of `size`, and slices may end beyond the list.",
        "range(0, len(items), size)",
        "range(0, len(items) - size + 1, size)",
        "The range stopped before an incomplete last piece, which was lost.",
    ),
    _problem(
        "rotate(items, steps)",
        "returns a list rotated to the right by `steps` places (to the left if it is negative)",
        """
def rotate(items, steps):
    if not items:
        return []
    steps %= len(items)
    return items[-steps:] + items[:-steps] if steps else items[:]
""",
        """rotate([1, 2, 3, 4], 1) == [4, 1, 2, 3]
rotate([1, 2, 3, 4], -1) == [2, 3, 4, 1]
rotate([1, 2, 3], 7) == [3, 1, 2]
rotate([1, 2], 2) == [1, 2]
rotate([], 4) == []""",
        "The modulo maps every number of steps, also a negative one, to the range of the list.",
        "items[-steps:] + items[:-steps]",
        "items[steps:] + items[:steps]",
        "The list was rotated to the left instead of to the right.",
    ),
    _problem(
        "dedupe(items)",
        "removes duplicates from a list of hashable items and keeps the first occurrences in order",
        """
def dedupe(items):
    return list(dict.fromkeys(items))
""",
        """dedupe([3, 1, 3, 2, 1]) == [3, 1, 2]
dedupe([]) == []
dedupe(["b", "a", "b"]) == ["b", "a"]""",
        "The keys of a dict are unique and keep the order in which they were inserted.",
        "list(dict.fromkeys(items))",
        "sorted(set(items))",
        "Sorting a set loses the order of the first occurrences.",
    ),
    _problem(
        "moving_average(values, window)",
        "returns the averages of all `window` consecutive values",
        """
def moving_average(values, window):
    return [
        sum(values[i : i + window]) / window for i in range(len(values) - window + 1)
    ]
""",
        """moving_average([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]
moving_average([5], 2) == []
moving_average([2, 4, 6], 3) == [4.0]""",
        "There are `len(values) - window + 1` positions where a full window fits.",
        "len(values) - window + 1",
        "len(values) - window",
        "The last window was missing because the range ended one too early.",
    ),
    _problem(
        "running_total(numbers)",
        "returns the list of partial sums of a list",
        """
from itertools import accumulate


def running_total(numbers):
    return list(accumulate(numbers))
""",
        """running_total([1, 2, 3]) == [1, 3, 6]
running_total([]) == []
running_total([5, -5, 2]) == [5, 0, 2]""",
        "`accumulate` adds each element to the sum of those before it.",
    ),
    _problem(
        "interleave(first, second)",
        "takes elements from two lists in turn; when one list is used up, the rest of the other follows",
        """
def interleave(first, second):
    mixed = [item for pair in zip(first, second) for item in pair]
    short = min(len(first), len(second))
    return mixed + first[short:] + second[short:]
""",
        """interleave([1, 3], [2, 4]) == [1, 2, 3, 4]
interleave([1, 2, 3], ["a"]) == [1, "a", 2, 3]
interleave([], [9]) == [9]""",
        "`zip` stops at the shorter list, and the slices add what remains.",
        "return mixed + first[short:] + second[short:]",
        "return mixed",
        "`zip` drops the rest of the longer list, which has to be appended.",
    ),
    _problem(
        "partition(items, test)",
        "splits a list into a tuple of two lists, the items for which `test` holds and the others",
        """
def partition(items, test):
    yes, no = [], []
    for item in items:
        (yes if test(item) else no).append(item)
    return yes, no
""",
        """partition([1, 2, 3, 4], lambda n: n % 2 == 0) == ([2, 4], [1, 3])
partition([], bool) == ([], [])
partition(["a", "", "b"], bool) == (["a", "b"], [""])""",
        "A conditional expression picks the list to which the item is appended.",
        "yes, no = [], []",
        "yes = no = []",
        "Both names referred to one and the same list.",
    ),
    _problem(
        "max_subarray(numbers)",
        "returns the largest sum of a non-empty run of consecutive numbers",
        """
def max_subarray(numbers):
    best = current = numbers[0]
    for number in numbers[1:]:
        current = max(number, current + number)
        best = max(best, current)
    return best
""",
        """max_subarray([-2, 1, -3, 4, -1, 2, 1, -5, 4]) == 6
max_subarray([-3, -1, -2]) == -1
max_subarray([5]) == 5""",
        "This is Kadane's algorithm: a run either continues or starts anew at the current number.",
        "best = current = numbers[0]",
        "best = current = 0",
        "Starting from 0 is wrong if all numbers are negative; the run must not be empty.",
    ),
    _problem(
        "local_maxima(values)",
        "returns the positions of inner elements that are greater than both neighbours",
        """
def local_maxima(values):
    return [
        i for i in range(1, len(values) - 1) if values[i - 1] < values[i] > values[i + 1]
    ]
""",
        """local_maxima([1, 3, 2, 5, 4]) == [1, 3]
local_maxima([1, 2]) == []
local_maxima([2, 2, 1]) == []""",
        "The comparison chain checks both neighbours at once.",
        "values[i - 1] < values[i] > values[i + 1]",
        "values[i - 1] <= values[i] >= values[i + 1]",
        "With `<=` and `>=` flat places were reported as maxima, too.",
    ),
    _problem(
        "pairs_with_sum(numbers, target)",
        "returns all pairs (a, b) with a before b in the list and a + b == target",
        """
from itertools import combinations


def pairs_with_sum(numbers, target):
    return [(a, b) for a, b in combinations(numbers, 2) if a + b == target]
""",
        """pairs_with_sum([1, 4, 3, 2], 5) == [(1, 4), (3, 2)]
pairs_with_sum([2], 4) == []
pairs_with_sum([2, 2], 4) == [(2, 2)]""",
        "`combinations` yields each pair of positions once, in the order of the list.",
        "combinations",
        "permutations",
        "`permutations` yields every pair in both orders; `combinations` yields it once.",
    ),
    _problem(
        "transpose(matrix)",
        "transposes a matrix given as a list of rows",
        """
def transpose(matrix):
    return [list(column) for column in zip(*matrix)]
""",
        """transpose([[1, 2, 3], [4, 5, 6]]) == [[1, 4], [2, 5], [3, 6]]
transpose([[7]]) == [[7]]
transpose([]) == []""",
        "`zip(*matrix)` pairs up the elements of all rows column by column.",
        "zip(*matrix)",
        "zip(matrix)",
        "Without the star, `zip` sees one argument and does not combine the rows.",
    ),
    _problem(
        "missing_number(numbers)",
        "gets the numbers 0 to n in any order with one of them left out, and returns the missing one",
        """
def missing_number(numbers):
    n = len(numbers)
    return n * (n + 1) // 2 - sum(numbers)
""",
        """missing_number([3, 0, 1]) == 2
missing_number([0, 1]) == 2
missing_number([1]) == 0""",
        "The sum of 0 to n is known, and the difference to the actual sum is the missing number.",
        "n * (n + 1) // 2",
        "n * (n - 1) // 2",
        "The formula for the sum of 0 to n is n(n + 1)/2, not n(n - 1)/2.",
    ),
    _problem(
        "sliding_max(values, size)",
        "returns the maximum of every window of `size` consecutive values in linear time",
        """
from collections import deque


def sliding_max(values, size):
    best, result = deque(), []
    for i, value in enumerate(values):
        while best and values[best[-1]] <= value:
            best.pop()
        best.append(i)
        if best[0] <= i - size:
            best.popleft()
        if i >= size - 1:
            result.append(values[best[0]])
    return result
""",
        """sliding_max([1, 3, -1, -3, 5, 3], 3) == [3, 3, 5, 5]
sliding_max([9, 8, 7], 2) == [9, 8]
sliding_max([4], 1) == [4]""",
        "The deque holds positions of values that can still become a maximum, the largest first.",
        "best[0] <= i - size",
        "best[0] < i - size",
        "An element stayed in the window one step too long.",
    ),
    # Dicts, sets, counting
    _problem(
        "word_counts(text)",
        "returns a dict from each lower-case word of a text to how often it occurs; words consist of letters",
        """
import re
from collections import Counter


def word_counts(text):
    return dict(Counter(re.findall(r"[a-z]+", text.lower())))
""",
        """word_counts("Red fish, blue fish.") == {"red": 1, "fish": 2, "blue": 1}
word_counts("...") == {}
word_counts("Go! go GO") == {"go": 3}""",
        "The regular expression extracts the words, and Counter counts them.",
        're.findall(r"[a-z]+", text.lower())',
        "text.lower().split()",
        "`split` leaves punctuation attached to the words, so 'fish,' and 'fish.' were counted separately.",
    ),
    _problem(
        "invert(mapping)",
        "turns a dict around, so that each value is mapped to the sorted list of its keys",
        """
def invert(mapping):
    inverted = {}
    for key, value in mapping.items():
        inverted.setdefault(value, []).append(key)
    return {value: sorted(keys) for value, keys in inverted.items()}
""",
        """invert({"a": 1, "c": 2, "b": 1}) == {1: ["a", "b"], 2: ["c"]}
invert({}) == {}
invert({"y": 0, "x": 0}) == {0: ["x", "y"]}""",
        "`setdefault` creates the list for a value when the value is met for the first time.",
        "inverted.setdefault(value, []).append(key)",
        "inverted[value] = [key]",
        "Each new key replaced the list instead of being added to it.",
    ),
    _problem(
        "merge_counts(first, second)",
        "adds up two dicts of counts key by key",
        """
def merge_counts(first, second):
    return {key: first.get(key, 0) + second.get(key, 0) for key in first | second}
""",
        """merge_counts({"a": 1, "b": 2}, {"b": 3}) == {"a": 1, "b": 5}
merge_counts({}, {}) == {}
merge_counts({"x": 1}, {"y": 4}) == {"x": 1, "y": 4}""",
        "The union of both dicts provides all keys, and `get` supplies 0 for missing ones.",
        "first.get(key, 0) + second.get(key, 0)",
        "second.get(key, first.get(key, 0))",
        "Counts of keys that are in both dicts were overwritten, not added.",
    ),
    _problem(
        "group_by_length(words)",
        "groups words by their length in a dict from length to list of words",
        """
from collections import defaultdict


def group_by_length(words):
    groups = defaultdict(list)
    for word in words:
        groups[len(word)].append(word)
    return dict(groups)
""",
        """group_by_length(["to", "be", "not"]) == {2: ["to", "be"], 3: ["not"]}
group_by_length([]) == {}
group_by_length(["a"]) == {1: ["a"]}""",
        "A defaultdict starts with an empty list for each length that has not been seen yet.",
        "defaultdict(list)",
        "{}",
        "A plain dict raises KeyError at the first word of each length.",
    ),
    _problem(
        "top_scorers(scores, count)",
        "returns the names with the `count` highest scores from a dict, best first, and by name where scores are equal",
        """
def top_scorers(scores, count):
    ranked = sorted(scores, key=lambda name: (-scores[name], name))
    return ranked[:count]
""",
        """top_scorers({"Ann": 5, "Bob": 9, "Cy": 5}, 2) == ["Bob", "Ann"]
top_scorers({}, 3) == []
top_scorers({"b": 1, "a": 1}, 5) == ["a", "b"]""",
        "The key sorts by negative score first, so that ties can be resolved by name in ascending order.",
        "sorted(scores, key=lambda name: (-scores[name], name))",
        "sorted(scores, key=lambda name: (scores[name], name), reverse=True)",
        "`reverse=True` also reverses the order of names for equal scores.",
    ),
    _problem(
        "nested_get(data, path, default=None)",
        "follows a dotted path such as 'user.name' through nested dicts and returns the default if a step is missing",
        """
def nested_get(data, path, default=None):
    for key in path.split("."):
        if not isinstance(data, dict) or key not in data:
            return default
        data = data[key]
    return data
""",
        """nested_get({"user": {"name": "Kim"}}, "user.name") == "Kim"
nested_get({"user": {}}, "user.age", 0) == 0
nested_get({"a": 5}, "a.b.c") == None""",
        "Every step checks that there still is a dict with the wanted key.",
        "not isinstance(data, dict) or key not in data",
        "key not in data",
        "If a step leads to a value that is not a dict, `key not in data` fails or even searches the wrong thing.",
    ),
    _problem(
        "flatten_keys(data, prefix='')",
        "flattens nested dicts to one level by joining the keys with dots",
        """
def flatten_keys(data, prefix=""):
    flat = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= flatten_keys(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
""",
        """flatten_keys({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}
flatten_keys({}) == {}
flatten_keys({"x": 1}) == {"x": 1}""",
        "The prefix grows with every level of the recursion.",
        'f"{prefix}{key}."',
        'f"{key}."',
        "The prefix of outer levels was dropped, so deep keys lost the first part of their path.",
    ),
    _problem(
        "jaccard(first, second)",
        "returns the Jaccard similarity of two lists seen as sets: shared elements "
        "divided by all elements, and 1.0 if both are empty",
        """
def jaccard(first, second):
    a, b = set(first), set(second)
    return len(a & b) / len(a | b) if a | b else 1.0
""",
        """jaccard([1, 2, 3], [2, 3, 4]) == 0.5
jaccard([], []) == 1.0
jaccard("ab", "cd") == 0.0""",
        "`&` is the intersection and `|` the union of two sets.",
        "len(a | b) if",
        "(len(a) + len(b)) if",
        "Adding the sizes counts shared elements twice; the size of the union is needed.",
    ),
    _problem(
        "missing_keys(required, record)",
        "returns the sorted list of required keys that are absent from a record or whose value is None",
        """
def missing_keys(required, record):
    return sorted(key for key in required if record.get(key) is None)
""",
        """missing_keys({"id", "name"}, {"id": 3}) == ["name"]
missing_keys({"id"}, {"id": 0}) == []
missing_keys({"b", "a"}, {"a": None}) == ["a", "b"]""",
        "`get` returns None both for an absent key and for a stored None.",
        "record.get(key) is None",
        "not record.get(key)",
        "`not` also rejects valid values such as 0 or an empty string.",
    ),
    _problem(
        "first_repeated(items)",
        "returns the first item that occurs for the second time, or None",
        """
def first_repeated(items):
    seen = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return None
""",
        '''first_repeated([1, 2, 3, 2, 1]) == 2
first_repeated("abc") == None
first_repeated("hello") == "l"''',
        "A set remembers everything that was met so far.",
        "        seen.add(item)\n",
        "            seen.add(item)\n",
        "`seen.add` stood inside the `if`, behind the `return`, so the set stayed empty.",
    ),
    _problem(
        "unique_emails(addresses)",
        "returns the number of different mailboxes, where case does not matter "
        "and everything from a '+' up to the '@' is ignored",
        """
def unique_emails(addresses):
    boxes = set()
    for address in addresses:
        local, _, domain = address.lower().partition("@")
        boxes.add((local.partition("+")[0], domain))
    return len(boxes)
""",
        """unique_emails(["a@x.org", "A@x.org", "a+news@x.org"]) == 1
unique_emails([]) == 0
unique_emails(["a@x.org", "a@y.org"]) == 2""",
        "`partition` splits at the first separator and copes with a missing one.",
        "address.lower()",
        "address",
        "Addresses that differ only in case were counted as different.",
    ),
    # Recursion
    _problem(
        "factorial(n)",
        "computes n! recursively and raises ValueError with the message 'n must not be negative' for negative n",
        """
def factorial(n):
    if n < 0:
        raise ValueError("n must not be negative")
    return 1 if n == 0 else n * factorial(n - 1)
""",
        '''factorial(5) == 120
factorial(0) == 1
message == "n must not be negative"''',
        "The recursion ends at 0, and negative numbers are rejected before it starts.",
        "1 if n == 0",
        "0 if n == 0",
        "The product of no factors is 1; starting from 0 makes every result 0.",
        setup="""
try:
    factorial(-1)
    message = ""
except ValueError as error:
    message = str(error)
""",
    ),
    _problem(
        "hanoi(discs, source, target, spare)",
        "returns the list of moves (from, to) that solves the Towers of Hanoi",
        """
def hanoi(discs, source, target, spare):
    if discs == 0:
        return []
    return (
        hanoi(discs - 1, source, spare, target)
        + [(source, target)]
        + hanoi(discs - 1, spare, target, source)
    )
""",
        """hanoi(2, "A", "C", "B") == [("A", "B"), ("A", "C"), ("B", "C")]
hanoi(0, "A", "C", "B") == []
len(hanoi(5, "A", "C", "B")) == 31""",
        "All smaller discs go to the spare peg, the largest one moves, and the smaller ones follow.",
        "hanoi(discs - 1, source, spare, target)",
        "hanoi(discs - 1, source, target, spare)",
        "The smaller discs were first moved to the target peg instead of the spare peg.",
    ),
    _problem(
        "power_set(items)",
        "returns all subsets of a list as lists, recursively: first those without the first item, then those with it",
        """
def power_set(items):
    if not items:
        return [[]]
    first, *rest = items
    without = power_set(rest)
    return without + [[first] + subset for subset in without]
""",
        """power_set([1, 2]) == [[], [2], [1], [1, 2]]
power_set([]) == [[]]
len(power_set("abcd")) == 16""",
        "Each subset of the rest occurs twice: once as it is and once with the first item.",
        "return [[]]",
        "return []",
        "The empty list has one subset, the empty one; without it all results are empty.",
    ),
    _problem(
        "permutations_of(text)",
        "returns all permutations of the characters of a string in the order of their positions",
        """
def permutations_of(text):
    if len(text) <= 1:
        return [text]
    return [
        text[i] + rest
        for i in range(len(text))
        for rest in permutations_of(text[:i] + text[i + 1 :])
    ]
""",
        """permutations_of("abc") == ["abc", "acb", "bac", "bca", "cab", "cba"]
permutations_of("") == [""]
permutations_of("ab") == ["ab", "ba"]""",
        "Each character is put in front of all permutations of the remaining ones.",
        "text[:i] + text[i + 1 :]",
        "text[i + 1 :]",
        "The characters before position i were lost.",
    ),
    _problem(
        "digital_root(n)",
        "adds up the digits of a non-negative integer repeatedly until one digit is left",
        """
def digital_root(n):
    return n if n < 10 else digital_root(sum(map(int, str(n))))
""",
        """digital_root(942) == 6
digital_root(7) == 7
digital_root(99) == 9
digital_root(0) == 0""",
        "A one-digit number is the result; otherwise the function continues with the digit sum.",
        "digital_root(sum(map(int, str(n))))",
        "sum(map(int, str(n)))",
        "The digits were added up only once.",
    ),
    _problem(
        "depth(nested)",
        "returns how deeply lists are nested: 0 for a value that is not a list, 1 for a flat list",
        """
def depth(nested):
    if not isinstance(nested, list):
        return 0
    return 1 + max(map(depth, nested), default=0)
""",
        """depth(5) == 0
depth([]) == 1
depth([1, [2, [3]], [4]]) == 3""",
        "A list is one level deeper than its deepest element.",
        ", default=0",
        "",
        "`max` fails on an empty list unless a default is given.",
    ),
    _problem(
        "ackermann(m, n)",
        "computes the Ackermann function for small arguments",
        """
def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))
""",
        """ackermann(0, 4) == 5
ackermann(1, 2) == 4
ackermann(2, 3) == 9""",
        "The three cases of the definition are written down one after the other.",
        "ackermann(m - 1, 1)",
        "ackermann(m - 1, 0)",
        "For n = 0 the definition continues with 1, not with 0.",
    ),
    # Iterators and generators
    _problem(
        "countdown(start)",
        "yields start, start - 1, ..., 1",
        """
def countdown(start):
    while start > 0:
        yield start
        start -= 1
""",
        """list(countdown(3)) == [3, 2, 1]
list(countdown(0)) == []
next(countdown(9)) == 9""",
        "The function is paused at each `yield` and continues when the next value is asked for.",
        "start > 0",
        "start > 1",
        "The loop ended before the 1 was yielded.",
        kind="generator function",
    ),
    _problem(
        "fibonacci()",
        "yields the Fibonacci numbers 0, 1, 1, 2, 3, ... without end",
        """
def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b
""",
        """list(islice(fibonacci(), 7)) == [0, 1, 1, 2, 3, 5, 8]
next(fibonacci()) == 0
next(islice(fibonacci(), 20, None)) == 6765""",
        "Tuple assignment computes both new values before either name changes.",
        "        a, b = b, a + b\n",
        "        a = b\n        b = a + b\n",
        "`a` was overwritten before `b` was computed from it.",
        needs="from itertools import islice",
        kind="generator function",
    ),
    _problem(
        "pairwise_differences(values)",
        "yields the differences between neighbouring values of any iterable",
        """
def pairwise_differences(values):
    iterator = iter(values)
    previous = next(iterator, None)
    for value in iterator:
        yield value - previous
        previous = value
""",
        """list(pairwise_differences([1, 4, 9, 16])) == [3, 5, 7]
list(pairwise_differences([])) == []
list(pairwise_differences(iter([5, 3]))) == [-2]""",
        "The first value is taken with `next`, so that the loop starts at the second one.",
        "        previous = value\n",
        "",
        "`previous` was never updated, so all differences referred to the first value.",
        kind="generator function",
    ),
    _problem(
        "take_while_increasing(values)",
        "yields values from an iterable as long as each one is greater than the one before",
        """
def take_while_increasing(values):
    last = None
    for value in values:
        if last is not None and value <= last:
            return
        yield value
        last = value
""",
        """list(take_while_increasing([1, 4, 6, 5, 9])) == [1, 4, 6]
list(take_while_increasing([])) == []
list(take_while_increasing([0, 0])) == [0]""",
        "A plain `return` ends a generator.",
        "return\n",
        "continue\n",
        "`continue` skips the value but goes on, while the generator has to end.",
        kind="generator function",
    ),
    _problem(
        "batched_lines(lines, size)",
        "yields lists of `size` lines from any iterable of lines, the last one possibly shorter",
        """
from itertools import islice


def batched_lines(lines, size):
    iterator = iter(lines)
    while batch := list(islice(iterator, size)):
        yield batch
""",
        """list(batched_lines("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
list(batched_lines([], 3)) == []
list(batched_lines(range(4), 4)) == [[0, 1, 2, 3]]""",
        "`islice` takes the next lines from the same iterator, and an empty batch ends the loop.",
        kind="generator function",
    ),
    _problem(
        "round_robin(*iterables)",
        "yields one item of each iterable in turn until all are used up",
        """
def round_robin(*iterables):
    active = [iter(iterable) for iterable in iterables]
    while active:
        still = []
        for iterator in active:
            try:
                yield next(iterator)
                still.append(iterator)
            except StopIteration:
                pass
        active = still
""",
        """list(round_robin("AB", "x", [1, 2, 3])) == ["A", "x", 1, "B", 2, 3]
list(round_robin()) == []
list(round_robin("", "ab")) == ["a", "b"]""",
        "Iterators that are exhausted are not carried over to the next round.",
        kind="generator function",
    ),
    _problem(
        "windows(items, size)",
        "yields all tuples of `size` neighbouring items of an iterable, using a deque",
        """
from collections import deque


def windows(items, size):
    window = deque(maxlen=size)
    for item in items:
        window.append(item)
        if len(window) == size:
            yield tuple(window)
""",
        """list(windows([1, 2, 3, 4], 2)) == [(1, 2), (2, 3), (3, 4)]
list(windows("ab", 3)) == []
list(windows("xyz", 3)) == [("x", "y", "z")]""",
        "A deque with `maxlen` drops its oldest item by itself.",
        "yield tuple(window)",
        "yield window",
        "The same deque object was yielded each time and went on changing; a tuple is a copy.",
        kind="generator function",
    ),
    _problem(
        "walk_tree(tree)",
        "yields the values of a binary tree (value, left, right) in order, where an empty tree is None",
        """
def walk_tree(tree):
    if tree is not None:
        value, left, right = tree
        yield from walk_tree(left)
        yield value
        yield from walk_tree(right)
""",
        """list(walk_tree((2, (1, None, None), (3, None, None)))) == [1, 2, 3]
list(walk_tree(None)) == []
list(walk_tree(("b", ("a", None, None), None))) == ["a", "b"]""",
        "`yield from` passes on everything the recursive call yields.",
        "        yield from walk_tree(left)\n        yield value\n",
        "        yield value\n        yield from walk_tree(left)\n",
        "The value was yielded before the left subtree, which is pre-order.",
        kind="generator function",
    ),
    _problem(
        "Countdown(start)",
        "is an iterable that counts from `start` down to 1 and can be looped over several times",
        """
class Countdown:
    def __init__(self, start):
        self.start = start

    def __iter__(self):
        return iter(range(self.start, 0, -1))
""",
        """list(c) == [3, 2, 1]
list(c) == [3, 2, 1]
list(Countdown(0)) == []""",
        "Each call of `__iter__` returns a fresh iterator, so loops do not disturb each other.",
        "range(self.start, 0, -1)",
        "range(self.start, 1, -1)",
        "The end of a range is excluded, so the 1 was missing.",
        setup="c = Countdown(3)",
        kind="class",
    ),
    # Classes
    _problem(
        "Stack()",
        "has the methods push, pop and peek and supports len(); pop and peek return None on an empty stack",
        """
class Stack:
    def __init__(self):
        self._items = []

    def push(self, item):
        self._items.append(item)

    def pop(self):
        return self._items.pop() if self._items else None

    def peek(self):
        return self._items[-1] if self._items else None

    def __len__(self):
        return len(self._items)
""",
        """s.peek() == 2
s.pop() == 2
len(s) == 1
Stack().pop() == None""",
        "A list serves as storage, with its end as the top of the stack.",
        "self._items[-1]",
        "self._items[0]",
        "`peek` looked at the bottom of the stack instead of the top.",
        setup="s = Stack()\ns.push(1)\ns.push(2)",
        kind="class",
    ),
    _problem(
        "Queue()",
        "is built from two lists, with the methods put and get in first-in, first-out order; get "
        "returns None when it is empty",
        """
class Queue:
    def __init__(self):
        self._in, self._out = [], []

    def put(self, item):
        self._in.append(item)

    def get(self):
        if not self._out:
            while self._in:
                self._out.append(self._in.pop())
        return self._out.pop() if self._out else None
""",
        """q.get() == "a"
q.get() == "b"
q.get() == None""",
        "Moving items from one list to the other reverses their order, and each item is moved only once.",
        "self._out.append(self._in.pop())",
        "self._out.append(self._in.pop(0))",
        "Taking items from the front while moving keeps their order, so the newest came out first.",
        setup='q = Queue()\nq.put("a")\nq.put("b")',
        kind="class",
    ),
    _problem(
        "Vector(x, y)",
        "supports +, -, multiplication by a number, == and abs() for the length",
        """
import math


class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def __abs__(self):
        return math.hypot(self.x, self.y)
""",
        """(Vector(1, 2) + Vector(3, 4) == Vector(4, 6)) == True
(Vector(5, 5) - Vector(2, 1)).y == 4
(Vector(1, -2) * 3).x == 3
abs(Vector(3, 4)) == 5.0""",
        "The special methods return new vectors and leave their operands unchanged.",
        "self.y - other.y",
        "other.y - self.y",
        "The y coordinates were subtracted in the wrong order.",
        kind="class",
    ),
    _problem(
        "BankAccount(balance=0)",
        "has deposit and withdraw; withdraw raises ValueError('insufficient funds') "
        "and changes nothing if the balance is too low",
        """
class BankAccount:
    def __init__(self, balance=0):
        self.balance = balance

    def deposit(self, amount):
        self.balance += amount

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("insufficient funds")
        self.balance -= amount
""",
        """a.balance == 30
message == "insufficient funds"
BankAccount().balance == 0""",
        "The check comes before the change, so a failed withdrawal leaves the account as it was.",
        """        if amount > self.balance:
            raise ValueError("insufficient funds")
        self.balance -= amount
""",
        """        self.balance -= amount
        if self.balance < 0:
            raise ValueError("insufficient funds")
""",
        "The balance was reduced before the check, so a failed withdrawal still changed it.",
        setup="""
a = BankAccount(50)
a.deposit(10)
a.withdraw(30)
try:
    a.withdraw(31)
    message = ""
except ValueError as error:
    message = str(error)
""",
        kind="class",
    ),
    _problem(
        "Temperature(celsius)",
        "stores degrees Celsius and has a property `fahrenheit` that can be read and set",
        """
class Temperature:
    def __init__(self, celsius):
        self.celsius = celsius

    @property
    def fahrenheit(self):
        return self.celsius * 9 / 5 + 32

    @fahrenheit.setter
    def fahrenheit(self, value):
        self.celsius = (value - 32) * 5 / 9
""",
        """Temperature(100).fahrenheit == 212.0
t.celsius == 10.0
Temperature(-40).fahrenheit == -40.0""",
        "Only one of the two values is stored; the property converts in both directions.",
        "(value - 32) * 5 / 9",
        "value - 32 * 5 / 9",
        "Without parentheses the product is computed before the subtraction.",
        setup="t = Temperature(0)\nt.fahrenheit = 50",
        kind="class",
    ),
    _problem(
        "LRUCache(capacity)",
        "has get(key), which returns None for unknown keys, and put(key, value), which "
        "throws out the least recently used entry when there are too many",
        """
from collections import OrderedDict


class LRUCache:
    def __init__(self, capacity):
        self.capacity = capacity
        self._data = OrderedDict()

    def get(self, key):
        if key not in self._data:
            return None
        self._data.move_to_end(key)
        return self._data[key]

    def put(self, key, value):
        self._data[key] = value
        self._data.move_to_end(key)
        if len(self._data) > self.capacity:
            self._data.popitem(last=False)
""",
        """cache.get("b") == None
cache.get("a") == 1
cache.get("c") == 3""",
        "The OrderedDict keeps the entries in order of use, the oldest first.",
        "            return None\n        self._data.move_to_end(key)\n",
        "            return None\n",
        "`get` did not mark the entry as used, so a recently read entry could be thrown out.",
        setup="""
cache = LRUCache(2)
cache.put("a", 1)
cache.put("b", 2)
cache.get("a")
cache.put("c", 3)
""",
        kind="class",
    ),
    _problem(
        "Matrix(rows)",
        "supports matrix multiplication with @ and access to its `rows`",
        """
class Matrix:
    def __init__(self, rows):
        self.rows = rows

    def __matmul__(self, other):
        columns = list(zip(*other.rows))
        return Matrix(
            [[sum(a * b for a, b in zip(row, col)) for col in columns] for row in self.rows]
        )
""",
        """(Matrix([[1, 2], [3, 4]]) @ Matrix([[0, 1], [1, 0]])).rows == [[2, 1], [4, 3]]
(Matrix([[1, 2, 3]]) @ Matrix([[1], [2], [3]])).rows == [[14]]
Matrix([[5]]).rows == [[5]]""",
        "Each entry is the product of a row of the first and a column of the second matrix.",
        "list(zip(*other.rows))",
        "other.rows",
        "The rows of the second matrix were used where its columns are needed.",
        kind="class",
    ),
    _problem(
        "LinkedList(values=())",
        "is a singly linked list with push_front(value), reverse() in place and iteration over the values",
        """
class LinkedList:
    def __init__(self, values=()):
        self.head = None
        for value in reversed(list(values)):
            self.push_front(value)

    def push_front(self, value):
        self.head = (value, self.head)

    def reverse(self):
        values, self.head = list(self), None
        for value in values:
            self.push_front(value)

    def __iter__(self):
        node = self.head
        while node:
            value, node = node
            yield value
""",
        """list(numbers) == [3, 2, 1, 0]
list(LinkedList()) == []
list(LinkedList("ab")) == ["a", "b"]""",
        "A node is a pair of a value and the rest of the list.",
        "reversed(list(values))",
        "list(values)",
        "Pushing the values in their own order to the front reverses them.",
        setup="numbers = LinkedList([1, 2, 3])\nnumbers.push_front(0)\nnumbers.reverse()",
        kind="class",
    ),
    _problem(
        "Playlist(songs)",
        "is a container that supports len(), indexing, slicing and `in`, the last without regard to case",
        """
class Playlist:
    def __init__(self, songs):
        self._songs = list(songs)

    def __len__(self):
        return len(self._songs)

    def __getitem__(self, index):
        return self._songs[index]

    def __contains__(self, song):
        return song.lower() in (own.lower() for own in self._songs)
""",
        """len(p) == 3
p[-1] == "Wave"
("BLUE" in p) == True
p[:2] == ["Blue", "Rain"]""",
        "Indexing and slicing both arrive in `__getitem__`, which passes them on to the list.",
        "song.lower() in",
        "song in",
        "The song searched for was not converted to lower case.",
        setup='p = Playlist(["Blue", "Rain", "Wave"])',
        kind="class",
    ),
    _problem(
        "Shape",
        "is an abstract base class with an abstract method area(); derive Square(side) and "
        "Circle(radius) from it, with pi rounded to 3.14",
        '''
from abc import ABC, abstractmethod


class Shape(ABC):
    @abstractmethod
    def area(self):
        """Returns the area."""


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side**2


class Circle(Shape):
    def __init__(self, radius):
        self.radius = radius

    def area(self):
        return 3.14 * self.radius**2
''',
        """Square(3).area() == 9
Circle(10).area() == 314.0
isinstance(Square(1), Shape) == True""",
        "An abstract method forces each derived class to provide its own version.",
        "self.side**2",
        "self.side * 2",
        "The area of a square is the side squared, not doubled.",
        kind="class",
    ),
    _problem(
        "Registry()",
        "collects functions under a name, where registry.add('name') is a decorator and "
        "registry.call('name', ...) calls the function",
        """
class Registry:
    def __init__(self):
        self._functions = {}

    def add(self, name):
        def store(function):
            self._functions[name] = function
            return function

        return store

    def call(self, name, *args):
        return self._functions[name](*args)
""",
        """registry.call("double", 21) == 42
double(4) == 8
registry.call("double", 0.5) == 1.0""",
        "`add` returns the actual decorator, which stores the function and hands it back unchanged.",
        "            return function\n",
        "",
        "The decorator returned nothing, so the decorated name became None.",
        setup="""
registry = Registry()


@registry.add("double")
def double(x):
    return 2 * x
""",
        kind="class",
    ),
    _problem(
        "Ratio(top, bottom)",
        "is a fraction in lowest terms with + and a string form such as '3/4'",
        """
from math import gcd


class Ratio:
    def __init__(self, top, bottom):
        shared = gcd(top, bottom)
        self.top, self.bottom = top // shared, bottom // shared

    def __add__(self, other):
        return Ratio(
            self.top * other.bottom + other.top * self.bottom, self.bottom * other.bottom
        )

    def __str__(self):
        return f"{self.top}/{self.bottom}"
""",
        '''str(Ratio(6, 8)) == "3/4"
str(Ratio(1, 2) + Ratio(1, 3)) == "5/6"
str(Ratio(1, 4) + Ratio(1, 4)) == "1/2"''',
        "Dividing by the greatest common divisor in the constructor keeps every fraction in lowest terms.",
        "self.top * other.bottom + other.top * self.bottom",
        "self.top + other.top",
        "The numerators were added without bringing the fractions to a common denominator.",
        kind="class",
    ),
    _problem(
        "Meter()",
        "counts how many instances of it have been created, in the class attribute `created`",
        """
class Meter:
    created = 0

    def __init__(self):
        Meter.created += 1
""",
        """Meter.created == 3
meters[0].created == 3
len(meters) == 3""",
        "The attribute belongs to the class and is shared by all instances.",
        "Meter.created += 1",
        "self.created = self.created + 1",
        "Assigning to `self.created` makes an attribute of the instance and leaves the class attribute at 0.",
        setup="meters = [Meter() for _ in range(3)]",
        kind="class",
    ),
    # Dataclasses, enums, named tuples
    _problem(
        "Item(name, price, quantity=1)",
        "describes an order line and has a property `total`",
        """
from dataclasses import dataclass


@dataclass
class Item:
    name: str
    price: float
    quantity: int = 1

    @property
    def total(self) -> float:
        return self.price * self.quantity
""",
        """Item("pen", 2.5, 4).total == 10.0
Item("book", 12.0).total == 12.0
(Item("a", 1.0) == Item("a", 1.0)) == True""",
        "The decorator generates the constructor and the comparison from the annotated fields.",
        "self.price * self.quantity",
        "self.price + self.quantity",
        "The total must multiply price and quantity.",
        kind="dataclass",
    ),
    _problem(
        "Version(major, minor, patch)",
        "is frozen, can be compared and sorted, and has a class method parse('1.2.10')",
        """
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Version:
    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        return cls(*map(int, text.split(".")))
""",
        """(Version.parse("1.2.10") > Version.parse("1.2.9")) == True
Version.parse("3.0.1").major == 3
max(Version(1, 0, 0), Version(0, 9, 9)).minor == 0""",
        "`order=True` compares the fields like a tuple, and numbers make 10 come after 9.",
        'map(int, text.split("."))',
        'text.split(".")',
        "The parts stayed strings, and as strings '10' is smaller than '9'.",
        kind="dataclass",
    ),
    _problem(
        "Team(name)",
        "has a list field `members` that starts empty for every team",
        """
from dataclasses import dataclass, field


@dataclass
class Team:
    name: str
    members: list[str] = field(default_factory=list)
""",
        '''a.members == ["Kim"]
b.members == []
a.name == "red"''',
        "`default_factory` calls `list` anew for every instance, so teams do not share a list.",
        setup='a, b = Team("red"), Team("blue")\na.members.append("Kim")',
        kind="dataclass",
    ),
    _problem(
        "Light",
        "is an Enum with RED, GREEN and YELLOW and a method next() for the order red, green, yellow, red",
        """
from enum import Enum


class Light(Enum):
    RED = 0
    GREEN = 1
    YELLOW = 2

    def next(self):
        return Light((self.value + 1) % len(Light))
""",
        """Light.RED.next().name == "GREEN"
Light.YELLOW.next().name == "RED"
len(Light) == 3""",
        "Calling the Enum with a value returns its member, and the modulo closes the circle.",
        "(self.value + 1) % len(Light)",
        "self.value + 1",
        "After YELLOW there is no member with the value 3; the count has to wrap around.",
        kind="class",
    ),
    _problem(
        "parse_point(text)",
        "turns text such as '(3, -4)' into a named tuple Point with integer fields x and y",
        """
from typing import NamedTuple


class Point(NamedTuple):
    x: int
    y: int


def parse_point(text):
    return Point(*(int(part) for part in text.strip("() ").split(",")))
""",
        """parse_point("(3, -4)").y == -4
parse_point("10,20").x == 10
parse_point(" (0, 0) ").x == 0""",
        "A named tuple compares equal to a plain tuple and also has names for its fields.",
        'text.strip("() ")',
        'text.strip("()")',
        "Spaces around the parentheses stopped `strip` from removing them.",
    ),
    # Decorators, closures, context managers
    _problem(
        "count_calls",
        "counts the calls of a function in its attribute `calls`",
        """
from functools import wraps


def count_calls(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return function(*args, **kwargs)

    wrapper.calls = 0
    return wrapper
""",
        '''[greet("Al"), greet("Bo")] == ["Hi Al", "Hi Bo"]
greet.calls == 2
greet.__name__ == "greet"''',
        "The counter is an attribute of the wrapper, and `wraps` keeps the name of the function.",
        "return function(*args, **kwargs)",
        "function(*args, **kwargs)",
        "The wrapper called the function but did not return its result.",
        setup="""
@count_calls
def greet(name):
    return f"Hi {name}"
""",
        kind="decorator",
    ),
    _problem(
        "memoize",
        "caches the results of a function of positional arguments in a dict `cache` attached to the "
        "wrapper, with the tuple of arguments as the key",
        """
from functools import wraps


def memoize(function):
    cache = {}

    @wraps(function)
    def wrapper(*args):
        if args not in cache:
            cache[args] = function(*args)
        return cache[args]

    wrapper.cache = cache
    return wrapper
""",
        """fib(30) == 832040
len(fib.cache) == 31
fib.cache[(2,)] == 1""",
        "The tuple of arguments is the key, so every combination is computed once.",
        "if args not in cache:",
        "if args in cache:",
        "The condition was the wrong way round: results were only computed if they were already there.",
        setup="""
@memoize
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
""",
        kind="decorator",
    ),
    _problem(
        "retry(times)",
        "calls the function again if it raises ValueError, at most `times` times in all; the last error is passed on",
        """
from functools import wraps


def retry(times):
    def decorate(function):
        @wraps(function)
        def wrapper(*args, **kwargs):
            for attempt in range(times):
                try:
                    return function(*args, **kwargs)
                except ValueError:
                    if attempt == times - 1:
                        raise

        return wrapper

    return decorate
""",
        """flaky() == "ok"
len(log) == 3""",
        "A decorator with an argument is a function that returns the actual decorator.",
        "if attempt == times - 1:",
        "if attempt == 0:",
        "The error was passed on at the first attempt, so there was no second one.",
        setup="""
log = []


@retry(3)
def flaky():
    log.append(1)
    if len(log) < 3:
        raise ValueError("not yet")
    return "ok"
""",
        kind="decorator",
    ),
    _problem(
        "validate_positive",
        "raises ValueError('arguments must be positive') if any positional argument is not "
        "greater than 0, and otherwise calls the function",
        """
from functools import wraps


def validate_positive(function):
    @wraps(function)
    def wrapper(*args):
        if any(arg <= 0 for arg in args):
            raise ValueError("arguments must be positive")
        return function(*args)

    return wrapper
""",
        '''area(3, 4) == 12
message == "arguments must be positive"''',
        "`any` with a generator expression stops at the first argument that is not allowed.",
        "arg <= 0",
        "arg < 0",
        "Zero is not greater than 0 and has to be rejected, too.",
        setup="""
@validate_positive
def area(width, height):
    return width * height


try:
    area(0, 5)
    message = ""
except ValueError as error:
    message = str(error)
""",
        kind="decorator",
    ),
    _problem(
        "make_counter(step=1)",
        "returns a function that gives step, 2 * step, 3 * step, ... on successive calls",
        """
def make_counter(step=1):
    count = 0

    def counter():
        nonlocal count
        count += step
        return count

    return counter
""",
        """[c(), c(), c()] == [5, 10, 15]
make_counter()() == 1""",
        "`nonlocal` lets the inner function change the variable of the outer one.",
        "        nonlocal count\n",
        "",
        "Without `nonlocal` the assignment makes `count` a local variable that has no value yet.",
        setup="c = make_counter(5)",
    ),
    _problem(
        "compose(*functions)",
        "returns a function that applies the given functions from right to left",
        """
from functools import reduce


def compose(*functions):
    def composed(value):
        return reduce(lambda result, function: function(result), reversed(functions), value)

    return composed
""",
        """compose(str, abs)(-3) == "3"
compose()(7) == 7
compose(lambda x: x + 1, lambda x: x * 10)(2) == 21""",
        "`reduce` feeds the result of each function to the next one, starting with the value itself.",
        "reversed(functions)",
        "functions",
        "The functions were applied from left to right.",
    ),
    _problem(
        "multipliers(factors)",
        "returns a list of functions, each multiplying its argument by one of the factors",
        """
def multipliers(factors):
    return [lambda x, factor=factor: x * factor for factor in factors]
""",
        """[f(10) for f in multipliers([1, 2, 3])] == [10, 20, 30]
multipliers([]) == []""",
        "The default argument stores the current factor when the function is created.",
        "lambda x, factor=factor: x * factor",
        "lambda x: x * factor",
        "All functions looked up `factor` when they were called and found its last value.",
    ),
    _problem(
        "suppress_into(errors)",
        "suppresses any exception in its block and appends its message to the list `errors`",
        """
from contextlib import contextmanager


@contextmanager
def suppress_into(errors):
    try:
        yield
    except Exception as error:
        errors.append(str(error))
""",
        """errors == ["bad input"]
steps == ["before", "after"]""",
        "An exception in the `with` block is raised at the `yield`, where it can be caught.",
        setup="""
errors, steps = [], []
with suppress_into(errors):
    steps.append("before")
    raise ValueError("bad input")
steps.append("after")
""",
        kind="context manager",
    ),
    _problem(
        "override(settings, **changes)",
        "changes entries of a dict inside its block and restores the old content afterwards, even after an exception",
        """
from contextlib import contextmanager


@contextmanager
def override(settings, **changes):
    saved = dict(settings)
    settings.update(changes)
    try:
        yield settings
    finally:
        settings.clear()
        settings.update(saved)
""",
        """seen == {"debug": True, "level": 2, "extra": 0}
settings == {"debug": False, "level": 2}""",
        "A copy is taken before the change, and `finally` puts it back in every case.",
        "saved = dict(settings)",
        "saved = settings",
        "`saved` was only a second name for the same dict, so there was nothing left to restore.",
        setup="""
settings = {"debug": False, "level": 2}
with override(settings, debug=True, extra=0):
    seen = dict(settings)
""",
        kind="context manager",
    ),
    _problem(
        "Tag(name, out)",
        "works as a context manager, appending '<name>' to the list `out` on entering and "
        "'</name>' on leaving the block",
        """
class Tag:
    def __init__(self, name, out):
        self.name, self.out = name, out

    def __enter__(self):
        self.out.append(f"<{self.name}>")
        return self

    def __exit__(self, kind, error, trace):
        self.out.append(f"</{self.name}>")
        return False
""",
        """out == ["<p>", "<b>", "text", "</b>", "</p>"]""",
        "Leaving happens in the reverse order of entering, so the tags nest correctly.",
        'f"</{self.name}>"',
        'f"<{self.name}/>"',
        "The slash of a closing tag belongs before the name.",
        setup="""
out = []
with Tag("p", out), Tag("b", out):
    out.append("text")
""",
        kind="class",
    ),
    # Sorting and searching
    _problem(
        "binary_search(items, wanted)",
        "returns the position of `wanted` in a sorted list, or -1",
        """
def binary_search(items, wanted):
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1
""",
        """binary_search([1, 3, 5, 7, 9], 7) == 3
binary_search([1, 3, 5], 4) == -1
binary_search([2], 2) == 0
binary_search([], 1) == -1""",
        "The middle of the remaining range is compared, and half of the range is dropped each time.",
        "while low <= high:",
        "while low < high:",
        "With `<` the loop ends before a range of a single element has been checked.",
    ),
    _problem(
        "insertion_sort(items)",
        "returns a sorted copy of a list by insertion sort",
        """
def insertion_sort(items):
    result = []
    for item in items:
        place = len(result)
        while place > 0 and result[place - 1] > item:
            place -= 1
        result.insert(place, item)
    return result
""",
        """insertion_sort([3, 1, 2, 1]) == [1, 1, 2, 3]
insertion_sort([]) == []
insertion_sort([5, 4]) == [4, 5]""",
        "Each item moves left past all larger ones in the sorted part.",
        "result[place - 1] > item",
        "result[place - 1] < item",
        "The comparison was reversed, which sorts in descending order.",
    ),
    _problem(
        "merge_sort(items)",
        "returns a sorted copy of a list by merge sort",
        """
def merge_sort(items):
    if len(items) <= 1:
        return items[:]
    middle = len(items) // 2
    left, right = merge_sort(items[:middle]), merge_sort(items[middle:])
    merged = []
    while left and right:
        merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
    return merged + left + right
""",
        """merge_sort([5, 2, 9, 1, 5]) == [1, 2, 5, 5, 9]
merge_sort([]) == []
merge_sort(["b", "a"]) == ["a", "b"]""",
        "Both halves are sorted recursively and then merged by taking the smaller front element.",
        "return merged + left + right",
        "return merged",
        "What was left in one half after the other ran empty got lost.",
    ),
    _problem(
        "quick_sort(items)",
        "sorts a list by splitting it at its first element",
        """
def quick_sort(items):
    if not items:
        return []
    pivot, *rest = items
    small = [item for item in rest if item < pivot]
    large = [item for item in rest if item >= pivot]
    return quick_sort(small) + [pivot] + quick_sort(large)
""",
        """quick_sort([3, 6, 1, 3, 2]) == [1, 2, 3, 3, 6]
quick_sort([]) == []
quick_sort("cab") == ["a", "b", "c"]""",
        "Smaller items come before the pivot, the others after it, and both parts are sorted in the same way.",
        "item >= pivot",
        "item > pivot",
        "Items equal to the pivot were in neither part and disappeared.",
    ),
    _problem(
        "sort_people(people)",
        "sorts (name, age) tuples by age from old to young, and by name within the same age",
        """
def sort_people(people):
    return sorted(people, key=lambda person: (-person[1], person[0]))
""",
        """sort_people([("Al", 30), ("Cy", 41), ("Bo", 41)]) == [("Bo", 41), ("Cy", 41), ("Al", 30)]
sort_people([]) == []
sort_people([("B", 1), ("A", 1)]) == [("A", 1), ("B", 1)]""",
        "The minus sign reverses the order of the ages but not of the names.",
        "(-person[1], person[0])",
        "(person[1], person[0])",
        "The ages were sorted from young to old.",
    ),
    _problem(
        "natural_sort(names)",
        "sorts names so that numbers in them are compared as numbers and 'file2' comes before 'file10'",
        """
import re


def natural_sort(names):
    def key(name):
        parts = re.split(r"(\\d+)", name)
        return [int(part) if part.isdigit() else part for part in parts]

    return sorted(names, key=key)
""",
        """natural_sort(["file10", "file2", "file1"]) == ["file1", "file2", "file10"]
natural_sort([]) == []
natural_sort(["b1", "a12", "a3"]) == ["a3", "a12", "b1"]""",
        "Splitting at digits yields text and numbers in turn, which form a list that can be compared.",
        "int(part) if part.isdigit() else part",
        "part",
        "The digits stayed text, and as text '10' comes before '2'.",
    ),
    _problem(
        "insert_position(items, value)",
        "returns the position at which `value` has to be inserted into a sorted list to come after all equal elements",
        """
from bisect import bisect_right


def insert_position(items, value):
    return bisect_right(items, value)
""",
        """insert_position([1, 3, 3, 5], 3) == 3
insert_position([], 7) == 0
insert_position([1, 2], 0) == 0""",
        "`bisect_right` returns the place behind equal elements, `bisect_left` the one before them.",
        "return bisect_right(items, value)",
        "return len([x for x in items if x < value])",
        "Counting the smaller elements gives the place before equal ones.",
    ),
    _problem(
        "kth_smallest(numbers, k)",
        "returns the k-th smallest number (k starts at 1) with a heap",
        """
import heapq


def kth_smallest(numbers, k):
    return heapq.nsmallest(k, numbers)[-1]
""",
        """kth_smallest([7, 2, 9, 4], 2) == 4
kth_smallest([5], 1) == 5
kth_smallest([3, 3, 1], 3) == 3""",
        "`nsmallest` returns the k smallest numbers in order, and the last of them is the answer.",
        "heapq.nsmallest(k, numbers)[-1]",
        "heapq.nsmallest(k, numbers)[0]",
        "The first of the k smallest numbers is the minimum; the last one is wanted.",
    ),
    _problem(
        "merge_intervals(intervals)",
        "merges overlapping or touching intervals (start, end) and returns them as a sorted list of tuples",
        """
def merge_intervals(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
""",
        """merge_intervals([(5, 8), (1, 3), (2, 4)]) == [(1, 4), (5, 8)]
merge_intervals([(1, 9), (2, 3)]) == [(1, 9)]
merge_intervals([(1, 2), (2, 3)]) == [(1, 3)]
merge_intervals([]) == []""",
        "After sorting, an interval can only overlap the last one in the result.",
        "max(merged[-1][1], end)",
        "end",
        "An interval inside another one made the result shorter; the larger end has to be kept.",
    ),
    _problem(
        "is_sorted(items)",
        "tells whether a list is in ascending order, where equal neighbours are allowed",
        """
def is_sorted(items):
    return all(a <= b for a, b in zip(items, items[1:]))
""",
        """is_sorted([1, 2, 2, 5]) == True
is_sorted([3, 1]) == False
is_sorted([]) == True""",
        "`zip` of the list with itself, shifted by one, gives all pairs of neighbours.",
        "a <= b",
        "a < b",
        "Equal neighbours were reported as out of order.",
    ),
    # Dates and times
    _problem(
        "days_until(start, end)",
        "returns the number of days between two ISO dates such as '2024-02-27'",
        """
from datetime import date


def days_until(start, end):
    return (date.fromisoformat(end) - date.fromisoformat(start)).days
""",
        """days_until("2024-02-27", "2024-03-01") == 3
days_until("2023-02-27", "2023-03-01") == 2
days_until("2024-05-05", "2024-05-01") == -4""",
        "Subtracting two dates gives a timedelta, which knows about leap years.",
        "date.fromisoformat(end) - date.fromisoformat(start)",
        "date.fromisoformat(start) - date.fromisoformat(end)",
        "The dates were subtracted in the wrong order, which flips the sign.",
    ),
    _problem(
        "is_leap_year(year)",
        "tells whether a year is a leap year in the Gregorian calendar",
        """
def is_leap_year(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
""",
        """is_leap_year(2024) == True
is_leap_year(1900) == False
is_leap_year(2000) == True
is_leap_year(2023) == False""",
        "Years divisible by 100 are leap years only if they are divisible by 400.",
        " or year % 400 == 0",
        "",
        "Years divisible by 400 are leap years although they are divisible by 100.",
    ),
    _problem(
        "format_duration(seconds)",
        "turns a number of seconds into the form 'h:mm:ss'",
        """
def format_duration(seconds):
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
""",
        '''format_duration(3661) == "1:01:01"
format_duration(59) == "0:00:59"
format_duration(36000) == "10:00:00"''',
        "`divmod` gives the quotient and the remainder at once.",
        "{minutes:02d}:{seconds:02d}",
        "{minutes}:{seconds}",
        "Minutes and seconds below 10 were not padded to two digits.",
    ),
    _problem(
        "parse_duration(text)",
        "turns text such as '1h30m' or '45s' into seconds",
        """
import re


def parse_duration(text):
    seconds = {"h": 3600, "m": 60, "s": 1}
    return sum(int(n) * seconds[unit] for n, unit in re.findall(r"(\\d+)([hms])", text))
""",
        """parse_duration("1h30m") == 5400
parse_duration("45s") == 45
parse_duration("2h5s") == 7205""",
        "The pattern finds number and unit, and a dict holds the seconds of each unit.",
        '"m": 60',
        '"m": 6',
        "A minute has 60 seconds, not 6.",
    ),
    _problem(
        "next_weekday(day, weekday)",
        "returns the first date after `day` that falls on the given weekday (Monday is 0)",
        """
from datetime import date, timedelta


def next_weekday(day, weekday):
    ahead = (weekday - day.weekday() - 1) % 7 + 1
    return day + timedelta(days=ahead)
""",
        '''next_weekday(date(2024, 5, 1), 4).isoformat() == "2024-05-03"
next_weekday(date(2024, 5, 1), 2).isoformat() == "2024-05-08"
next_weekday(date(2024, 12, 31), 0).isoformat() == "2025-01-06"''',
        "The number of days ahead lies between 1 and 7, so the day itself never counts.",
        "(weekday - day.weekday() - 1) % 7 + 1",
        "(weekday - day.weekday()) % 7",
        "If the day already falls on the weekday, the day itself was returned instead of the date a week later.",
        needs="from datetime import date",
    ),
    _problem(
        "last_day_of_month(year, month)",
        "returns the number of the last day of a month",
        """
from datetime import date, timedelta


def last_day_of_month(year, month):
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    return (first_of_next - timedelta(days=1)).day
""",
        """last_day_of_month(2024, 2) == 29
last_day_of_month(2023, 12) == 31
last_day_of_month(2023, 4) == 30""",
        "The day before the first of the next month is the last day of this one.",
        "month % 12 + 1",
        "month + 1",
        "For December the next month became 13, which is not a valid month.",
    ),
    _problem(
        "workdays(start, end)",
        "counts the days from Monday to Friday between two dates, both included",
        """
from datetime import date, timedelta


def workdays(start, end):
    days = (end - start).days + 1
    return sum((start + timedelta(days=i)).weekday() < 5 for i in range(days))
""",
        """workdays(date(2024, 4, 29), date(2024, 5, 5)) == 5
workdays(date(2024, 5, 4), date(2024, 5, 5)) == 0
workdays(date(2024, 5, 3), date(2024, 5, 6)) == 2""",
        "`weekday()` counts from 0 for Monday, so workdays are below 5.",
        "(end - start).days + 1",
        "(end - start).days",
        "The last day was left out of the count.",
        needs="from datetime import date",
    ),
    _problem(
        "age_on(birth, today)",
        "returns the age in full years on a given day; both arguments are dates",
        """
from datetime import date


def age_on(birth: date, today: date) -> int:
    had_birthday = (today.month, today.day) >= (birth.month, birth.day)
    return today.year - birth.year - (not had_birthday)
""",
        """age_on(date(2000, 6, 15), date(2024, 6, 14)) == 23
age_on(date(2000, 6, 15), date(2024, 6, 15)) == 24
age_on(date(2000, 6, 15), date(2024, 8, 1)) == 24
age_on(date(2001, 12, 1), date(2024, 1, 31)) == 22""",
        "A year is subtracted if the birthday has not been reached yet this year.",
        "(today.month, today.day) >= (birth.month, birth.day)",
        "today.month >= birth.month and today.day >= birth.day",
        "Month and day have to be compared as a pair: in a later month the day does not matter.",
        needs="from datetime import date",
    ),
    _problem(
        "overlap_minutes(first, second)",
        "returns by how many minutes two periods ('09:00', '10:30') of the same day overlap",
        """
def overlap_minutes(first, second):
    def minutes(clock):
        hours, mins = clock.split(":")
        return int(hours) * 60 + int(mins)

    start = max(minutes(first[0]), minutes(second[0]))
    end = min(minutes(first[1]), minutes(second[1]))
    return max(0, end - start)
""",
        """overlap_minutes(("09:00", "10:30"), ("10:00", "12:00")) == 30
overlap_minutes(("08:00", "09:00"), ("10:00", "11:00")) == 0
overlap_minutes(("08:00", "12:00"), ("09:15", "09:45")) == 30""",
        "The overlap runs from the later start to the earlier end.",
        "max(0, end - start)",
        "end - start",
        "Periods that do not overlap gave a negative number instead of 0.",
    ),
    # Regular expressions and parsing
    _problem(
        "find_emails(text)",
        "returns all e-mail addresses in a text, in order",
        """
import re


def find_emails(text):
    return re.findall(r"[\\w.+-]+@[\\w-]+(?:\\.[\\w-]+)+", text)
""",
        """find_emails("Ask kim@example.org or a.b@mail.example.com.") == ["kim@example.org", "a.b@mail.example.com"]
find_emails("no address here @ all") == []
find_emails("<x+y@z.io>") == ["x+y@z.io"]""",
        "The group is marked with `?:`, because otherwise `findall` would return only the group.",
        "(?:",
        "(",
        "With a capturing group `findall` returns the group instead of the whole address.",
    ),
    _problem(
        "is_valid_time(text)",
        "tells whether a text is a time from 00:00 to 23:59",
        """
import re


def is_valid_time(text):
    return re.fullmatch(r"([01]\\d|2[0-3]):[0-5]\\d", text) is not None
""",
        """is_valid_time("23:59") == True
is_valid_time("24:00") == False
is_valid_time("7:30") == False
is_valid_time("12:305") == False""",
        "`fullmatch` requires that the whole text fits the pattern.",
        "re.fullmatch",
        "re.match",
        "`match` only looks at the beginning, so extra characters at the end were accepted.",
    ),
    _problem(
        "swap_date_format(text)",
        "rewrites all dates of the form 31/12/2024 in a text as 2024-12-31",
        """
import re


def swap_date_format(text):
    return re.sub(r"(\\d{2})/(\\d{2})/(\\d{4})", r"\\3-\\2-\\1", text)
""",
        '''swap_date_format("due 31/12/2024") == "due 2024-12-31"
swap_date_format("01/02/2023 to 03/02/2023") == "2023-02-01 to 2023-02-03"
swap_date_format("none") == "none"''',
        "The numbers in the replacement refer to the groups of the pattern.",
        r"\3-\2-\1",
        r"\3-\1-\2",
        "Day and month were swapped in the replacement.",
    ),
    _problem(
        "extract_hashtags(text)",
        "returns the hashtags of a text without '#', in lower case and without duplicates, in order",
        """
import re


def extract_hashtags(text):
    return list(dict.fromkeys(tag.lower() for tag in re.findall(r"#(\\w+)", text)))
""",
        """extract_hashtags("#Python is #fun, #python!") == ["python", "fun"]
extract_hashtags("nothing") == []
extract_hashtags("#a#b") == ["a", "b"]""",
        "The group excludes the '#', and the dict removes duplicates without changing the order.",
        "tag.lower() for tag in",
        "tag for tag in",
        "Tags that differ only in case were kept twice.",
    ),
    _problem(
        "strip_comments(source)",
        "removes comments that start with '#' and the spaces before them from each line, and "
        "drops lines that become empty",
        """
import re


def strip_comments(source):
    lines = (re.sub(r"\\s*#.*", "", line) for line in source.splitlines())
    return "\\n".join(line for line in lines if line.strip())
""",
        '''strip_comments("x = 1  # one\\n# all\\ny = 2") == "x = 1\\ny = 2"
strip_comments("") == ""
strip_comments("a\\n\\nb") == "a\\nb"''',
        "The pattern takes everything from the spaces before '#' to the end of the line.",
        r"\s*#.*",
        "#.*",
        "The spaces before the comment stayed at the end of the line.",
    ),
    _problem(
        "parse_query(query)",
        "parses a query string such as 'a=1&b=2&a=3' to a dict of lists",
        """
def parse_query(query):
    result = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        result.setdefault(key, []).append(value)
    return result
""",
        """parse_query("a=1&b=2&a=3") == {"a": ["1", "3"], "b": ["2"]}
parse_query("") == {}
parse_query("flag&x=a=b") == {"flag": [""], "x": ["a=b"]}""",
        "`partition` splits only at the first '=', so values may contain the sign.",
        'filter(None, query.split("&"))',
        'query.split("&")',
        "Splitting an empty string gives one empty part, which became an entry of its own.",
    ),
    _problem(
        "parse_config(text)",
        "parses lines 'key = value', ignoring blank lines and lines that start with ';'",
        """
def parse_config(text):
    config = {}
    for line in map(str.strip, text.splitlines()):
        if line and not line.startswith(";"):
            key, value = line.split("=", 1)
            config[key.strip()] = value.strip()
    return config
""",
        """parse_config("a = 1\\n; note\\n\\nurl = x=y") == {"a": "1", "url": "x=y"}
parse_config("") == {}
parse_config("  k=v  ") == {"k": "v"}""",
        "The second argument of `split` limits it to the first equals sign.",
        'line.split("=", 1)',
        'line.split("=")',
        "A value that contains '=' was split into too many parts.",
    ),
    _problem(
        "parse_log(line)",
        "parses '[LEVEL] time message' with a regular expression to a dict with level, time and "
        "message, or returns None",
        """
import re


def parse_log(line):
    match = re.match(r"\\[(?P<level>[A-Z]+)\\] (?P<time>\\S+) (?P<message>.*)", line)
    return match.groupdict() if match else None
""",
        '''parse_log("[WARN] 09:15 disk full") == {"level": "WARN", "time": "09:15", "message": "disk full"}
parse_log("hello") == None
parse_log("[INFO] 10:00 ")["message"] == ""''',
        "Named groups become the keys of `groupdict`.",
        r"(?P<message>.*)",
        r"(?P<message>\S*)",
        r"`\S*` stops at the first space, so the message lost all but its first "
        "word.",
    ),
    _problem(
        "evaluate_rpn(expression)",
        "evaluates an expression in reverse Polish notation with + - * and integers",
        """
import operator


def evaluate_rpn(expression):
    operators = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    stack = []
    for token in expression.split():
        if token in operators:
            right, left = stack.pop(), stack.pop()
            stack.append(operators[token](left, right))
        else:
            stack.append(int(token))
    return stack.pop()
""",
        """evaluate_rpn("3 4 + 2 *") == 14
evaluate_rpn("10 4 -") == 6
evaluate_rpn("5") == 5""",
        "Numbers go on a stack, and each operator replaces the top two by its result.",
        "right, left = stack.pop(), stack.pop()",
        "left, right = stack.pop(), stack.pop()",
        "The top of the stack is the right operand; taking it as the left one spoils subtraction.",
    ),
    _problem(
        "balanced(text)",
        "tells whether all round, square and curly brackets in a text are properly closed",
        """
def balanced(text):
    partner = {")": "(", "]": "[", "}": "{"}
    open_brackets = []
    for char in text:
        if char in partner.values():
            open_brackets.append(char)
        elif char in partner:
            if not open_brackets or open_brackets.pop() != partner[char]:
                return False
    return not open_brackets
""",
        """balanced("a(b[c]{d})") == True
balanced("(]") == False
balanced("((") == False
balanced(")") == False""",
        "A closing bracket must match the bracket that was opened last.",
        "return not open_brackets",
        "return True",
        "Brackets that are never closed were not noticed.",
    ),
    _problem(
        "tokenize(expression)",
        "splits an arithmetic expression into numbers, names and the signs + - * / ( )",
        """
import re


def tokenize(expression):
    return re.findall(r"\\d+\\.?\\d*|[A-Za-z_]\\w*|[-+*/()]", expression)
""",
        """tokenize("3*(x1+2.5)") == ["3", "*", "(", "x1", "+", "2.5", ")"]
tokenize("") == []
tokenize("a - 10") == ["a", "-", "10"]""",
        "The alternatives of the pattern describe one kind of token each, and spaces match none of them.",
        r"\d+\.?\d*",
        r"\d+",
        "Decimal numbers were split at the point.",
    ),
    _problem(
        "roman_to_int(text)",
        "converts a Roman numeral to an integer",
        """
def roman_to_int(text):
    values = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
    numbers = [values[char] for char in text]
    return sum(
        -n if n < following else n for n, following in zip(numbers, numbers[1:] + [0])
    )
""",
        """roman_to_int("MCMXCIV") == 1994
roman_to_int("III") == 3
roman_to_int("XL") == 40""",
        "A value counts as negative if a larger one follows.",
        "-n if n < following else n",
        "n",
        "A smaller numeral before a larger one has to be subtracted.",
    ),
    _problem(
        "int_to_roman(number)",
        "converts an integer from 1 to 3999 to a Roman numeral",
        """
def int_to_roman(number):
    table = [
        (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
        (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
    ]
    text = ""
    for value, sign in table:
        count, number = divmod(number, value)
        text += sign * count
    return text
""",
        '''int_to_roman(1994) == "MCMXCIV"
int_to_roman(8) == "VIII"
int_to_roman(44) == "XLIV"''',
        "The table goes from large to small, and `divmod` tells how often each sign is used.",
        ' (4, "IV"),',
        "",
        "The entry for 4 was missing, so 4 was written as IIII.",
    ),
    # CSV and JSON
    _problem(
        "csv_to_dicts(text)",
        "parses CSV text with a header line to a list of dicts",
        """
import csv
import io


def csv_to_dicts(text):
    return list(csv.DictReader(io.StringIO(text)))
""",
        """csv_to_dicts("a,b\\n1,2\\n") == [{"a": "1", "b": "2"}]
csv_to_dicts('n\\n"x, y"\\n') == [{"n": "x, y"}]
csv_to_dicts("a,b\\n") == []""",
        "DictReader takes the keys from the first line and handles quoted commas.",
    ),
    _problem(
        "column_sum(text, column)",
        "adds up a numeric column of CSV text and skips empty cells",
        """
import csv
import io


def column_sum(text, column):
    rows = csv.DictReader(io.StringIO(text))
    return sum(float(row[column]) for row in rows if row[column].strip())
""",
        """column_sum("x,y\\n1,2\\n3,\\n", "x") == 4.0
column_sum("x,y\\n1,2\\n3,\\n", "y") == 2.0
column_sum("x\\n", "x") == 0""",
        "Empty cells are filtered out before the conversion to numbers.",
        " if row[column].strip()",
        "",
        "`float` raises ValueError for an empty cell.",
    ),
    _problem(
        "dicts_to_csv(rows)",
        "writes a list of dicts with the same keys as CSV text with a header and '\\n' line ends",
        """
import csv
import io


def dicts_to_csv(rows):
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
""",
        '''dicts_to_csv([{"a": 1, "b": "x,y"}]) == 'a,b\\n1,"x,y"\\n'
dicts_to_csv([]) == ""
dicts_to_csv([{"k": 1}, {"k": 2}]) == "k\\n1\\n2\\n"''',
        "The keys of the first row become the header, and the writer adds quotes where they are needed.",
        "    writer.writeheader()\n",
        "",
        "The header line was never written.",
    ),
    _problem(
        "pretty_json(data)",
        "serializes data as JSON with two spaces of indentation, sorted keys and readable non-ASCII characters",
        """
import json


def pretty_json(data):
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
""",
        '''pretty_json({"b": 1, "a": "é"}) == '{\\n  "a": "é",\\n  "b": 1\\n}'
pretty_json([]) == "[]"''',
        "`ensure_ascii=False` writes characters such as é as they are.",
        ", ensure_ascii=False",
        "",
        "By default `json.dumps` escapes all non-ASCII characters.",
    ),
    _problem(
        "load_json(text, default=None)",
        "parses JSON and returns the default if the text is not valid JSON",
        """
import json


def load_json(text, default=None):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return default
""",
        """load_json('{"a": [1, null]}') == {"a": [1, None]}
load_json("{oops") == None
load_json("", []) == []""",
        "Only the decoding error is caught, so that other mistakes are not hidden.",
        "return default",
        "return None",
        "The given default was ignored.",
    ),
    _problem(
        "jsonl_filter(text, key, value)",
        "reads JSON lines, skips blank lines and returns the objects in which `key` has the given value",
        """
import json


def jsonl_filter(text, key, value):
    objects = (json.loads(line) for line in text.splitlines() if line.strip())
    return [item for item in objects if item.get(key) == value]
""",
        """jsonl_filter('{"a": 1}\\n\\n{"a": 2}\\n', "a", 2) == [{"a": 2}]
jsonl_filter("", "a", 1) == []
jsonl_filter('{"b": 1}', "a", 1) == []""",
        "Every line is a JSON document of its own, and `get` copes with objects that lack the key.",
        "item.get(key)",
        "item[key]",
        "Objects without the key raised KeyError.",
    ),
    # Mathematics
    _problem(
        "gcd(a, b)",
        "computes the greatest common divisor with Euclid's algorithm",
        """
def gcd(a, b):
    while b:
        a, b = b, a % b
    return a
""",
        """gcd(48, 36) == 12
gcd(7, 0) == 7
gcd(17, 5) == 1""",
        "The pair is replaced by the smaller number and the remainder until the remainder is 0.",
        "return a",
        "return b",
        "At the end `b` is 0; the divisor is in `a`.",
    ),
    _problem(
        "is_prime(n)",
        "tells whether n is a prime number",
        """
from math import isqrt


def is_prime(n):
    return n >= 2 and all(n % d for d in range(2, isqrt(n) + 1))
""",
        """is_prime(2) == True
is_prime(1) == False
is_prime(49) == False
is_prime(97) == True""",
        "It is enough to test divisors up to the square root.",
        "isqrt(n) + 1",
        "isqrt(n)",
        "The square root itself was not tested, so squares of primes passed as primes.",
    ),
    _problem(
        "primes_below(limit)",
        "returns all primes below a limit with the sieve of Eratosthenes",
        """
def primes_below(limit):
    is_prime = [False, False] + [True] * max(0, limit - 2)
    for n in range(2, limit):
        if is_prime[n]:
            for multiple in range(n * n, limit, n):
                is_prime[multiple] = False
    return [n for n in range(limit) if is_prime[n]]
""",
        """primes_below(20) == [2, 3, 5, 7, 11, 13, 17, 19]
primes_below(2) == []
primes_below(3) == [2]""",
        "Multiples of each prime are crossed out, starting at its square.",
        "range(n * n, limit, n)",
        "range(n, limit, n)",
        "The sieve started crossing out at the prime itself.",
    ),
    _problem(
        "prime_factors(n)",
        "returns the prime factors of n >= 2 in ascending order, repeated as often as they occur",
        """
def prime_factors(n):
    factors, divisor = [], 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            factors.append(divisor)
            n //= divisor
        else:
            divisor += 1
    return factors + [n] if n > 1 else factors
""",
        """prime_factors(360) == [2, 2, 2, 3, 3, 5]
prime_factors(13) == [13]
prime_factors(49) == [7, 7]""",
        "Whatever is left above 1 after the division is itself a prime.",
        "return factors + [n] if n > 1 else factors",
        "return factors",
        "The last prime factor, which is left over in `n`, was missing.",
    ),
    _problem(
        "to_base(number, base)",
        "returns a non-negative integer as a string in a base from 2 to 16, with lower-case digits",
        """
def to_base(number, base):
    digits = "0123456789abcdef"
    text = ""
    while True:
        number, rest = divmod(number, base)
        text = digits[rest] + text
        if number == 0:
            return text
""",
        '''to_base(10, 2) == "1010"
to_base(255, 16) == "ff"
to_base(0, 8) == "0"''',
        "Each remainder is a digit, from the last to the first.",
        "digits[rest] + text",
        "text + digits[rest]",
        "The digits were appended on the wrong side, so their order was reversed.",
    ),
    _problem(
        "collatz_length(n)",
        "returns the number of steps the Collatz sequence needs from n to 1",
        """
def collatz_length(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps
""",
        """collatz_length(6) == 8
collatz_length(1) == 0
collatz_length(27) == 111""",
        "Even numbers are halved, odd ones are tripled and increased by one.",
        "    steps = 0\n",
        "    steps = 1\n",
        "Counting has to start at 0, because 1 needs no step.",
    ),
    _problem(
        "perfect_numbers(limit)",
        "returns all numbers up to `limit` that equal the sum of their proper divisors",
        """
def perfect_numbers(limit):
    return [
        n for n in range(2, limit + 1) if n == sum(d for d in range(1, n // 2 + 1) if n % d == 0)
    ]
""",
        """perfect_numbers(30) == [6, 28]
perfect_numbers(5) == []
perfect_numbers(6) == [6]""",
        "Proper divisors are at most half of the number.",
        "range(2, limit + 1)",
        "range(2, limit)",
        "The limit itself was not included.",
    ),
    _problem(
        "solve_quadratic(a, b, c)",
        "returns the sorted list of real solutions of ax^2 + bx + c = 0 with a != 0",
        """
from math import sqrt


def solve_quadratic(a, b, c):
    disc = b * b - 4 * a * c
    if disc < 0:
        return []
    return sorted({(-b - sqrt(disc)) / (2 * a), (-b + sqrt(disc)) / (2 * a)})
""",
        """solve_quadratic(1, -3, 2) == [1.0, 2.0]
solve_quadratic(1, 2, 1) == [-1.0]
solve_quadratic(1, 0, 1) == []
solve_quadratic(2, 0, -8) == [-2.0, 2.0]""",
        "The set merges a double solution into one.",
        "/ (2 * a)",
        "/ 2 * a",
        "Without parentheses the result is divided by 2 and then multiplied by a.",
    ),
    _problem(
        "median(values)",
        "returns the median of a non-empty list",
        """
def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
""",
        """median([5, 1, 3]) == 3
median([4, 1, 3, 2]) == 2.5
median([8]) == 8""",
        "With an even number of values the two in the middle are averaged.",
        "ordered = sorted(values)",
        "ordered = list(values)",
        "The values were not sorted before the middle was taken.",
    ),
    _problem(
        "modes(values)",
        "returns the sorted list of the most frequent values",
        """
from collections import Counter


def modes(values):
    counts = Counter(values)
    most = max(counts.values(), default=0)
    return sorted(value for value, count in counts.items() if count == most)
""",
        """modes([1, 2, 2, 3, 3]) == [2, 3]
modes([]) == []
modes("aab") == ["a"]""",
        "All values that reach the highest count are kept.",
        "return sorted(value for value, count in counts.items() if count == most)",
        "return [value for value, _ in counts.most_common(1)]",
        "`most_common(1)` returns a single value even if there are ties.",
    ),
    _problem(
        "variance(values)",
        "returns the population variance of a non-empty list",
        """
def variance(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)
""",
        """variance([2, 4, 4, 4, 5, 5, 7, 9]) == 4.0
variance([3]) == 0.0
variance([1, 3]) == 1.0""",
        "It is the mean of the squared distances from the mean.",
        "/ len(values)\n",
        "/ (len(values) - 1)\n",
        "Dividing by n - 1 gives the sample variance; the population variance divides by n.",
    ),
    _problem(
        "clamp(value, low, high)",
        "limits a value to the range from low to high",
        """
def clamp(value, low, high):
    return max(low, min(value, high))
""",
        """clamp(15, 0, 10) == 10
clamp(-3, 0, 10) == 0
clamp(7, 0, 10) == 7""",
        "`min` cuts off at the upper end and `max` at the lower end.",
        "max(low, min(value, high))",
        "min(low, max(value, high))",
        "`min` and `max` were swapped.",
    ),
    _problem(
        "pascal_row(n)",
        "returns row n of Pascal's triangle, where row 0 is [1]",
        """
def pascal_row(n):
    row = [1]
    for _ in range(n):
        row = [a + b for a, b in zip([0] + row, row + [0])]
    return row
""",
        """pascal_row(4) == [1, 4, 6, 4, 1]
pascal_row(0) == [1]
pascal_row(1) == [1, 1]""",
        "Adding a row to itself, shifted by one, gives the next row.",
        "range(n)",
        "range(n - 1)",
        "The loop ran once too little, so the row before was returned.",
    ),
    _problem(
        "round_to(value, step)",
        "rounds an integer to the nearest multiple of `step`, halves up",
        """
def round_to(value, step):
    return (value + step // 2) // step * step
""",
        """round_to(17, 5) == 15
round_to(18, 5) == 20
round_to(25, 10) == 30
round_to(0, 4) == 0""",
        "Adding half a step before the integer division turns rounding down into rounding to the nearest.",
        "(value + step // 2)",
        "value",
        "Without half a step added, the value is always rounded down.",
    ),
    _problem(
        "estimate_pi(terms)",
        "approximates pi by the sum of the given number of terms of the series 4 - 4/3 + 4/5 - 4/7 and so on",
        """
def estimate_pi(terms):
    return sum((-1) ** k * 4 / (2 * k + 1) for k in range(terms))
""",
        """estimate_pi(1) == 4.0
round(estimate_pi(2), 4) == 2.6667
round(estimate_pi(100000), 3) == 3.142""",
        "The factor (-1) ** k makes the signs alternate.",
        "(2 * k + 1)",
        "(k + 1)",
        "Only odd denominators belong to the series.",
    ),
    # Bits
    _problem(
        "count_ones(n)",
        "counts the 1 bits of a non-negative integer without converting it to a string",
        """
def count_ones(n):
    count = 0
    while n:
        n &= n - 1
        count += 1
    return count
""",
        """count_ones(13) == 3
count_ones(0) == 0
count_ones(255) == 8""",
        "`n & (n - 1)` clears the lowest 1 bit, so the loop runs once for each of them.",
        "n &= n - 1",
        "n >>= 1",
        "Shifting visits every bit, so the zeros were counted as well.",
    ),
    _problem(
        "is_power_of_two(n)",
        "tells whether an integer is a power of two, using bit operations",
        """
def is_power_of_two(n):
    return n > 0 and n & (n - 1) == 0
""",
        """is_power_of_two(64) == True
is_power_of_two(0) == False
is_power_of_two(6) == False
is_power_of_two(1) == True""",
        "A power of two has a single 1 bit, and clearing it leaves 0.",
        "n > 0 and ",
        "",
        "0 also passes the bit test, but it is not a power of two.",
    ),
    _problem(
        "single_number(numbers)",
        "returns the number that occurs once in a list in which all others occur twice",
        """
from functools import reduce
from operator import xor


def single_number(numbers):
    return reduce(xor, numbers)
""",
        """single_number([4, 1, 2, 1, 2]) == 4
single_number([9]) == 9
single_number([0, 5, 0]) == 5""",
        "XOR of a number with itself is 0, so all pairs cancel out.",
        "xor",
        "or_",
        "OR does not cancel pairs out; XOR does.",
    ),
    _problem(
        "set_bit(n, position, on)",
        "switches the bit at a position of an integer on or off",
        """
def set_bit(n, position, on):
    mask = 1 << position
    return n | mask if on else n & ~mask
""",
        """set_bit(8, 1, True) == 10
set_bit(10, 1, False) == 8
set_bit(8, 0, False) == 8""",
        "OR with the mask switches the bit on, AND with the inverted mask switches it off.",
        "n & ~mask",
        "n ^ mask",
        "XOR flips the bit, so a bit that was already off got switched on.",
    ),
    _problem(
        "swap_nibbles(byte)",
        "swaps the upper and the lower four bits of a byte",
        """
def swap_nibbles(byte):
    return (byte & 0x0F) << 4 | byte >> 4
""",
        """swap_nibbles(0xAB) == 186
swap_nibbles(0x01) == 16
swap_nibbles(0xFF) == 255""",
        "The lower half is shifted up, the upper half is shifted down, and OR combines them.",
        "(byte & 0x0F) << 4",
        "byte << 4",
        "Without the mask the upper half is shifted beyond the byte.",
    ),
    _problem(
        "gray_code(bits)",
        "returns the reflected Gray code of the given number of bits as a list of binary strings",
        """
def gray_code(bits):
    return [f"{n ^ (n >> 1):0{bits}b}" for n in range(2**bits)]
""",
        """gray_code(2) == ["00", "01", "11", "10"]
gray_code(1) == ["0", "1"]
len(set(gray_code(4))) == 16""",
        "The formula n ^ (n >> 1) makes neighbours differ in exactly one bit.",
        "n ^ (n >> 1)",
        "n",
        "Plain binary counting changes several bits at once.",
    ),
    # Matrices and grids
    _problem(
        "rotate_matrix(matrix)",
        "rotates a matrix by 90 degrees clockwise",
        """
def rotate_matrix(matrix):
    return [list(row) for row in zip(*matrix[::-1])]
""",
        """rotate_matrix([[1, 2], [3, 4]]) == [[3, 1], [4, 2]]
rotate_matrix([[1, 2, 3]]) == [[1], [2], [3]]
rotate_matrix([]) == []""",
        "Reversing the rows and then transposing is a clockwise rotation.",
        "matrix[::-1]",
        "matrix",
        "Without reversing the rows, the matrix is only transposed.",
    ),
    _problem(
        "spiral(matrix)",
        "returns the elements of a matrix in clockwise spiral order from the top left corner",
        """
def spiral(matrix):
    result = []
    while matrix:
        first, *rest = matrix
        result.extend(first)
        matrix = list(zip(*rest))[::-1]
    return result
""",
        """spiral([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) == [1, 2, 3, 6, 9, 8, 7, 4, 5]
spiral([[1, 2], [3, 4]]) == [1, 2, 4, 3]
spiral([]) == []""",
        "After taking the first row, the rest is turned counter-clockwise, and the process repeats.",
        "list(zip(*rest))[::-1]",
        "list(zip(*rest))",
        "The rest was transposed, but not turned counter-clockwise.",
    ),
    _problem(
        "diagonal_sums(matrix)",
        "returns a tuple of the sums of both diagonals of a square matrix, main diagonal first",
        """
def diagonal_sums(matrix):
    n = len(matrix)
    main = sum(matrix[i][i] for i in range(n))
    other = sum(matrix[i][n - 1 - i] for i in range(n))
    return main, other
""",
        """diagonal_sums([[1, 2], [3, 5]]) == (6, 5)
diagonal_sums([[7]]) == (7, 7)
diagonal_sums([[1, 0, 2], [0, 3, 0], [4, 0, 5]]) == (9, 9)""",
        "On the other diagonal, column and row add up to n - 1.",
        "n - 1 - i",
        "n - i - 2",
        "The column of the second diagonal is n - 1 - i.",
    ),
    _problem(
        "neighbours(row, column, height, width)",
        "returns the cells above, below, left and right of a cell that lie inside the grid, in this order",
        """
def neighbours(row, column, height, width):
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    cells = [(row + dr, column + dc) for dr, dc in steps]
    return [(r, c) for r, c in cells if 0 <= r < height and 0 <= c < width]
""",
        """neighbours(0, 0, 2, 2) == [(1, 0), (0, 1)]
neighbours(1, 1, 3, 3) == [(0, 1), (2, 1), (1, 0), (1, 2)]
neighbours(0, 0, 1, 1) == []""",
        "All four candidates are computed first, and those outside the grid are filtered out.",
        "0 <= r < height",
        "0 <= r <= height",
        "Rows are numbered from 0 to height - 1, so `<=` lets a cell outside the grid through.",
    ),
    _problem(
        "count_islands(grid)",
        "counts the groups of '#' cells connected horizontally or vertically in a list of strings",
        """
def count_islands(grid):
    land = {(r, c) for r, row in enumerate(grid) for c, cell in enumerate(row) if cell == "#"}
    islands = 0
    while land:
        islands += 1
        stack = [land.pop()]
        while stack:
            r, c = stack.pop()
            for cell in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
                if cell in land:
                    land.remove(cell)
                    stack.append(cell)
    return islands
""",
        """count_islands(["##.", "..#", "#.#"]) == 3
count_islands([]) == 0
count_islands(["###"]) == 1
count_islands(["#", "#"]) == 1""",
        "Each island is removed completely from the set of land cells before the next one is counted.",
        "((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1))",
        "((r, c + 1), (r, c - 1))",
        "Only horizontal neighbours were followed, so vertical connections were missed.",
    ),
    _problem(
        "life_step(alive)",
        "computes the next generation of Conway's Game of Life for a set of live cells (x, y) and "
        "returns it as a sorted list",
        """
from collections import Counter


def life_step(alive):
    near = Counter(
        (x + dx, y + dy)
        for x, y in alive
        for dx in (-1, 0, 1)
        for dy in (-1, 0, 1)
        if (dx, dy) != (0, 0)
    )
    return sorted(cell for cell, n in near.items() if n == 3 or (n == 2 and cell in alive))
""",
        """life_step({(0, 1), (1, 1), (2, 1)}) == [(1, 0), (1, 1), (1, 2)]
life_step(set()) == []
life_step({(0, 0)}) == []
life_step({(0, 0), (0, 1), (1, 0), (1, 1)}) == [(0, 0), (0, 1), (1, 0), (1, 1)]""",
        "Each live cell adds one to the count of all its neighbours.",
        "n == 3 or (n == 2 and cell in alive)",
        "n in (2, 3)",
        "With two neighbours a cell survives, but a dead cell is not born.",
    ),
    # Graphs
    _problem(
        "bfs_distance(graph, start, goal)",
        "returns the smallest number of edges from start to goal in a dict of neighbour lists, or -1",
        """
from collections import deque


def bfs_distance(graph, start, goal):
    distance = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        if node == goal:
            return distance[node]
        for neighbour in graph.get(node, []):
            if neighbour not in distance:
                distance[neighbour] = distance[node] + 1
                queue.append(neighbour)
    return -1
""",
        """bfs_distance({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, "a", "d") == 2
bfs_distance({"a": []}, "a", "z") == -1
bfs_distance({}, "x", "x") == 0
bfs_distance({1: [3, 2], 2: [4], 3: [5], 4: [6], 6: [5]}, 1, 5) == 2""",
        "Nodes leave the queue in order of their distance from the start.",
        "queue.popleft()",
        "queue.pop()",
        "`pop` takes the newest node, which makes it a depth-first search that can find longer paths.",
    ),
    _problem(
        "dijkstra(graph, start)",
        "returns a dict of the shortest distances from start in a graph such as {'a': {'b': 5}}",
        """
import heapq


def dijkstra(graph, start):
    done, heap = {}, [(0, start)]
    while heap:
        distance, node = heapq.heappop(heap)
        if node not in done:
            done[node] = distance
            for neighbour, weight in graph.get(node, {}).items():
                heapq.heappush(heap, (distance + weight, neighbour))
    return done
""",
        """dijkstra({"a": {"b": 5, "c": 1}, "c": {"b": 2}}, "a") == {"a": 0, "c": 1, "b": 3}
dijkstra({}, "x") == {"x": 0}
dijkstra({"a": {"b": 1}, "b": {"a": 1}}, "b") == {"b": 0, "a": 1}""",
        "The heap always yields the nearest node that is not finished yet.",
        "(distance + weight, neighbour)",
        "(weight, neighbour)",
        "The distance to the current node was not added to the weight of the edge.",
    ),
    _problem(
        "topological_sort(needs)",
        "gets a dict from each task to the tasks it needs and returns an order in which every "
        "task comes after what it needs, alphabetical where there is a choice, or None for a cycle",
        """
def topological_sort(needs):
    open_needs = {task: set(before) for task, before in needs.items()}
    order = []
    while open_needs:
        ready = [task for task, before in open_needs.items() if not before]
        if not ready:
            return None
        task = min(ready)
        order.append(task)
        del open_needs[task]
        for before in open_needs.values():
            before.discard(task)
    return order
""",
        """topological_sort({"c": ["a", "b"], "b": ["a"], "a": []}) == ["a", "b", "c"]
topological_sort({"x": ["y"], "y": ["x"]}) == None
topological_sort({"b": [], "a": []}) == ["a", "b"]""",
        "A task without open needs is done next and is then removed from the needs of the others.",
        "task = min(ready)",
        "task = ready[0]",
        "The first ready task was taken, not the alphabetically smallest one.",
    ),
    _problem(
        "has_cycle(graph)",
        "tells whether a directed graph, given as a dict of neighbour lists, has a cycle",
        """
def has_cycle(graph):
    done, active = set(), set()

    def visit(node):
        if node in active:
            return True
        if node in done:
            return False
        active.add(node)
        found = any(visit(neighbour) for neighbour in graph.get(node, []))
        active.remove(node)
        done.add(node)
        return found

    return any(visit(node) for node in graph)
""",
        """has_cycle({1: [2], 2: [3], 3: [1]}) == True
has_cycle({1: [2, 3], 2: [3]}) == False
has_cycle({}) == False""",
        "A cycle exists if the search meets a node that is still being visited.",
        "        active.remove(node)\n",
        "",
        "Nodes were never taken out of `active`, so reaching a node on two paths looked like a cycle.",
    ),
    _problem(
        "components(pairs)",
        "groups people connected by a list of friendships and returns the sorted groups in order of their first member",
        """
def components(pairs):
    parent = {}

    def find(node):
        parent.setdefault(node, node)
        while parent[node] != node:
            node = parent[node]
        return node

    for a, b in pairs:
        parent[find(a)] = find(b)
    groups = {}
    for node in parent:
        groups.setdefault(find(node), []).append(node)
    return sorted(sorted(group) for group in groups.values())
""",
        """components([("a", "b"), ("c", "d"), ("b", "e")]) == [["a", "b", "e"], ["c", "d"]]
components([]) == []
components([(1, 2), (1, 3)]) == [[1, 2, 3]]""",
        "Each node points to a parent, and nodes with the same root belong together.",
        "parent[find(a)] = find(b)",
        "parent[a] = find(b)",
        "The root of the first group must be linked, not only the node; otherwise nodes are torn out of their group.",
    ),
    _problem(
        "reachable(graph, start)",
        "returns the sorted list of all nodes that can be reached from `start`, including it",
        """
def reachable(graph, start):
    seen, stack = {start}, [start]
    while stack:
        for neighbour in graph.get(stack.pop(), []):
            if neighbour not in seen:
                seen.add(neighbour)
                stack.append(neighbour)
    return sorted(seen)
""",
        """reachable({1: [2], 2: [3], 4: [1]}, 1) == [1, 2, 3]
reachable({}, 7) == [7]
reachable({"a": ["b"], "b": ["a"]}, "b") == ["a", "b"]""",
        "Every node is put on the stack at most once, because it is marked as seen at the same moment.",
        "                stack.append(neighbour)\n",
        "",
        "New nodes were marked but never explored themselves.",
    ),
    # Dynamic programming
    _problem(
        "climb_stairs(steps)",
        "returns in how many ways one can climb stairs taking 1 or 2 steps at a time",
        """
def climb_stairs(steps):
    ways, following = 1, 1
    for _ in range(steps):
        ways, following = following, ways + following
    return ways
""",
        """climb_stairs(4) == 5
climb_stairs(0) == 1
climb_stairs(10) == 89""",
        "The number of ways is the sum of the ways for one and for two steps fewer.",
        "return ways",
        "return following",
        "The result for one step more was returned.",
    ),
    _problem(
        "min_coins(coins, amount)",
        "returns the smallest number of coins for an amount, or -1 if it is impossible",
        """
def min_coins(coins, amount):
    best = [0] + [float("inf")] * amount
    for value in range(1, amount + 1):
        best[value] = min((best[value - coin] + 1 for coin in coins if coin <= value), default=best[value])
    return best[amount] if best[amount] < float("inf") else -1
""",
        """min_coins([1, 3, 4], 6) == 2
min_coins([5], 3) == -1
min_coins([2], 0) == 0""",
        "The best solution for an amount is one coin more than the best one for the amount without it.",
        "coin <= value",
        "coin < value",
        "A coin that equals the amount exactly was not considered.",
    ),
    _problem(
        "coin_ways(coins, amount)",
        "counts the ways to pay an amount with coins of unlimited supply, regardless of order",
        """
def coin_ways(coins, amount):
    ways = [1] + [0] * amount
    for coin in coins:
        for value in range(coin, amount + 1):
            ways[value] += ways[value - coin]
    return ways[amount]
""",
        """coin_ways([1, 2, 5], 5) == 4
coin_ways([3], 4) == 0
coin_ways([], 0) == 1""",
        "Handling one coin after the other counts each combination once.",
        "ways = [1] + [0] * amount",
        "ways = [0] * (amount + 1)",
        "There is one way to pay 0; without it all counts stay 0.",
    ),
    _problem(
        "edit_distance(first, second)",
        "computes the Levenshtein distance of two strings",
        """
def edit_distance(first, second):
    previous = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        current = [i]
        for j, b in enumerate(second, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (a != b)))
        previous = current
    return previous[-1]
""",
        """edit_distance("kitten", "sitting") == 3
edit_distance("", "abc") == 3
edit_distance("same", "same") == 0""",
        "Only the previous row of the table is needed to compute the next one.",
        "previous[j - 1] + (a != b)",
        "previous[j - 1] + 1",
        "Equal characters cost nothing, but 1 was always added.",
    ),
    _problem(
        "longest_common_subsequence(a, b)",
        "returns the length of the longest common subsequence of two strings",
        """
def longest_common_subsequence(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        above_left = 0
        for j, y in enumerate(b, 1):
            above = row[j]
            row[j] = above_left + 1 if x == y else max(above, row[j - 1])
            above_left = above
    return row[-1]
""",
        """longest_common_subsequence("ABCBDAB", "BDCABA") == 4
longest_common_subsequence("a", "aa") == 1
longest_common_subsequence("", "x") == 0
longest_common_subsequence("abc", "abc") == 3""",
        "A single row is updated in place, and the value to the upper left is remembered.",
        "above_left + 1 if x == y",
        "row[j - 1] + 1 if x == y",
        "Using the value to the left lets one character be matched twice.",
    ),
    _problem(
        "knapsack(items, capacity)",
        "returns the largest total value of items (weight, value) that fit into a knapsack, each used at most once",
        """
def knapsack(items, capacity):
    best = [0] * (capacity + 1)
    for weight, value in items:
        for room in range(capacity, weight - 1, -1):
            best[room] = max(best[room], best[room - weight] + value)
    return best[capacity]
""",
        """knapsack([(3, 4), (4, 5), (2, 3)], 6) == 8
knapsack([], 5) == 0
knapsack([(1, 10)], 3) == 10""",
        "Going through the room from large to small prevents an item from being used twice.",
        "range(capacity, weight - 1, -1)",
        "range(weight, capacity + 1)",
        "Counting upwards allows the same item to be used several times.",
    ),
    _problem(
        "longest_increasing(numbers)",
        "returns the length of the longest strictly increasing subsequence",
        """
from bisect import bisect_left


def longest_increasing(numbers):
    ends = []
    for number in numbers:
        place = bisect_left(ends, number)
        ends[place : place + 1] = [number]
    return len(ends)
""",
        """longest_increasing([10, 9, 2, 5, 3, 7, 101, 18]) == 4
longest_increasing([]) == 0
longest_increasing([7, 7, 7]) == 1""",
        "`ends[k]` is the smallest possible last element of an increasing subsequence of length k + 1.",
        "bisect_left",
        "bisect_right",
        "`bisect_right` puts an equal number behind its twin, so repeated numbers counted as increasing.",
    ),
    _problem(
        "min_path_sum(grid)",
        "returns the smallest sum along a path from the top left to the bottom right of a grid, moving "
        "only right and down",
        """
def min_path_sum(grid):
    best = [0] + [float("inf")] * (len(grid[0]) - 1)
    for row in grid:
        for c, cost in enumerate(row):
            best[c] = cost + min(best[c], best[c - 1] if c else float("inf"))
    return best[-1]
""",
        """min_path_sum([[1, 3, 1], [1, 5, 1], [4, 2, 1]]) == 7
min_path_sum([[5]]) == 5
min_path_sum([[1, 2], [1, 1]]) == 3""",
        "A cell is reached from above or from the left, whichever is cheaper.",
        'min(best[c], best[c - 1] if c else float("inf"))',
        "best[c - 1] if c else cost + best[c]",
        "The way from above was not considered for cells that have a left neighbour.",
    ),
    _problem(
        "word_break(text, words)",
        "tells whether a text can be split completely into words of a given set",
        """
def word_break(text, words):
    possible = [True]
    for end in range(1, len(text) + 1):
        possible.append(any(possible[start] and text[start:end] in words for start in range(end)))
    return possible[-1]
""",
        """word_break("leetcode", {"leet", "code"}) == True
word_break("catsandog", {"cats", "dog", "sand", "and", "cat"}) == False
word_break("", {"a"}) == True""",
        "A beginning of the text can be split if a shorter one can and a word fills the gap.",
        "possible[start] and text[start:end] in words",
        "text[start:end] in words",
        "It was not checked that the part before the word can be split, too.",
    ),
    # Simulation
    _problem(
        "lcg(seed, count)",
        "returns `count` pseudo-random numbers from x -> (1103515245 x + 12345) mod 2**31, starting after the seed",
        """
def lcg(seed, count):
    numbers = []
    for _ in range(count):
        seed = (1103515245 * seed + 12345) % 2**31
        numbers.append(seed)
    return numbers
""",
        """lcg(0, 1) == [12345]
lcg(1, 2) == [1103527590, 377401575]
lcg(5, 0) == []""",
        "Every number is computed from the one before it, so the same seed gives the same sequence.",
        "% 2**31",
        "% 2**32",
        "The modulus has to be 2**31.",
    ),
    _problem(
        "josephus(people, step)",
        "counts around a circle, removes every `step`-th person and returns the last one left",
        """
def josephus(people, step):
    circle, place = list(people), 0
    while len(circle) > 1:
        place = (place + step - 1) % len(circle)
        circle.pop(place)
    return circle[0]
""",
        """josephus(range(1, 8), 3) == 4
josephus("ab", 1) == "b"
josephus([5], 9) == 5""",
        "After a removal the next person is already at the same position, so only step - 1 is added.",
        "place + step - 1",
        "place + step",
        "The count went one person too far, because the list moves up after a removal.",
    ),
    _problem(
        "elevator(start, commands)",
        "simulates an elevator, where '^' is up and 'v' is down, and returns a tuple of the final "
        "floor and the highest floor reached",
        """
def elevator(start, commands):
    floor = highest = start
    for command in commands:
        floor += {"^": 1, "v": -1}[command]
        highest = max(highest, floor)
    return floor, highest
""",
        """elevator(0, "^^v^v") == (1, 2)
elevator(3, "") == (3, 3)
elevator(1, "vv") == (-1, 1)""",
        "The dict translates a command into a change of the floor.",
        "highest = max(highest, floor)",
        "highest = floor",
        "The highest floor was overwritten by the current one.",
    ),
    _problem(
        "robot_position(commands)",
        "moves a robot that starts at (0, 0) facing north (the positive y direction) by the commands F "
        "(one step forward), L and R (turn by 90 degrees) and returns its final position (x, y)",
        """
def robot_position(commands):
    x, y = 0, 0
    dx, dy = 0, 1
    for command in commands:
        if command == "F":
            x, y = x + dx, y + dy
        elif command == "L":
            dx, dy = -dy, dx
        elif command == "R":
            dx, dy = dy, -dx
    return x, y
""",
        """robot_position("FFRF") == (1, 2)
robot_position("LF") == (-1, 0)
robot_position("RRF") == (0, -1)""",
        "Turning by 90 degrees swaps the two parts of the direction and changes one sign.",
        "dx, dy = -dy, dx",
        "dx, dy = dy, -dx",
        "L and R turned in the same direction.",
    ),
    _problem(
        "play_war(first, second)",
        "plays a card game: the higher front card wins both, which go to the end of the winner's "
        "deck, winning card first; it returns the number of rounds until one deck is empty (no card occurs twice)",
        """
from collections import deque


def play_war(first, second):
    a, b = deque(first), deque(second)
    rounds = 0
    while a and b:
        x, y = a.popleft(), b.popleft()
        if x > y:
            a.extend([x, y])
        else:
            b.extend([y, x])
        rounds += 1
    return rounds
""",
        """play_war([3], [1, 2]) == 2
play_war([], [1]) == 0
play_war([9, 2, 6], [5, 8, 4]) == 5""",
        "A deque allows cards to be taken from the front and added at the back quickly.",
    ),
    _problem(
        "vending(price, coins)",
        "inserts coins one by one until the price is reached and returns (coins used, change), or None if "
        "the coins do not suffice",
        """
def vending(price, coins):
    paid = 0
    for used, coin in enumerate(coins, 1):
        paid += coin
        if paid >= price:
            return used, paid - price
    return None
""",
        """vending(120, [50, 50, 50, 10]) == (3, 30)
vending(100, [20, 20]) == None
vending(50, [50]) == (1, 0)""",
        "`enumerate` with a start of 1 counts the coins.",
        "enumerate(coins, 1)",
        "enumerate(coins)",
        "Counting started at 0, so one coin too few was reported.",
    ),
    _problem(
        "bottle_exchange(bottles, rate)",
        "returns how many bottles can be drunk in all if `rate` empty bottles can be exchanged for a full one",
        """
def bottle_exchange(bottles, rate):
    drunk, empty = bottles, bottles
    while empty >= rate:
        full, rest = divmod(empty, rate)
        drunk += full
        empty = full + rest
    return drunk
""",
        """bottle_exchange(9, 3) == 13
bottle_exchange(2, 3) == 2
bottle_exchange(15, 4) == 19""",
        "Empty bottles that are left over count again in the next exchange.",
        "empty = full + rest",
        "empty = full",
        "The empty bottles left over from the exchange were forgotten.",
    ),
    # Error handling
    _problem(
        "safe_divide(a, b, default=None)",
        "divides a by b and returns the default if b is 0",
        """
def safe_divide(a, b, default=None):
    try:
        return a / b
    except ZeroDivisionError:
        return default
""",
        """safe_divide(6, 3) == 2.0
safe_divide(1, 0) == None
safe_divide(1, 0, 0) == 0""",
        "Only ZeroDivisionError is caught, so that a wrong type still raises an error.",
        "return default",
        "return None",
        "The given default was ignored.",
    ),
    _problem(
        "parse_ints(parts)",
        "converts strings to integers and returns a tuple of the list of numbers and the list of strings "
        "that could not be converted",
        """
def parse_ints(parts):
    numbers, bad = [], []
    for part in parts:
        try:
            numbers.append(int(part))
        except ValueError:
            bad.append(part)
    return numbers, bad
""",
        """parse_ints(["1", "x", "-3"]) == ([1, -3], ["x"])
parse_ints([]) == ([], [])
parse_ints(["2.5"]) == ([], ["2.5"])""",
        "The `try` stands inside the loop, so that one bad string does not stop the others.",
        "int(part)",
        "int(float(part))",
        "Going through `float` accepts texts such as '2.5', which are not integers.",
    ),
    _problem(
        "check_password(password)",
        "raises PasswordError, an exception class to be defined, with the first problem found "
        "('too short' below 8 characters, 'no "
        "digit', 'no upper-case letter') and otherwise returns True",
        '''
class PasswordError(Exception):
    """A password breaks a rule."""


def check_password(password):
    if len(password) < 8:
        raise PasswordError("too short")
    if not any(char.isdigit() for char in password):
        raise PasswordError("no digit")
    if not any(char.isupper() for char in password):
        raise PasswordError("no upper-case letter")
    return True
''',
        '''check_password("Secret123") == True
problem("Ab1") == "too short"
problem("Passwords") == "no digit"
problem("password1") == "no upper-case letter"''',
        "An exception class of its own lets callers catch exactly this kind of error.",
        "len(password) < 8",
        "len(password) <= 10",
        "Passwords of 8 to 10 characters were rejected although 8 are enough.",
        setup="""
def problem(password):
    try:
        check_password(password)
    except PasswordError as error:
        return str(error)
""",
    ),
    _problem(
        "read_age(text)",
        "converts text to an age; a text that is no number raises ValueError('not a number: ...') chained to the "
        "original error, and ages outside 0 to 150 raise ValueError('out of range: ...')",
        """
def read_age(text):
    try:
        age = int(text)
    except ValueError as error:
        raise ValueError(f"not a number: {text}") from error
    if not 0 <= age <= 150:
        raise ValueError(f"out of range: {age}")
    return age
""",
        """read_age(" 42 ") == 42
fail("abc") == "not a number: abc"
fail("-1") == "out of range: -1"
read_age("150") == 150""",
        "`raise ... from` keeps the original error as the cause.",
        "0 <= age <= 150",
        "0 < age < 150",
        "The limits 0 and 150 are valid ages.",
        setup="""
def fail(text):
    try:
        return read_age(text)
    except ValueError as error:
        return str(error)
""",
    ),
    _problem(
        "cleanup_order(fail)",
        "returns the list of the steps 'start', 'work', 'error', 'done' and 'close' that happen in a "
        "try/except/else/finally statement, depending on whether the work fails",
        """
def cleanup_order(fail):
    steps = ["start"]
    try:
        steps.append("work")
        if fail:
            raise RuntimeError
    except RuntimeError:
        steps.append("error")
    else:
        steps.append("done")
    finally:
        steps.append("close")
    return steps
""",
        """cleanup_order(False) == ["start", "work", "done", "close"]
cleanup_order(True) == ["start", "work", "error", "close"]""",
        "`else` runs only without an exception, and `finally` runs in both cases.",
    ),
    _problem(
        "first_valid(functions, value)",
        "calls functions in order and returns the result of the first one that does not raise an exception, or None",
        """
def first_valid(functions, value):
    for function in functions:
        try:
            return function(value)
        except Exception:
            continue
    return None
""",
        """first_valid([int, float], "2.5") == 2.5
first_valid([int], "x") == None
first_valid([], 1) == None
first_valid([int, str], "7") == 7""",
        "A `return` inside `try` ends the function as soon as one call succeeds.",
        "            continue\n",
        "            return None\n",
        "The search ended at the first failure instead of trying the next function.",
    ),
    # Everyday helpers
    _problem(
        "fizzbuzz(n)",
        "returns the list for 1 to n with 'Fizz' for multiples of 3, 'Buzz' for multiples of 5, 'FizzBuzz' for both, "
        "and else the number as a string",
        """
def fizzbuzz(n):
    return [
        "Fizz" * (i % 3 == 0) + "Buzz" * (i % 5 == 0) or str(i) for i in range(1, n + 1)
    ]
""",
        """fizzbuzz(5) == ["1", "2", "Fizz", "4", "Buzz"]
fizzbuzz(15)[-1] == "FizzBuzz"
fizzbuzz(0) == []""",
        "Multiplying a string by False gives an empty string, and `or` then falls back to the number.",
        "range(1, n + 1)",
        "range(1, n)",
        "The range stopped before n.",
    ),
    _problem(
        "human_size(size)",
        "formats a number of bytes with the units B, KB, MB and GB (steps of 1024) and one decimal, as in '1.5 KB'",
        """
def human_size(size):
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
""",
        '''human_size(1536) == "1.5 KB"
human_size(1024) == "1.0 KB"
human_size(10) == "10.0 B"
human_size(3 * 1024**3) == "3.0 GB"''',
        "The size is divided by 1024 until it fits the unit.",
        "size < 1024",
        "size <= 1024",
        "Exactly 1024 bytes are already 1 KB.",
    ),
    _problem(
        "cart_total(items, discounts)",
        "adds up (name, price in cents, quantity) items and reduces the price of the items named in the "
        "dict `discounts` by its percentage, rounding each line down to whole cents",
        """
def cart_total(items, discounts):
    total = 0
    for name, price, quantity in items:
        total += price * quantity * (100 - discounts.get(name, 0)) // 100
    return total
""",
        """cart_total([("pen", 150, 2), ("pad", 399, 1)], {"pad": 10}) == 659
cart_total([], {}) == 0
cart_total([("cup", 500, 3)], {"cup": 50}) == 750""",
        "Money is kept in integer cents, which avoids rounding errors of floats.",
        "discounts.get(name, 0)",
        "discounts.get(name, 100)",
        "Items without a discount became free, because the default was 100 percent.",
    ),
    _problem(
        "luhn_valid(number)",
        "checks a card number given as a string of digits with the Luhn algorithm",
        """
def luhn_valid(number):
    total = 0
    for i, digit in enumerate(map(int, reversed(number))):
        if i % 2 == 1:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0
""",
        """luhn_valid("4539578763621486") == True
luhn_valid("4539578763621487") == False
luhn_valid("0") == True""",
        "Every second digit from the right is doubled, and two-digit results are reduced by 9.",
        "reversed(number)",
        "number",
        "The digits have to be counted from the right.",
    ),
    _problem(
        "histogram(data)",
        "returns one line per (label, count) pair with the label padded to the longest one, as in 'ab | ***'",
        """
def histogram(data):
    width = max((len(label) for label, _ in data), default=0)
    return [f"{label:<{width}} | {'*' * count}" for label, count in data]
""",
        """histogram([("a", 2), ("bcd", 1)]) == ["a   | **", "bcd | *"]
histogram([]) == []
histogram([("x", 0)]) == ["x | "]""",
        "The width of the longest label is used for all lines.",
        ":<{width}",
        ":>{width}",
        "The labels were aligned to the right instead of to the left.",
    ),
    _problem(
        "hex_to_rgb(color)",
        "turns a colour such as '#FF8000' or '#f80' into a tuple of three integers",
        """
def hex_to_rgb(color):
    digits = color.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    return tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))
""",
        """hex_to_rgb("#FF8000") == (255, 128, 0)
hex_to_rgb("#f80") == (255, 136, 0)
hex_to_rgb("000000") == (0, 0, 0)""",
        "In the short form each digit stands for two equal ones.",
        "2 * digit for",
        'digit + "0" for',
        "In the short form the digit has to be repeated, not followed by 0.",
    ),
    _problem(
        "winner(board)",
        "returns 'X' or 'O' if that player has a full row, column or diagonal in tic-tac-toe (three strings of three), "
        "and else None",
        """
def winner(board):
    lines = [*board, *("".join(column) for column in zip(*board))]
    lines.append("".join(board[i][i] for i in range(3)))
    lines.append("".join(board[i][2 - i] for i in range(3)))
    for player in "XO":
        if player * 3 in lines:
            return player
    return None
""",
        """winner(["XXX", "OO.", "..."]) == "X"
winner(["OX.", "OX.", "O.X"]) == "O"
winner(["X.O", ".O.", "O.X"]) == "O"
winner(["...", "...", "..."]) == None""",
        "All eight lines are collected as strings and compared with three equal signs.",
        "board[i][2 - i]",
        "board[i][1 - i]",
        "The second diagonal has the column 2 - i.",
    ),
    _problem(
        "bulls_and_cows(secret, guess)",
        "returns (bulls, cows): digits in the right place, and right digits in the wrong place",
        """
from collections import Counter


def bulls_and_cows(secret, guess):
    bulls = sum(a == b for a, b in zip(secret, guess))
    shared = sum((Counter(secret) & Counter(guess)).values())
    return bulls, shared - bulls
""",
        """bulls_and_cows("1807", "7810") == (1, 3)
bulls_and_cows("1123", "0111") == (1, 1)
bulls_and_cows("12", "34") == (0, 0)""",
        "`&` of two Counters keeps the smaller count of each digit.",
        "shared - bulls",
        "shared",
        "Digits in the right place were counted as cows, too.",
    ),
    _problem(
        "schedule(meetings)",
        "returns the largest number of meetings (start, end) that one person can attend without overlaps",
        """
def schedule(meetings):
    count, free_from = 0, float("-inf")
    for start, end in sorted(meetings, key=lambda meeting: meeting[1]):
        if start >= free_from:
            count += 1
            free_from = end
    return count
""",
        """schedule([(1, 4), (2, 3), (3, 5)]) == 2
schedule([]) == 0
schedule([(0, 10), (1, 2), (2, 3), (3, 4)]) == 3""",
        "Taking the meeting that ends first leaves the most room for the others.",
        "sorted(meetings, key=lambda meeting: meeting[1])",
        "sorted(meetings)",
        "Sorting by start lets one long meeting block many short ones.",
    ),
    _problem(
        "diff_lines(old, new)",
        "returns the lines removed from and added to a list of lines as strings starting with '-' or '+', removed "
        "ones first, in order",
        """
def diff_lines(old, new):
    removed = [f"-{line}" for line in old if line not in new]
    added = [f"+{line}" for line in new if line not in old]
    return removed + added
""",
        """diff_lines(["a", "b"], ["b", "c"]) == ["-a", "+c"]
diff_lines([], ["x"]) == ["+x"]
diff_lines(["a"], ["a"]) == []""",
        "A line counts as removed if it is in the old list only, and as added if it is in the new one only.",
        "for line in new if line not in old",
        "for line in old if line not in new",
        "The second comprehension went through the old lines again.",
    ),
]


PRINTS = [
    Print(
        """
values = [1, 2, 3]
other = values
other.append(4)
print(values)
print(values is other)
""",
        "`other = values` makes no copy: both names refer to the same list.",
    ),
    Print(
        """
def add(item, bag=[]):
    bag.append(item)
    return bag


print(add(1))
print(add(2))
""",
        "The default list is created once, when the function is defined, and is shared by all calls.",
    ),
    Print(
        """
for i in range(2, 10, 3):
    print(i)
""",
        "The range starts at 2, goes up by 3 and stops before 10.",
    ),
    Print(
        """
text = "python"
print(text[1:4])
print(text[::-1])
print(text[-2:])
""",
        "The end of a slice is excluded, a step of -1 reverses the text, and negative indices count from the end.",
    ),
    Print(
        """
print(7 // 2, -7 // 2)
print(7 % 3, -7 % 3)
""",
        "`//` rounds down to the smaller integer, and `%` takes the sign of the divisor.",
    ),
    Print(
        """
for n in range(2, 6):
    if n == 4:
        break
    print(n)
else:
    print("finished")
""",
        "The `else` of a loop runs only if the loop was not left by `break`.",
    ),
    Print(
        """
try:
    print("one")
    int("x")
    print("two")
except ValueError:
    print("three")
finally:
    print("four")
""",
        "The conversion fails, so the rest of the `try` block is skipped; `finally` always runs.",
    ),
    Print(
        """
a, *b, c = "hello"
print(a, b, c)
""",
        "The starred name receives everything between the first and the last character as a list.",
    ),
    Print(
        """
print([] or "empty")
print(0 and 1 / 0)
print(None or 0 or "last")
""",
        "`or` returns the first truthy operand or the last one, and `and` stops at the first falsy operand.",
    ),
    Print(
        """
functions = [lambda: i for i in range(3)]
print([f() for f in functions])
""",
        "The functions look up `i` when they are called, and by then it is 2.",
    ),
    Print(
        """
x = 1


def change():
    x = 2
    print(x)


change()
print(x)
""",
        "The assignment inside the function creates a local variable and does not touch the global one.",
    ),
    Print(
        """
gen = (n * n for n in range(4))
print(sum(gen))
print(sum(gen))
""",
        "A generator can be consumed only once; the second sum finds nothing left.",
    ),
    Print(
        """
print("b" in {"a": "b"})
print("a" in {"a": "b"})
""",
        "`in` on a dict searches the keys, not the values.",
    ),
    Print(
        """
print(bool("False"))
print(bool(""))
print(bool([0]))
""",
        "Strings and lists are falsy only when they are empty, whatever they contain.",
    ),
    Print(
        """
grid = [[0] * 2] * 2
grid[0][0] = 1
print(grid)
""",
        "`* 2` repeats the reference to the same inner list, so the change shows in both rows.",
    ),
    Print(
        """
print(sorted(["b", "A", "c"]))
print(sorted(["b", "A", "c"], key=str.lower))
print(sorted([3, 1, 2], reverse=True))
""",
        "Capital letters come before small ones unless the key makes case irrelevant.",
    ),
    Print(
        """
print("a,b,,c".split(","))
print(" a  b ".split())
""",
        "With a separator, empty parts are kept; without one, runs of spaces are treated as one.",
    ),
    Print(
        """
class Parent:
    def hello(self):
        return "parent"


class Child(Parent):
    def hello(self):
        return "child of " + super().hello()


print(Child().hello())
""",
        "`super()` calls the method of the parent class, and its result is added.",
    ),
    Print(
        """
print(0.1 + 0.2 == 0.3)
print(round(0.1 + 0.2, 2) == 0.3)
""",
        "Binary floats cannot represent 0.1 exactly, so the sum is a tiny bit too large until it is rounded.",
    ),
    Print(
        """
pairs = dict(zip("abc", [1, 2]))
print(pairs)
print(pairs.get("c", 0))
""",
        "`zip` stops at the shorter input, so 'c' gets no value and `get` returns its default.",
    ),
    Print(
        """
def numbers():
    print("start")
    yield 1
    print("end")


for n in numbers():
    print(n)
""",
        "The body of a generator runs up to the `yield`, and it continues when the loop asks for the next value.",
    ),
    Print(
        """
print(f"{3.14159:.2f}|{42:>5}|{42:05d}")
""",
        "The format specifications round to two decimals, align to the right and pad with zeros.",
    ),
    Print(
        """
print({1, 2, 3} & {2, 3, 4})
print({1, 2} | {5})
print({1, 2} - {2})
""",
        "The operators are intersection, union and difference of sets.",
    ),
    Print(
        """
i = 10
while i > 0:
    i -= 3
    if i % 2:
        continue
    print(i)
""",
        "`continue` skips the print for odd numbers: i takes the values 7, 4, 1 and -2, and -2 is printed, too.",
    ),
    Print(
        """
print(*[1, 2, 3], sep="-")
print("a", "b", end="!")
print()
""",
        "The star passes the elements one by one; `sep` goes between them and `end` replaces the line break.",
    ),
    Print(
        """
print(1 < 2 < 3, 3 > 2 > 2)
print(True + True)
""",
        "Comparisons can be chained and mean that both hold, and True counts as 1.",
    ),
    Print(
        """
from collections import Counter

print(Counter("mississippi").most_common(2))
""",
        "Letters with the same count are listed in the order in which they were first met, so i comes before s.",
    ),
    Print(
        """
for i, letter in enumerate("ab", start=1):
    print(i, letter)
""",
        "`enumerate` counts from the given start.",
    ),
]


REFACTORINGS = [
    Refactoring(
        "Rewrite this loop as a list comprehension.",
        """
def squares_of_even(numbers):
    result = []
    for number in numbers:
        if number % 2 == 0:
            result.append(number * number)
    return result
""",
        """
def squares_of_even(numbers):
    return [number * number for number in numbers if number % 2 == 0]
""",
        "assert squares_of_even([1, 2, 3, 4]) == [4, 16]\nassert squares_of_even([]) == []",
    ),
    Refactoring(
        "Rewrite this loop as a dict comprehension.",
        """
def lengths(words):
    result = {}
    for word in words:
        result[word] = len(word)
    return result
""",
        """
def lengths(words):
    return {word: len(word) for word in words}
""",
        'assert lengths(["ab", "c"]) == {"ab": 2, "c": 1}',
    ),
    Refactoring(
        "Simplify this function with `any`.",
        """
def has_negative(numbers):
    found = False
    for number in numbers:
        if number < 0:
            found = True
    return found
""",
        """
def has_negative(numbers):
    return any(number < 0 for number in numbers)
""",
        "assert has_negative([1, -1]) is True\nassert has_negative([]) is False",
    ),
    Refactoring(
        "Simplify this function with `all`.",
        """
def all_filled(fields):
    for field in fields:
        if field == "":
            return False
    return True
""",
        """
def all_filled(fields):
    return all(field != "" for field in fields)
""",
        'assert all_filled(["a", "b"]) is True\nassert all_filled(["a", ""]) is False',
    ),
    Refactoring(
        "Replace the index loop by `enumerate`.",
        """
def number_lines(lines):
    result = []
    for i in range(len(lines)):
        result.append(str(i + 1) + ": " + lines[i])
    return result
""",
        """
def number_lines(lines):
    return [f"{number}: {line}" for number, line in enumerate(lines, start=1)]
""",
        'assert number_lines(["a", "b"]) == ["1: a", "2: b"]',
    ),
    Refactoring(
        "Replace the index loop by `zip`.",
        """
def dot(a, b):
    total = 0
    for i in range(len(a)):
        total = total + a[i] * b[i]
    return total
""",
        """
def dot(a, b):
    return sum(x * y for x, y in zip(a, b))
""",
        "assert dot([1, 2, 3], [4, 5, 6]) == 32",
    ),
    Refactoring(
        "Remove the nesting with early returns.",
        """
def shipping(order):
    if order is not None:
        if order["total"] < 50:
            if order["express"]:
                cost = 15
            else:
                cost = 5
        else:
            cost = 0
    else:
        cost = None
    return cost
""",
        """
def shipping(order):
    if order is None:
        return None
    if order["total"] >= 50:
        return 0
    return 15 if order["express"] else 5
""",
        """assert shipping(None) is None
assert shipping({"total": 60, "express": True}) == 0
assert shipping({"total": 10, "express": True}) == 15
assert shipping({"total": 10, "express": False}) == 5""",
    ),
    Refactoring(
        "Replace the chain of conditions by a dict.",
        """
def day_type(day):
    if day == "sat":
        return "weekend"
    elif day == "sun":
        return "weekend"
    elif day == "fri":
        return "almost weekend"
    else:
        return "workday"
""",
        """
def day_type(day):
    types = {"sat": "weekend", "sun": "weekend", "fri": "almost weekend"}
    return types.get(day, "workday")
""",
        'assert day_type("sun") == "weekend"\nassert day_type("fri") == "almost weekend"\n'
        'assert day_type("mon") == "workday"',
    ),
    Refactoring(
        "Return the condition directly.",
        """
def is_adult(age):
    if age >= 18:
        return True
    else:
        return False
""",
        """
def is_adult(age):
    return age >= 18
""",
        "assert is_adult(18) is True\nassert is_adult(17) is False",
    ),
    Refactoring(
        "Use `collections.Counter` here.",
        """
def letter_counts(text):
    counts = {}
    for letter in text:
        if letter in counts:
            counts[letter] += 1
        else:
            counts[letter] = 1
    return counts
""",
        """
from collections import Counter


def letter_counts(text):
    return Counter(text)
""",
        'assert letter_counts("abca") == {"a": 2, "b": 1, "c": 1}',
    ),
    Refactoring(
        "Use `join` in place of repeated string addition.",
        """
def to_csv_line(values):
    line = ""
    for value in values:
        if line != "":
            line = line + ","
        line = line + str(value)
    return line
""",
        """
def to_csv_line(values):
    return ",".join(str(value) for value in values)
""",
        'assert to_csv_line([1, "a", 2.5]) == "1,a,2.5"\nassert to_csv_line([]) == ""',
    ),
    Refactoring(
        "Turn this class into a dataclass.",
        """
class Point:
    def __init__(self, x, y=0):
        self.x = x
        self.y = y

    def __repr__(self):
        return f"Point(x={self.x!r}, y={self.y!r})"

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
""",
        """
from dataclasses import dataclass


@dataclass
class Point:
    x: int
    y: int = 0
""",
        'assert Point(1) == Point(1, 0)\nassert repr(Point(2, 3)) == "Point(x=2, y=3)"',
    ),
    Refactoring(
        "Turn this function, which builds a whole list, into a generator function of the same name.",
        """
def even_numbers(limit):
    result = []
    n = 0
    while n < limit:
        result.append(n)
        n += 2
    return result
""",
        """
def even_numbers(limit):
    yield from range(0, limit, 2)
""",
        "assert list(even_numbers(7)) == [0, 2, 4, 6]",
    ),
    Refactoring(
        "Use f-strings here.",
        """
def describe(name, price):
    return "The " + name + " costs " + str(price) + " dollars."
""",
        """
def describe(name, price):
    return f"The {name} costs {price} dollars."
""",
        'assert describe("book", 12) == "The book costs 12 dollars."',
    ),
    Refactoring(
        "Remove the repetition from this function.",
        """
def totals(orders):
    food = 0
    for order in orders:
        if order["kind"] == "food":
            food += order["price"]
    drinks = 0
    for order in orders:
        if order["kind"] == "drink":
            drinks += order["price"]
    return food, drinks
""",
        """
def totals(orders):
    def total(kind):
        return sum(order["price"] for order in orders if order["kind"] == kind)

    return total("food"), total("drink")
""",
        """assert totals([{"kind": "food", "price": 3}, {"kind": "drink", "price": 2}]) == (3, 2)
assert totals([]) == (0, 0)""",
    ),
    Refactoring(
        "Make this function safe by removing the mutable default argument.",
        """
def with_item(item, items=[]):
    return items + [item]
""",
        """
def with_item(item, items=None):
    return [*(items or []), item]
""",
        "assert with_item(1) == [1]\nassert with_item(2, [1]) == [1, 2]",
    ),
    Refactoring(
        "Rewrite this recursive function as a loop.",
        """
def sum_digits(n):
    if n < 10:
        return n
    return n % 10 + sum_digits(n // 10)
""",
        """
def sum_digits(n):
    total = 0
    while n:
        n, digit = divmod(n, 10)
        total += digit
    return total
""",
        "assert sum_digits(1234) == 10\nassert sum_digits(0) == 0",
    ),
    Refactoring(
        "Use a set to make this function fast for long lists.",
        """
def shared(a, b):
    result = []
    for item in a:
        if item in b and item not in result:
            result.append(item)
    return sorted(result)
""",
        """
def shared(a, b):
    return sorted(set(a) & set(b))
""",
        "assert shared([3, 1, 3, 2], [2, 3, 5]) == [2, 3]\nassert shared([], [1]) == []",
    ),
    Refactoring(
        "Use `max` with a key.",
        """
def oldest(people):
    best = people[0]
    for person in people:
        if person["age"] > best["age"]:
            best = person
    return best["name"]
""",
        """
def oldest(people):
    return max(people, key=lambda person: person["age"])["name"]
""",
        'assert oldest([{"name": "A", "age": 3}, {"name": "B", "age": 9}]) == "B"',
    ),
    Refactoring(
        "Use tuple unpacking in place of indices.",
        """
def full_names(rows):
    return [row[1] + " " + row[0] for row in rows]
""",
        """
def full_names(rows):
    return [f"{first} {last}" for last, first in rows]
""",
        'assert full_names([("Curie", "Marie")]) == ["Marie Curie"]',
    ),
    Refactoring(
        "Use `itertools` to flatten these two loops into one.",
        """
def cells(rows, columns):
    result = []
    for row in rows:
        for column in columns:
            result.append(f"{column}{row}")
    return result
""",
        """
from itertools import product


def cells(rows, columns):
    return [f"{column}{row}" for row, column in product(rows, columns)]
""",
        'assert cells([1, 2], "AB") == ["A1", "B1", "A2", "B2"]',
    ),
    Refactoring(
        "Add type hints and a docstring to this function and leave its behaviour as it is.",
        """
def average(values):
    return sum(values) / len(values) if values else 0.0
""",
        '''
def average(values: list[float]) -> float:
    """Returns the mean of the values, or 0.0 if there are none."""
    return sum(values) / len(values) if values else 0.0
''',
        "assert average([1, 2]) == 1.5\nassert average([]) == 0.0\nassert average.__doc__ and average.__annotations__",
    ),
    Refactoring(
        "Split the computation from the printing, so that `report` only returns the text.",
        """
def report(scores):
    total = 0
    for score in scores.values():
        total += score
    print("Players: " + str(len(scores)))
    print("Total: " + str(total))
""",
        """
def report(scores):
    return f"Players: {len(scores)}\\nTotal: {sum(scores.values())}"


def print_report(scores):
    print(report(scores))
""",
        'assert report({"a": 2, "b": 3}) == "Players: 2\\nTotal: 5"',
    ),
    Refactoring(
        "Use the walrus operator to avoid computing the match twice.",
        """
import re


def order_number(text):
    if re.search(r"#(\\d+)", text):
        return int(re.search(r"#(\\d+)", text).group(1))
    return None
""",
        """
import re


def order_number(text):
    if match := re.search(r"#(\\d+)", text):
        return int(match.group(1))
    return None
""",
        'assert order_number("order #42") == 42\nassert order_number("none") is None',
    ),
]
