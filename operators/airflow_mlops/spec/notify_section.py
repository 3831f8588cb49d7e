"""Section for whom the loop tells what went wrong, by Airflow's notifiers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from airflow_mlops.spec.durations import Duration
from airflow_mlops.spec.section import Section
from airflow_mlops.spec.vocabulary import Told


class NoticeTarget(Section):
    """Where notices go, which ones, and when; the mapping's key is its name in the ledger."""

    notifier: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Import path of an Airflow notifier, such as "
        "`airflow.providers.smtp.notifications.smtp.SmtpNotifier`.",
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        description="What it is made with; texts are templates of `title`, `text`, `html`, `slack` and `url`. No "
        "secrets: name a connection.",
    )
    of: list[Told] = Field(default_factory=list, description="Kinds of incidents, and `approval`; none: all.")
    when: Literal["at_once", "digest"] = Field(
        "at_once", description="With each look, or once a day; questions to people always go at once."
    )
    closed: bool = Field(False, description="Tell also that an incident is over.")


class NotifySpec(Section):
    """Whom the loop tells of incidents and of questions that wait for a person, each once."""

    targets: dict[str, NoticeTarget] = Field(min_length=1, description="Where notices go, by a name of your own.")
    digest: int = Field(6, ge=0, le=23, description="Hour, UTC, from which the first look of a day sends the digest.")
    quiet: Duration = Field(
        timedelta(0),
        description="Event time after a promotion, freeze or pause in which drift and excess loss are not told.",
    )
