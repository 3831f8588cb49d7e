"""What travels between tasks: small frozen references that turn into JSON, never frames or models."""

from airflow_mlops.refs.base import Ref
from airflow_mlops.refs.control import (
    BakeRef,
    DecisionRef,
    DrillRef,
    FreezeRef,
    NoticesRef,
    OverrideRef,
    ReconciledRef,
    RequestRef,
    RollbackRef,
)
from airflow_mlops.refs.data import FeaturesRef, ReportRef, ScoresRef, SnapshotRef
from airflow_mlops.refs.model import PASSED, ApprovalRef, DeploymentRef, EvaluationRef, ModelRef, ReproductionRef

__all__ = [
    "PASSED",
    "ApprovalRef",
    "BakeRef",
    "DecisionRef",
    "DeploymentRef",
    "DrillRef",
    "EvaluationRef",
    "FeaturesRef",
    "FreezeRef",
    "ModelRef",
    "NoticesRef",
    "OverrideRef",
    "ReconciledRef",
    "Ref",
    "ReportRef",
    "ReproductionRef",
    "RequestRef",
    "RollbackRef",
    "ScoresRef",
    "SnapshotRef",
]
