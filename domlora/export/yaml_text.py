"""A YAML file of settings with a comment above any of them. Values in, text out: a YAML library writes the values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from domlora.quoting import comment


def document(about: Sequence[str], settings: Mapping[str, Any], notes: Mapping[str, Sequence[str]]) -> str:
    """The file.

    Args:
        about: lines at its head.
        notes: lines above a setting, by its name.
    """
    lines = [_said(about)]
    for name, value in settings.items():
        lines.append(_said(notes.get(name, ())))
        lines.append(yaml.dump({name: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf))
    return "".join(lines)


class _Dumper(yaml.SafeDumper):
    """Texts that do not print are written with escapes: PyYAML would make a space of some (U+0085)."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if data.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_str)


def _said(lines: Sequence[str]) -> str:
    return "".join(f"# {comment(line)}\n" for line in lines)
