"""What an alarm watches: a figure, from where on it is wrong, and what that means to people."""

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

SOON = Duration.minutes(5)
DAY = Duration.days(1)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One alarm."""

    name: str
    metric: cloudwatch.IMetric
    limit: float
    """Above it the figure is wrong, or below it where `too_little`."""
    says: str
    too_little: bool = False
    silence_is_wrong: bool = False

    @property
    def comparison(self) -> cloudwatch.ComparisonOperator:
        """How the figure is held against its limit."""
        operators = cloudwatch.ComparisonOperator
        if self.too_little:
            return operators.LESS_THAN_THRESHOLD
        return operators.GREATER_THAN_THRESHOLD
