"""A fitted model as bytes, and back: skops where every type in it was reviewed, else cloudpickle.

Neither form needs this package or Airflow to be loaded. skops reads a description of the object and makes only types
that are on a list; cloudpickle runs whatever the bytes say, so its bytes must be checked against their digest first,
which `ArtifactStore.read_bytes` does.

References
----------
skops documentation, "Secure persistence with skops": types outside the library's own list are refused on loading
unless the caller names them.
"""

from __future__ import annotations

import io
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_mlops.artifacts import digest_bytes
from airflow_mlops.errors import ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from airflow_mlops.refs import ModelRef

SKOPS = "skops"
CLOUDPICKLE = "cloudpickle"

# Types beyond skops' own list that scikit-learn models are made of. Each was read: making one runs no code of the file
# and touches nothing outside the object. `partial` and `methodcaller` are only as harmless as what they call: the
# function of a partial has to be on the list itself, and for methods see `REVIEWED_METHODS`.
REVIEWED_TYPES = (
    "functools.partial",
    "numpy.dtype",
    "operator.methodcaller",
    "pandas.core.dtypes.missing.notna",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
)

# What the first steps of a model call on what they are given: choice of columns, nulls, casts, derivations, density.
REVIEWED_METHODS = frozenset({"__getitem__", "astype", "eval", "toarray", "where"})


def model_uri(model: ModelRef) -> str:
    """Return the URI of the model's bytes; it holds their digest, so a rewrite never changes what a reader sees."""
    return f"{model.uri}/{_file_name('model', model.digest, model.serialization)}"


def describe(name: str, payload: bytes, serialization: str) -> dict[str, Any]:
    """Say in a manifest what a reader of the bytes needs: file, digest, form, and the types skops has to be told.

    Parameters
    ----------
    name : str
        What the file holds: ``model``, ``baseline``, ``transformer``.
    payload, serialization
        From `dump_model`.
    """
    digest = digest_bytes(payload)
    return {
        "file": _file_name(name, digest, serialization),
        "digest": digest,
        "serialization": serialization,
        "trusted_types": _types(payload) if serialization == SKOPS else [],
    }


def _types(payload: bytes) -> list[str]:
    return sorted(_skops().get_untrusted_types(data=payload))


def _file_name(name: str, digest: str, serialization: str) -> str:
    return f"{name}-{digest[:16]}.{serialization}"


def dump_model(model: Any) -> tuple[bytes, str]:
    """Write a fitted model as bytes.

    Returns
    -------
    payload : bytes
        Everything that is needed to predict, besides scikit-learn, pandas and what the user's own code imports; of a
        committee, its code too. The same fit gives the same bytes.
    serialization : {"skops", "cloudpickle"}
        What `load_model` has to be told.
    """
    skops_io = _skops()
    from skops.io.exceptions import UnsupportedTypeException

    from airflow_mlops.stages.canonical import canonical

    try:
        payload = canonical(skops_io.dumps(model))
    except (UnsupportedTypeException, TypeError, AttributeError):
        return _pickle(model), CLOUDPICKLE
    return (_pickle(model), CLOUDPICKLE) if unreviewed(payload) else (payload, SKOPS)


def load_model(payload: bytes, serialization: str) -> Any:
    """Read a model back.

    Raises
    ------
    ModelUnusable
        ``serialization`` is unknown.
    ModelUnusable
        A skops file holds a type, or calls a method, that was not reviewed.
    ModelUnusable
        The bytes are not a model, or need a module that is not installed.
    """
    if serialization == SKOPS:
        return _load_skops(payload)
    if serialization == CLOUDPICKLE:
        return _load_pickle(payload)
    raise ModelUnusable(
        f"a model is stored as {serialization!r}, which this version does not read; it reads {SKOPS} and "
        f"{CLOUDPICKLE}. Train the model again."
    )


def unreviewed(payload: bytes) -> tuple[str, ...]:
    """Return the types and methods in a skops file that are on no list, sorted."""
    types = set(_types(payload)) - set(REVIEWED_TYPES)
    return tuple(sorted(types | (set(_methods(payload)) - {f"method {name}" for name in REVIEWED_METHODS})))


def _methods(payload: bytes) -> Iterator[str]:
    """Yield ``method name`` for each method the file would call; an expression with '@' counts as one of its own."""
    import zipfile

    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        nodes = [json.loads(archive.read("schema.json"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict) and node.get("__loader__") == "OperatorFuncNode":
            arguments = [item.get("content", "") for item in node["attrs"]["content"]]
            # In `DataFrame.eval` '@' reaches Python's variables, and through them everything.
            reaches_out = len(arguments) > 1 and "@" in str(arguments[1]) and arguments[0] == '"eval"'
            yield "method eval with @" if reaches_out else f"method {json.loads(arguments[0])}"
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def _load_skops(payload: bytes) -> Any:
    from zipfile import BadZipFile

    try:
        refused = unreviewed(payload)
        if not refused:
            return _skops().loads(payload, trusted=list(REVIEWED_TYPES))
    except (BadZipFile, ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _broken(error) from error
    raise ModelUnusable(
        f"a model holds {len(refused)} types that were not reviewed: {', '.join(refused[:5])}. It was not loaded; "
        "train it again, which stores such a model with cloudpickle."
    )


def _load_pickle(payload: bytes) -> Any:
    from pickle import UnpicklingError

    import cloudpickle

    try:
        return cloudpickle.loads(payload)
    except (
        UnpicklingError,
        EOFError,
        ImportError,
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise _broken(error) from error


def _broken(error: Exception) -> ModelUnusable:
    return ModelUnusable(
        f"a stored model cannot be read ({type(error).__name__}: {error}). Install what it needs, or train it again."
    )


@cache
def _skops() -> ModuleType:
    """Import skops without a hundred warnings: it asks every module for names, some of which Airflow deprecates."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skops.io
    return skops.io


def _pickle(model: Any) -> bytes:
    """Pickle with the user's own modules inside, so that loading needs no DAGs folder."""
    import cloudpickle

    from airflow_mlops.stages.canonical import canonical_pickle

    inside: list[ModuleType] = []
    try:
        payload = cloudpickle.dumps(model)
        # A module taken in by value can bring further ones in.
        while found := [module for module in _own_modules(payload) if module not in inside]:
            for module in found:
                cloudpickle.register_pickle_by_value(module)
            inside += found
            payload = cloudpickle.dumps(model)
        return canonical_pickle(payload)
    finally:
        for module in inside:
            cloudpickle.unregister_pickle_by_value(module)


def _own_modules(payload: bytes) -> Iterator[ModuleType]:
    """Yield the modules a pickle names that no installed library brings; this package counts as not installed."""
    import pickletools
    import sys

    names = {argument for _, argument, _ in pickletools.genops(payload) if isinstance(argument, str)}
    for name in sorted(names & set(sys.modules)):
        module = sys.modules[name]
        place = getattr(module, "__file__", None)
        if name.startswith("airflow_mlops") or (place and not place.startswith(_library_folders())):
            yield module


@cache
def _library_folders() -> tuple[str, ...]:
    import sysconfig

    paths = sysconfig.get_paths()
    return tuple({paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")})
