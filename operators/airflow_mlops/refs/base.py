"""What all references have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from airflow_mlops.errors import NotAReference


@dataclass(frozen=True, slots=True)
class Ref:
    """Base of all references.

    Every field is JSON by itself. `to_dict` is what an operator returns; `from_dict` is what the next one reads, and
    it ignores keys it does not know, so that a newer producer can talk to an older consumer.
    """

    def to_dict(self) -> dict[str, Any]:
        """Turn into a plain dict for XCom."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read back what `to_dict` wrote; a reference passes through unchanged.

        Raises
        ------
        NotAReference
            It is something else, or a field without a default is missing.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise NotAReference(value, wanted=cls.__name__)
        known = {f.name for f in fields(cls)}
        try:
            return cls(**{key: item for key, item in value.items() if key in known})
        except TypeError as error:
            raise NotAReference(value, wanted=cls.__name__) from error
