"""Where a model stands, told so shortly that a thousand of them are read at once: a fold over the ledger's events."""

from airflow_mlops.overview.fold import FORM, advance, begun
from airflow_mlops.overview.state import NEEDS_PERSON, STATES, state_of

__all__ = ["FORM", "NEEDS_PERSON", "STATES", "advance", "begun", "state_of"]
