"""The whole life of a machine-learning model on Apache Airflow, and the decisions between its stages."""

__version__ = "0.1.0"
