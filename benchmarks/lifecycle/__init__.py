"""Ingest to deploy plus drift: our DAG, a hand-written DAG and a plain script, on one machine in one run."""
