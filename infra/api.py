"""What a stage says about an API of its own: how it is reached, how large it is, what is alarming.

A stage has one only where it names no existing service. `infra/balancer.py` and `infra/serving.py`
make it; its address in the loop is `Stage.serving_url`, as for one that exists.
"""

from dataclasses import dataclass

from infra.place import Existing, Standalone
from infra.setting_forms import WHERE, look_like, must, within

PORT = 8080
"""Of the container, as the Dockerfile has it."""
DATABASE_USER = "hairme_api"
"""Reads analyses, and writes what was shown and voted; as infra/schema.sql names it."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """The API as a service on Fargate, behind a load balancer."""

    public: bool
    """Whether the load balancer faces the internet; else it answers the network it stands in."""
    public_subnet_ids: tuple[str, ...]
    """For a public one beside what exists: two or more public subnets, in different zones."""
    certificate_arn: str | None
    """The certificate of the address below, for HTTPS; needed in public. None: HTTP inside."""
    host: str | None
    """The address that the certificate is for; you let it lead to the load balancer."""
    key_secret_arn: str | None
    """The secret with the key that callers must show to write; None: whoever reaches it may."""
    database_secret_arn: str | None
    """The secret with the password of `hairme_api`, where the loop's own user has one too;
    None: it logs in by an IAM token."""
    min_tasks: int
    max_tasks: int
    cpu: int
    """Units of each task; 1,024 are one processor."""
    memory: int
    """MiB of each task."""
    requests_per_task: int
    """A minute; more are a reason for another task, and so is a processor 70 % busy."""
    errors_alarm: int
    """So many answers of 500 and above in five minutes raise an alarm."""
    p95_alarm_ms: int
    """One request in twenty slower than this, over five minutes, raises an alarm."""
    click_share_alarm: float
    """Fewer clicks for each style shown, over a day, raise an alarm; 0 is off."""
    click_share_from: int
    """So many styles must have been shown in a day before their share says anything."""

    def __post_init__(self) -> None:
        self._check_address()
        self._check_secrets()
        self._check_numbers()

    @property
    def listener_port(self) -> int:
        """Where the load balancer listens."""
        return 80 if self.certificate_arn is None else 443

    def _check_address(self) -> None:
        must(
            not self.public or self.certificate_arn is not None,
            "a public API needs a certificate, since it is reached over HTTPS alone",
            self.certificate_arn,
            f"write certificate_arn and host into {WHERE}, or set public to False",
        )
        must(
            (self.certificate_arn is None) == (self.host is None),
            "certificate_arn and host must be given together",
            self.certificate_arn or self.host,
            f"give both or neither in {WHERE}: a certificate is for one address",
        )
        for name in ("certificate_arn", "host"):
            if (value := getattr(self, name)) is not None:
                look_like("api_host" if name == "host" else name, value, name)
        for subnet in self.public_subnet_ids:
            look_like("subnet_id", subnet, "each of public_subnet_ids")
        must(
            self.public or not self.public_subnet_ids,
            "public_subnet_ids are for a public API alone",
            ", ".join(self.public_subnet_ids),
            f"set them to () in {WHERE}, or public to True",
        )

    def _check_secrets(self) -> None:
        for name in ("key_secret_arn", "database_secret_arn"):
            if (value := getattr(self, name)) is not None:
                look_like("secret_arn", value, name)

    def _check_numbers(self) -> None:
        within("min_tasks", self.min_tasks, 1, 100, "2 outlive the loss of one")
        within("max_tasks", self.max_tasks, self.min_tasks, 100, "it is min_tasks or more")
        within("requests_per_task", self.requests_per_task, 1, 10_000_000, "it is a minute's")
        within("errors_alarm", self.errors_alarm, 1, 1_000_000, "it is a number of answers")
        within("p95_alarm_ms", self.p95_alarm_ms, 1, 60_000, "it is in milliseconds")
        within("click_share_from", self.click_share_from, 1, 1_000_000_000, "it is a day's")
        must(
            0 <= self.click_share_alarm < 1,
            "click_share_alarm must be a share from 0 to below 1",
            self.click_share_alarm,
            "0 is off",
        )


def check_told(place: Existing, api: Api | None, verify: str) -> None:
    """A service that exists is told alone, and asked no more than it lets us."""
    if place.service_name is None:
        return
    must(
        api is None,
        "a stage has an API of its own only where it names no service that exists",
        place.service_name,
        f"set service_name or api to None in {WHERE}",
    )
    group = place.service_security_group_id
    must(
        verify == "deployment" or group is not None,
        f"verify='{verify}' asks each task of the service, so the service's security group must "
        "let us in",
        group,
        f"write service_security_group_id into {WHERE}, or set verify to 'deployment' there",
    )


def check_beside(place: Existing | Standalone, api: Api) -> None:
    """An API of this stack's own needs ids of what exists, and no others."""
    if isinstance(place, Standalone):
        for name in ("public_subnet_ids", "database_secret_arn"):
            must(
                not getattr(api, name),
                f"{name} of the API is for a network and a database that exist",
                getattr(api, name),
                f"remove it from {WHERE}: this stage makes its own",
            )
        return
    must(
        not api.public or len(api.public_subnet_ids) >= 2,
        "a public API beside what exists needs two public subnets or more",
        ", ".join(api.public_subnet_ids) or "none",
        f"write public_subnet_ids into {WHERE}",
    )
    must(
        api.public or place.vpc_cidr is not None,
        "an API inside answers the network it stands in, whose address range it must know",
        place.vpc_cidr,
        f"write vpc_cidr into {WHERE}",
    )
    must(
        (api.database_secret_arn is None) == (place.database.secret_arn is None),
        "the API and the loop must log in to the database alike, by IAM or by a secret each",
        api.database_secret_arn or place.database.secret_arn,
        f"set database_secret_arn of the API in {WHERE}",
    )
