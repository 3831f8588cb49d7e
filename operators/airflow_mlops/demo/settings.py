"""What Airflow, MLflow and the model server of the demonstration are told: folders, ports, secrets, environment."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from airflow_mlops.demo.faults import FAULTS

WARM = "airflow_mlops.executors.warm_local.WarmLocalExecutor"
USER = "admin"
# Of Airflow, MLflow and model server.
Ports = tuple[int, int, int]
# In the order in which they are chosen; the first three are those that people use.
_PORTS = ("airflow_port", "mlflow_port", "server_port", "log_port", "trigger_log_port", "health_port")


@dataclass(frozen=True)
class Settings:
    """Where everything is; kept in ``settings.json``, readable by its owner only.

    Parameters
    ----------
    folder : str
        All state: databases, artifacts, logs.
    dags : str
        Airflow's dags folder.
    airflow_port, mlflow_port, server_port, log_port, trigger_log_port, health_port : int
        On the loopback interface.
    password : str
        Of the user ``admin``.
    secret : str
        Signs tokens between Airflow's processes.
    token : str
        What the model server asks for.
    models : list of str
        What the model server serves; none: there is no server, and no triggerer to wait for it.
    executor : str
        Import path of Airflow's executor.
    parallelism : int
        Tasks at once.
    tracking_uri : str or None
        An MLflow that is already there; none starts a server.
    extra : dict of str to str
        Environment variables that win over the others.
    """

    folder: str
    dags: str
    airflow_port: int
    mlflow_port: int
    server_port: int
    log_port: int
    trigger_log_port: int
    health_port: int
    password: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(repr=False)
    models: list[str] = field(default_factory=list)
    executor: str = WARM
    parallelism: int = 4
    tracking_uri: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, dags: Path, *, preferred: Ports, **others: Any) -> Settings:
        """Choose ports that are free now, ``preferred`` for Airflow, MLflow and server, and fresh secrets."""
        chosen = [port if _is_free(port) else 0 for port in preferred]
        ports: dict[str, Any] = dict(zip(_PORTS, _free_ports([*chosen, 0, 0, 0]), strict=True))
        return cls(
            folder=str(folder.absolute()),
            dags=str(dags.absolute()),
            **ports,
            password=secrets.token_urlsafe(9),
            secret=secrets.token_hex(32),
            token=secrets.token_urlsafe(24),
            **others,
        )

    def with_free_ports(self, dags: Path) -> Settings:
        """Keep the state and the secrets; take other ports where somebody has ours now."""
        fresh = Settings.make(Path(self.folder), dags, preferred=self.ports, models=self.models)
        return replace(fresh, password=self.password, secret=self.secret, token=self.token)

    @classmethod
    def read(cls, folder: Path) -> Settings | None:
        """Read what `write` left; nothing where there is nothing, or what an older version left."""
        file = folder / "settings.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        return cls(**found) if {one.name for one in fields(cls)} == set(found) else None

    def write(self) -> None:
        """Keep the settings for the next call."""
        file = Path(self.folder, "settings.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self), indent=2))

    @property
    def ports(self) -> Ports:
        """Those that people use: of Airflow, MLflow and model server."""
        return self.airflow_port, self.mlflow_port, self.server_port

    @property
    def airflow_url(self) -> str:
        """Address of Airflow's UI and API."""
        return f"http://127.0.0.1:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """Address of MLflow's UI and API."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def server_url(self) -> str:
        """Address of the model server."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def tracking(self) -> str:
        """What tasks are told to log to."""
        return self.tracking_uri or self.mlflow_url

    @property
    def artifacts(self) -> Path:
        """Folder of snapshots, models, reports and the ledger."""
        return Path(self.folder, "artifacts")

    @property
    def ledger_url(self) -> str:
        """Where the ledger is: beside the artifacts."""
        return f"sqlite:///{self.artifacts / 'ledger.db'}"

    @property
    def faults(self) -> Path:
        """The file that says how the sources send other rows than the true ones; mostly there is none."""
        return Path(self.folder, "faults.json")

    @property
    def passwords(self) -> Path:
        """The file Airflow's simple auth manager reads."""
        return Path(self.folder, "airflow", "passwords.json")


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of all processes: nothing of the caller's own Airflow gets in."""
    home = Path(settings.folder, "airflow")
    search = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "MLFLOW_"))}
    return {
        **keep_bytecode(inherited, Path(settings.folder, "bytecode")),
        **_airflow_options(settings, home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps({"conn_type": "mlflow", "host": settings.tracking}),
        "AIRFLOW_CONN_MODEL_SERVER_DEFAULT": json.dumps(_server_connection(settings)),
        FAULTS: str(settings.faults),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        # The processes run in another folder than this one.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in search if path),
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "Agg",
        # OpenMP's threads wait for each other by spinning, which takes the core from those they wait for: where a
        # training shares two cores with a report, one thread is two to ten times as quick as two.
        "OMP_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DO_NOT_TRACK": "true",
        **settings.extra,
    }


def _server_connection(settings: Settings) -> dict[str, Any]:
    place = {"host": "127.0.0.1", "port": settings.server_port, "schema": "http"}
    return {"conn_type": "model_server", **place, "password": settings.token}


def keep_bytecode(environ: dict[str, str], folder: Path) -> dict[str, str]:
    """Where bytecode may not lie beside the sources, keep it in a folder: else each task compiles what it imports."""
    if not environ.get("PYTHONDONTWRITEBYTECODE"):
        return environ
    return {k: v for k, v in environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": str(folder)}


def _airflow_options(settings: Settings, home: Path) -> dict[str, str]:
    options = {
        "CORE__EXECUTOR": settings.executor,
        # More than there are cores: now and then Airflow's supervisor sees the end of a task only at its next look, up
        # to 5 s later, and its worker takes no other task before.
        "CORE__PARALLELISM": str(settings.parallelism),
        "CORE__DAGS_FOLDER": settings.dags,
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTION_API_SERVER_URL": f"{settings.airflow_url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(settings.passwords),
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": settings.airflow_url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": settings.secret,
        "API_AUTH__JWT_SECRET": settings.secret,
        "LOGGING__WORKER_LOG_SERVER_PORT": str(settings.log_port),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(settings.trigger_log_port),
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(settings.health_port),
        # Airflow waits a second between looks at an idle scheduler; nine short tasks would wait longer than they work.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        # Nobody changes these DAGs; reading them every half minute takes the cores from the tasks.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "MLOPS__ARTIFACTS_URI": settings.artifacts.as_uri(),
    }
    return {f"AIRFLOW__{key}": value for key, value in options.items()}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(wanted: list[int]) -> list[int]:
    """Turn each zero into a free port; all are held open meanwhile, so that they differ."""
    held = [socket.socket() for _ in wanted]
    try:
        for probe, port in zip(held, wanted, strict=True):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
        return [probe.getsockname()[1] for probe in held]
    finally:
        for probe in held:
            probe.close()
