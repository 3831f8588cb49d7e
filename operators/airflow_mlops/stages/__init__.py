"""Pure functions, one module per stage: no Airflow, no I/O, no clock, no global random state."""
