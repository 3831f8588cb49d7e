"""Policies on real streams: what the defaults keep of the gain of training at every batch, beside what others do.

    python -m benchmarks.loop [--streams DIR ...] [--label-delay N] [--json OUT] [--rows-per-batch N] [--cache DIR]
        [--jobs N] [--control NAME ...] [--no-peers] [--neighbours]

A stream is a folder with a ``data.parquet`` of ``ts``, ``y``, features and perhaps ``label_ts``. Without any, the
streams that installed packages carry are taken.
"""
