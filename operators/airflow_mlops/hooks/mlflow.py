"""MLflow behind an Airflow connection."""

from __future__ import annotations

import base64
import functools
import os
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit, urlunsplit

from airflow.sdk import BaseHook

from airflow_mlops.errors import MissingExtra, TrackingRefused, TrackingUnavailable
from airflow_mlops.hooks import mlflow_auth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Connection
    from mlflow import MlflowClient

# MLflow's own defaults (7 tries, waiting twice as long each time, 120 s each) keep a task for minutes.
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}
# What MLflow would write between a task's own lines.
_QUIET = {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
_CONNECT_S, _ANSWER_S = 3.05, 10.0


class MlflowHook(BaseHook):
    """Hand out an MLflow client; credentials never leave this class.

    The connection's host is the tracking URI: ``http(s)://...``, ``sqlite:///path``, or the path of a folder or of a
    ``.db`` file for an embedded MLflow. With a login the password is basic authentication, without one a bearer token.

    Parameters
    ----------
    mlflow_conn_id : str
        Connection of MLflow.
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id
        self._is_reachable = False

    @contextmanager
    def bound(self) -> Iterator[MlflowClient]:
        """Hand out the client, with credentials and TLS options in force until the block ends.

        Raises
        ------
        TrackingUnavailable
            The server does not answer within seconds, or stops answering.
        TrackingRefused
            The server refuses the credentials.
        """
        with (
            mlflow_auth.call_settings(self._settings),
            mlflow_auth.bind(self._credentials),
            self._own_errors(),
        ):
            self._check_reachable()
            yield self._client

    @cached_property
    def client(self) -> MlflowClient:
        """A client that binds credentials and TLS options anew for each of its calls.

        Right for a few calls; `bound` is for many, and for anything of MLflow that is not a method of the client.
        """
        return cast("MlflowClient", _CallBound(self))

    def run_url(self, run_id: str, experiment_id: str) -> str | None:
        """Return where people look at a run, or None where MLflow has no pages."""
        return f"{self.pages}/#/experiments/{experiment_id}/runs/{run_id}" if self.pages else None

    def version_url(self, registered_name: str, version: str) -> str | None:
        """Return where people look at a registered version, or None where MLflow has no pages."""
        return f"{self.pages}/#/models/{quote(registered_name, safe='')}/versions/{version}" if self.pages else None

    @property
    def pages(self) -> str | None:
        """Address of MLflow's own pages, without credentials; None where it has none, as with a file."""
        address = self._connection.extra_dejson.get("ui_url") or (self.tracking_uri if self._is_http else "")
        parts = urlsplit(str(address))
        if parts.scheme not in ("http", "https"):
            return None
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    def test_connection(self) -> tuple[bool, str]:
        """Ask for one experiment, for the button in the UI."""
        try:
            with self.bound() as client:
                client.search_experiments(max_results=1)
        except Exception as error:
            return False, str(error)
        return True, f"MLflow at {self.tracking_uri} answers."

    # What the connection says

    @cached_property
    def _connection(self) -> Connection:
        return self.get_connection(self.mlflow_conn_id)

    @cached_property
    def tracking_uri(self) -> str:
        """Address of the tracking server or database, without credentials."""
        return tracking_uri(self._connection)

    @property
    def verify(self) -> bool | str:
        """False where certificates are not looked at, else the file of their authority, or True for the usual ones."""
        extra = self._connection.extra_dejson
        return False if extra.get("verify_tls") is False else extra.get("ca_cert") or True

    @property
    def artifact_location(self) -> str | None:
        """Where a new experiment keeps its artifacts; None lets the tracking server decide."""
        if chosen := self._connection.extra_dejson.get("artifact_location"):
            return str(chosen)
        database = self._database
        # MLflow would take a folder below the working directory of whichever worker comes first.
        return (database.parent / "artifacts").as_uri() if database else None

    @property
    def _is_http(self) -> bool:
        return self.tracking_uri.startswith(("http://", "https://"))

    @property
    def _database(self) -> Path | None:
        path = self.tracking_uri.removeprefix("sqlite:///")
        return None if path == self.tracking_uri else Path(path).absolute()

    @property
    def _settings(self) -> dict[str, str]:
        if not self._is_http:
            return dict(_QUIET)
        extra = self._connection.extra_dejson
        settings = {**_QUIET, **_LIMITS}
        if extra.get("verify_tls") is False:
            settings["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
        elif extra.get("ca_cert"):
            settings["MLFLOW_TRACKING_SERVER_CERT_PATH"] = extra["ca_cert"]
        return settings

    @cached_property
    def _credentials(self) -> mlflow_auth.Credentials | None:
        connection = self._connection
        token = connection.extra_dejson.get("token") or (None if connection.login else connection.password)
        if not self._is_http or not (token or connection.login):
            return None
        value = f"Bearer {token}"
        if not token:
            pair = f"{connection.login}:{connection.password or ''}".encode()
            value = f"Basic {base64.b64encode(pair).decode()}"
        return mlflow_auth.Credentials(mlflow_auth.origin_of(self.tracking_uri), {"Authorization": value})

    # The client

    @cached_property
    def _client(self) -> MlflowClient:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingExtra("MLflow", extra="mlflow", needed_by="the MLflow connection") from error

        mlflow_auth.install()
        if self._database:
            try:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise TrackingUnavailable(f"{self._place} cannot be made: {error}.") from error
        registry = self._connection.extra_dejson.get("registry_uri")
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=registry or self.tracking_uri)

    def _check_reachable(self) -> None:
        """Knock once, without credentials: any answer will do."""
        if self._is_reachable or not self._is_http:
            return
        import requests

        try:
            requests.get(f"{self.tracking_uri}/health", timeout=(_CONNECT_S, _ANSWER_S), verify=self.verify)
        except requests.exceptions.SSLError as error:
            raise TrackingUnavailable(
                f"{self._place} shows a certificate that is not trusted; name its authority in the connection's "
                "extra 'ca_cert'."
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise self._unavailable(type(error).__name__) from error
        self._is_reachable = True

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        """Turn MLflow's errors about the connection into ours; errors about what was asked pass."""
        import requests
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, requests.exceptions.RequestException) as error:
            if _status(error) in (401, 403):
                raise TrackingRefused(
                    f"{self._place} refuses the request with status {_status(error)}; check login, password or token "
                    "of the connection, and what that user may do."
                ) from error
            if _is_transport(error):
                raise self._unavailable(type(error).__name__) from error
            if _is_no_mlflow(error):
                raise TrackingRefused(
                    f"{self._place} answers, but not as MLflow does; check the address, and what stands before it."
                ) from error
            raise

    def _unavailable(self, reason: str) -> TrackingUnavailable:
        return TrackingUnavailable(
            f"{self._place} does not answer ({reason}); check that it runs and that this worker reaches it. Nothing is "
            "lost: the task is tried again, and continues where it stopped."
        )

    @property
    def _place(self) -> str:
        return f"MLflow at {self.tracking_uri} (connection {self.mlflow_conn_id!r})"

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Name the fields of the form."""
        return {
            "hidden_fields": ["schema"],
            "relabeling": {"host": "Tracking URI", "login": "User name", "password": "Password or token"},
            "placeholders": {"host": "https://mlflow.example.com or sqlite:////data/mlflow.db"},
        }


class _CallBound:
    """Stands before a client and binds its hook for each call."""

    def __init__(self, hook: MlflowHook) -> None:
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._hook._client, name)
        if not callable(attribute):
            return attribute

        @functools.wraps(attribute)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self._hook.bound():
                return attribute(*args, **kwargs)

        return call


def tracking_uri(connection: Connection) -> str:
    """Turn a connection into a tracking URI without credentials.

    Raises
    ------
    TrackingRefused
        The connection has no host, or one that is no MLflow.
    """
    host = (connection.host or "").strip().rstrip("/")
    if not host:
        raise TrackingRefused(
            f"connection {connection.conn_id!r} has no host; set it to the tracking URI, such as "
            "https://mlflow.example.com or sqlite:////data/mlflow.db."
        )
    if host.startswith(("/", ".", "file:")):
        path = host.removeprefix("file://")
        return f"sqlite:///{path if path.endswith('.db') else os.path.join(path, 'mlflow.db')}"
    if "://" not in host:
        host = f"{connection.schema or 'http'}://{host}"
    parts = urlsplit(host)
    if parts.scheme == "sqlite":
        return host
    if parts.scheme not in ("http", "https"):
        # Never the host itself: an address of a database holds its password.
        raise TrackingRefused(
            f"connection {connection.conn_id!r} begins with {parts.scheme}://, and MLflow is reached by http, https, "
            "sqlite or a path; put a tracking server before any other database."
        )
    # An address may carry a user and a password; they belong into their own fields, and never into a log.
    netloc = parts.netloc.rpartition("@")[2]
    if connection.port and ":" not in netloc:
        netloc = f"{netloc}:{connection.port}"
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _status(error: Exception) -> int | None:
    """Return the HTTP status of an answer; artifacts raise another kind of error than the rest of MLflow."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return int(answer.status_code)
    return error.get_http_status_code() if hasattr(error, "get_http_status_code") else None


def _is_no_mlflow(error: Exception) -> bool:
    """Tell whether the answer was a page, or a 404 for MLflow's own address."""
    text = str(error)
    return "in a valid JSON format" in text or "failed with error code 404" in text


def _is_transport(error: Exception) -> bool:
    """Tell whether no proper answer came: the cause is a broken connection, a time limit or an overloaded server."""
    import requests

    if getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE":
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.exceptions.RequestException):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
