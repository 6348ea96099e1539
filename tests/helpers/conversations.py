"""Conversations as samples."""

from __future__ import annotations

from domlora.data.samples import Message, Sample


def conversation(*contents, row=1):
    """user, assistant, user, ... in turn."""
    roles = ("user", "assistant")
    return Sample(tuple(Message(roles[i % 2], text) for i, text in enumerate(contents)), row=row)
