"""The model card: what a version is, what it was made of and judged by, and what changed; generated, never written."""

from airflow_mlops.stages.card.committee import MemberFacts, committee_card
from airflow_mlops.stages.card.facts import Approval, CardFacts, Judgement, Training, VersionFacts
from airflow_mlops.stages.card.markdown import short_card, write_card
from airflow_mlops.stages.card.page import render_card

__all__ = [
    "Approval",
    "CardFacts",
    "Judgement",
    "MemberFacts",
    "Training",
    "VersionFacts",
    "committee_card",
    "render_card",
    "short_card",
    "write_card",
]
