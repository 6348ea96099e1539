"""The errors a user can mend. The CLI and the dashboard turn them into one line; nothing else catches them."""


class DomLoRAError(Exception):
    """Something the user can mend; the message says what is wrong and what to do."""


class UsageError(DomLoRAError):
    """A request that cannot be meant: exit status 2 on the command line."""


class ModelError(DomLoRAError):
    """A model that cannot be found, read or adapted."""


class TaskError(DomLoRAError):
    """Data that cannot be found or read."""


class ProbeError(DomLoRAError):
    """A measurement that could not be completed."""


class PlacementError(DomLoRAError):
    """A placement that fits no module, no budget, or equals another."""


class SweepError(DomLoRAError):
    """A comparison that could not be completed."""


class StoreError(DomLoRAError):
    """The store of results cannot be opened, read or written."""


class JobError(DomLoRAError):
    """A job that cannot be started, cancelled or found."""


class TrackingError(DomLoRAError):
    """A service that curves are sent to and that does not take them."""
