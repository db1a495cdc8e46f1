"""Every error a person can meet: each says the rule, the value and the remedy.

The exit status of the process is the error's `exit_code`. `ValueError` and `assert` stay
for our own bugs; what a user or an outage can cause is one of these.
"""


class RetrainError(Exception):
    """Base of all; a plain failure of the run (exit 1)."""

    exit_code = 1


class UsageError(RetrainError):
    """Wrong settings or wrong usage (exit 2)."""

    exit_code = 2


class DatabaseError(RetrainError):
    """The votes cannot be read: no server, no table, wrong password, gone in mid-read."""


class StoreError(RetrainError):
    """The model store cannot be read or written."""


class AlreadyExistsError(StoreError):
    """A create-only object is there already, with other content."""


class MissingError(StoreError):
    """The object asked for is not in the store."""


class RegistryError(RetrainError):
    """The registry cannot be read or written."""


class ArtifactError(RetrainError):
    """A model version is truncated, altered, of a newer format, or fails its self-test."""


class LeaseHeldError(RetrainError):
    """Another run holds the lease: this one is skipped (exit 0)."""

    exit_code = 0

    def __init__(self, message: str, *, owner: str, expires_at: str) -> None:
        super().__init__(message)
        self.owner = owner
        self.expires_at = expires_at


class AlreadyClaimedError(RetrainError):
    """A second claimant of a run: ends quietly and writes nothing (exit 0)."""

    exit_code = 0


class LeaseLostError(RetrainError):
    """The lease expired or was taken over: this run may no longer change anything (exit 5)."""

    exit_code = 5


class ChampionChangedError(RetrainError):
    """The active version is not the one this run was compared with (exit 5)."""

    exit_code = 5


class LaunchError(RetrainError):
    """A task cannot be started, or a hung one not be stopped."""


class ServingError(RetrainError):
    """Who serves the model cannot be looked at, or cannot be told of a new one."""


class NotServedError(ServingError):
    """A deployment failed, or what it serves is not what was promoted: waiting would not help."""


class UnreachableError(ServingError):
    """An API does not answer at all: it is not there, or there is no way to it from here."""


class AlertError(RetrainError):
    """People cannot be told that a run failed."""


class NotDoneError(RetrainError):
    """An operator's command that could not be carried out, nothing changed (exit 1)."""


class InterruptedRunError(RetrainError):
    """A signal to stop: the run ends, releases its lease and promotes nothing (exit 143)."""

    exit_code = 143
