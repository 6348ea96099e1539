"""The version of domlora, by itself, so that whoever names it need not import the package's front door."""

__version__ = "0.1.0"
