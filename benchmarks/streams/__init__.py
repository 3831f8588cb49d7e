"""Streams for benchmarks: histories from folders and packages, cut into batches, each with the spec of a model."""

from benchmarks.streams.packaged import packaged_streams
from benchmarks.streams.stream import Stream, make_stream, read_stream

__all__ = ["Stream", "make_stream", "packaged_streams", "read_stream"]
