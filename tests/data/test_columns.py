"""What is said of columns on a command line."""

import pytest

from domlora.data.columns import columns_of, renamed
from domlora.errors import TaskError


def test_columns_are_read_with_white_space_around_them():
    assert columns_of("question = prompt, context=input") == {"question": "prompt", "context": "input"}


@pytest.mark.parametrize("text", ["question", "=prompt", "question=", "", "a=prompt,a=input", "a=prompt,b=prompt"])
def test_what_is_no_list_of_columns_is_one_line(text):
    with pytest.raises(TaskError, match="column") as caught:
        columns_of(text)
    assert "\n" not in str(caught.value)


def test_a_column_that_has_the_name_of_the_field_gives_way():
    assert renamed({"a": 1, "prompt": 2, "c": 3}, {"a": "prompt", "c": "ignore"}) == {"prompt": 1}
