"""The same profile of a Spark frame: each partition is profiled where it lies, and what comes back is put together."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING

from airflow_mlops.stages.profile.profile import Profile, profile_batches, profile_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame


def profile_by_spark(frame: DataFrame, *, sensitive: Sequence[str] = ()) -> Profile:
    """Profile the rows of a Spark frame in one pass; this package has to be installed on the workers.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        The rows.
    sensitive : sequence of str
        Columns of which only type and nulls are kept.

    Returns
    -------
    Profile
        That of `profile_batches`: each partition sends some kilobytes a column.
    """

    def summarised(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow

        first = next(batches, None)
        if first is not None:  # a partition may be empty
            profile = profile_batches(chain([first], batches), first.schema, sensitive=sensitive, threads=1)
            yield pyarrow.RecordBatch.from_pydict({"profile": [json.dumps(profile.to_dict())]})

    answers = frame.mapInArrow(summarised, "profile string").collect()
    parts = [Profile.from_dict(json.loads(answer.profile)) for answer in answers]
    nothing = profile_table(frame.limit(0).toArrow(), sensitive=sensitive)
    return nothing.merge(*parts)
