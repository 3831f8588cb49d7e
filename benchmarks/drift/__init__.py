"""What a drift check of millions of rows costs, beside Evidently.

    python -m benchmarks.drift [--rows N ...] [--json OUT]

17 columns of generated rows: normals, lognormals, amounts that are mostly zero, numbers of few values, categories; six
of them moved. The reference's profile is stored; rows of now are a snapshot in Parquet. Each side runs in a process of
its own, twice on a few rows first, so that all libraries are loaded:

*ours*
    Open the snapshot, profile it, read the stored profile of the reference, score all columns.
*arrow*
    Read the same columns into an Arrow table, with as many threads.
*preset*
    Evidently's ``DataDriftPreset`` on two frames that are in memory already.
*tests*
    Evidently's test of each column once, on the same frames, nothing drawn.

The snapshots are written by what ingest writes them with. Evidently runs at the first number of rows only, beside the
frames that it needs in memory. Peak memory is that of the whole process; given apart is what it held with warm
libraries, after the first two runs on few rows, and what came on top for the rows.
"""
