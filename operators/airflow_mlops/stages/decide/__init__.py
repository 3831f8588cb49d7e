"""What a decision needs besides the rules in `airflow_mlops.loop`: losses of served answers, and a page to read."""
