"""The command line, called in this process."""

from __future__ import annotations

from domlora.cli.main import main


def run(capsys, *argv):
    """Exit status, stdout, stderr of one command."""
    capsys.readouterr()
    status = main([str(a) for a in argv])
    out = capsys.readouterr()
    return status, out.out, out.err
