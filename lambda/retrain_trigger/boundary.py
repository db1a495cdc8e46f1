"""What both functions do first: JSON lines on stdout, with the run's id and without secrets."""

import logging
import sys
from collections.abc import Iterable
from typing import Protocol

from common import logs


class Context(Protocol):
    """What the functions read of Lambda's context object."""

    @property
    def aws_request_id(self) -> str:
        """The id of this request; a retry of an asynchronous one has the same."""
        ...


def set_up_logs(run_id: str | None, secrets: Iterable[str] = ()) -> None:
    """Send all logging to stdout, which the log group collects."""
    # The runtime's own handler would write every line a second time, and not redacted.
    logging.getLogger().handlers.clear()
    logs.configure("INFO", run_id=run_id, secrets=secrets, stream=sys.stdout)
