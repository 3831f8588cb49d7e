"""What Airflow reads at start-up, in every one of its processes: plain data, so that nothing heavy is imported."""

from __future__ import annotations

from typing import Any

from airflow_mlops import __version__

_STAGES = ("ingest", "validate", "features", "train", "evaluate", "register", "approve", "deploy", "drift")
_LOOP = ("request", "decide", "score", "reproduce", "reconcile", "bake", "rollback", "act", "drill", "notify")
_HOOKS = ("artifacts", "ledger", "mlflow", "model_server", "source")
_LINKS = (
    "BacktestReportLink",
    "DataDocsLink",
    "DecisionReportLink",
    "DriftReportLink",
    "EvaluationReportLink",
    "MlflowRunLink",
    "ModelCardLink",
    "ModelPageLink",
)
_INTEGRATION = "MLOps"


def get_provider_info() -> dict[str, Any]:
    """Describe operators, hooks, connection types, links, executor and the ``[mlops]`` section.

    The plugin is not named here: it comes by its entry point alone. Airflow refuses a plugin that is registered twice.
    """
    return {
        "package-name": "airflow-provider-mlops",
        "name": "MLOps",
        "description": "The whole life of a machine-learning model, and the decisions between its stages.",
        "versions": [__version__],
        "integrations": [{"integration-name": _INTEGRATION, "tags": ["software"]}],
        "operators": _modules([f"airflow_mlops.operators.{name}" for name in (*_STAGES, *_LOOP)]),
        "hooks": _modules([f"airflow_mlops.hooks.{name}" for name in _HOOKS]),
        "triggers": _modules([f"airflow_mlops.triggers.{name}" for name in ("bake", "landing", "model_server")]),
        "connection-types": [_mlflow_connection(), _ledger_connection(), _server_connection()],
        "extra-links": [f"airflow_mlops.operators.links.{name}" for name in _LINKS],
        "executors": ["airflow_mlops.executors.warm_local.WarmLocalExecutor"],
        "config": {"mlops": _config()},
        # Without this every airflow command warns, on standard output, that an executor came without commands.
        "cli": ["airflow_mlops.get_provider_info.airflow_commands"],
    }


def airflow_commands() -> list[Any]:
    """Return what this provider adds to the command ``airflow``: nothing; its own command is ``airflow-mlops``."""
    return []


def _modules(paths: list[str]) -> list[dict[str, Any]]:
    return [{"integration-name": _INTEGRATION, "python-modules": paths}]


def _mlflow_connection() -> dict[str, Any]:
    return {
        "connection-type": "mlflow",
        "hook-class-name": "airflow_mlops.hooks.mlflow.MlflowHook",
        "hook-name": "MLflow",
        "ui-field-behaviour": {
            "hidden-fields": ["schema"],
            "relabeling": {"host": "Tracking URI", "login": "User name", "password": "Password or token"},
            "placeholders": {
                "host": "https://mlflow.example.com or sqlite:////data/mlflow.db",
                "login": "empty for a token, or where MLflow asks for nothing",
                "password": "with a user name: its password; without: a bearer token",
            },
        },
        "conn-fields": {
            "artifact_location": _text(
                "Artifact location", "Where new experiments keep their artifacts. Empty: the tracking server decides."
            ),
            "ui_url": _text(
                "Address for people", "Root of MLflow's pages, for links. Empty: the tracking URI, where it is http."
            ),
            "registry_uri": _text("Registry URI", "Where models are registered, if not on the tracking server."),
            **_tls(),
        },
    }


def _ledger_connection() -> dict[str, Any]:
    return {
        "connection-type": "mlops_ledger",
        "hook-class-name": "airflow_mlops.hooks.ledger.LedgerHook",
        "hook-name": "MLOps ledger",
        "ui-field-behaviour": {
            "hidden-fields": [],
            "relabeling": {"schema": "Database"},
            "placeholders": {
                "host": "database host, or /path/ledger.db for SQLite",
                "port": "5432",
                "schema": "mlops",
            },
        },
        "conn-fields": {
            "driver": _text("SQLAlchemy driver", "Default: postgresql with the driver that is installed."),
            "path": _text("SQLite file", "Instead of a host: path of the ledger's file, on a disk of this machine."),
        },
    }


def _server_connection() -> dict[str, Any]:
    return {
        "connection-type": "model_server",
        "hook-class-name": "airflow_mlops.hooks.model_server.ModelServerHook",
        "hook-name": "Model server",
        "ui-field-behaviour": {
            "hidden-fields": ["login"],
            "relabeling": {"schema": "Schema: http or https", "password": "Token"},
            "placeholders": {
                "host": "models.example.com",
                "port": "8000",
                "schema": "http",
                "password": "what the server was started with; empty where it asks for none",
            },
        },
        "conn-fields": _tls(),
    }


def _tls() -> dict[str, Any]:
    return {
        "ca_cert": _text("CA certificate", "File with the certificate authority that signed the server's."),
        "verify_tls": {
            "label": "Check the server's certificate",
            "description": "Switch off only for a server you can reach in no other way.",
            "schema": {"type": ["boolean", "null"], "default": True},
        },
    }


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _config() -> dict[str, Any]:
    return {
        "description": "Settings of airflow-provider-mlops.",
        "options": {
            "artifacts_uri": _option(
                "Folder of the artifact store: snapshots, reports, models. Any path that Airflow's object storage "
                "reaches. Empty: the folder ``mlops`` in AIRFLOW_HOME, which only one machine can see.",
                example="s3://bucket/mlops",
            ),
            "preload": _option(
                "Modules that WarmLocalExecutor imports before it forks its workers, separated by commas. The word "
                "``default`` stands for the list that comes with the executor.",
                default="default",
                example="default, my_company.features",
            ),
            "run_notes": {
                **_option(
                    "Whether Airflow's API server writes what the loop decided as a note beside the run. Notes that "
                    "people wrote are left alone.",
                    default="True",
                    example="False",
                ),
                "type": "boolean",
            },
        },
    }


def _option(description: str, *, default: str = "", example: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": default,
    }
