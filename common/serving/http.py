"""An API on this machine: it follows the pointer by itself, so there is nobody to tell."""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import ServingError
from common.serving.answers import Api
from common.serving.look import Stage

NO_DEPLOYMENT = ""


@dataclass(frozen=True, kw_only=True)
class HttpService:
    """The API at `url`."""

    url: str
    address: str | None = None

    @property
    def follows(self) -> bool:
        """It looks at the pointer every second."""
        return True

    def __str__(self) -> str:
        return self.url

    def check(self) -> None:
        """Raise ServingError unless it answers."""
        try:
            Api(self.url).model()
        except ServingError as error:
            raise ServingError(
                f"{error}: start it with `python -m api --port PORT`, or set SERVING_URL=none"
            ) from error

    def force(self) -> Stage:
        """Nothing to do: it looks at the pointer every second."""
        return self.stage(None)

    def stage(self, _deployment: str | None) -> Stage:
        """There are no deployments; the one process serves as long as it answers."""
        return Stage(done=True, deployment=NO_DEPLOYMENT, desired=1, says="it follows the pointer")

    def tasks(self, _deployment: str) -> list[Api]:
        """The one process."""
        return [Api(self.url)]
