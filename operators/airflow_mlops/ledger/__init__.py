"""The append-only record of everything that happened to a model, and the only judge of which version is champion."""

from airflow_mlops.ledger.ledger import Fact, Ledger

__all__ = ["Fact", "Ledger"]
