"""What is alarming about an API of this stack's own: figures of its load balancer and of its log.

The API tells Prometheus, which nobody runs here; its log lines say the same once a minute
(`{"message": "served", "impressions": 12, "clicks": 1, …}`), and name an alert by a field of its
own. The log group makes metrics of them, so that no process needs a right to send any.
"""

from collections.abc import Iterator

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs

from infra.api import Api
from infra.balancer import Balancer
from infra.figure import DAY, SOON, Figure
from infra.serving import Serving
from infra.stage import Stage

ELB = "AWS/ApplicationELB"
MINUTE = Duration.minutes(1)
IMPRESSIONS, CLICKS, DEGRADED = "impressions", "clicks", "degraded"


class ApiFigures:
    """The metrics of the API, for alarms and the dashboard."""

    def __init__(self, stage: Stage, api: Api, balancer: Balancer, serving: Serving) -> None:
        self.api = api
        self._balancer, self._targets = balancer.names
        self._namespace = f"HairMe/Api/{stage.name}"
        served = logs.FilterPattern.string_value("$.message", "=", "served")
        alert = logs.FilterPattern.string_value("$.alert", "=", DEGRADED)
        group = serving.log_group
        self._filter(group, IMPRESSIONS, served, f"$.{IMPRESSIONS}")
        self._filter(group, CLICKS, served, f"$.{CLICKS}")
        self._filter(group, DEGRADED, alert, "1")

    def of_balancer(self, name: str, statistic: str, period: Duration = SOON) -> cloudwatch.Metric:
        """A figure that the load balancer has of the targets."""
        return cloudwatch.Metric(
            namespace=ELB,
            metric_name=name,
            dimensions_map={"LoadBalancer": self._balancer, "TargetGroup": self._targets},
            period=period,
            statistic=statistic,
        )

    def of_log(self, name: str, period: Duration) -> cloudwatch.Metric:
        """A figure that the log group makes of the API's lines."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            period=period,
            statistic=cloudwatch.Stats.SUM,
        )

    def all(self) -> Iterator[Figure]:
        """The alarms."""
        api = self.api
        yield Figure(
            name="api-errors",
            metric=self.of_balancer("HTTPCode_Target_5XX_Count", cloudwatch.Stats.SUM),
            limit=api.errors_alarm - 1,
            says=f"The API answered {api.errors_alarm} times or more with 500 and above",
        )
        yield Figure(
            name="api-slow",
            metric=self.of_balancer("TargetResponseTime", cloudwatch.Stats.percentile(95)),
            limit=api.p95_alarm_ms / 1_000,
            says=f"One request in twenty took longer than {api.p95_alarm_ms} ms",
        )
        yield Figure(
            name="api-down",
            metric=self.of_balancer("HealthyHostCount", cloudwatch.Stats.MAXIMUM, MINUTE),
            limit=1,
            says="No task of the API is ready to answer",
            too_little=True,
            silence_is_wrong=True,
        )
        yield Figure(
            name="api-degraded",
            metric=self.of_log(DEGRADED, SOON),
            limit=0,
            says="The API does not answer with the active version, but with one from before",
        )
        if api.click_share_alarm:
            yield self._unloved()

    def _unloved(self) -> Figure:
        api = self.api
        share = cloudwatch.MathExpression(
            # Too few to say anything are no reason for an alarm.
            expression=f"IF(shown >= {api.click_share_from}, clicks / shown, 1)",
            using_metrics={
                "shown": self.of_log(IMPRESSIONS, DAY),
                "clicks": self.of_log(CLICKS, DAY),
            },
            label="clicks for each style shown",
            period=DAY,
        )
        return Figure(
            name="api-unloved",
            metric=share,
            limit=api.click_share_alarm,
            says=f"Less than {api.click_share_alarm:.1%} of the styles shown in a day were clicked",
            too_little=True,
        )

    def _filter(
        self, group: logs.LogGroup, name: str, pattern: logs.IFilterPattern, value: str
    ) -> None:
        logs.MetricFilter(
            group,
            name.title(),
            log_group=group,
            filter_pattern=pattern,
            metric_namespace=self._namespace,
            metric_name=name,
            metric_value=value,
        )
