"""The reference model server: it follows the ledger's champion of one or more models, without Airflow or MLflow."""
