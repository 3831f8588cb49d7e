"""Waiting without a worker slot; runs in Airflow's triggerer."""
