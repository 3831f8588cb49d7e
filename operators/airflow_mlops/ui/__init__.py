"""What the plugin shows in Airflow's web interface."""
