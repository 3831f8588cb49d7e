"""A committee: several trained versions that answer as one. It brings scikit-learn, so import it inside functions."""

from airflow_mlops.stages.committee.assemble import assemble_committee
from airflow_mlops.stages.committee.estimator import Committee, CommitteeClassifier, CommitteeRegressor, link_of

__all__ = ["Committee", "CommitteeClassifier", "CommitteeRegressor", "assemble_committee", "link_of"]
