"""Make the people of an Airflow with the FAB auth manager; run as a program in its environment."""

from __future__ import annotations

import sys


def main(password: str) -> None:
    """Make somebody who may read everything, and somebody who may read the DAGs of one model alone."""
    from airflow.utils.db import initdb

    initdb()
    from airflow.api_fastapi.app import create_app, get_auth_manager

    create_app(apps="core")
    manager = get_auth_manager()
    security = manager.security_manager
    with manager.flask_app.app_context():
        security.sync_roles()
        planner = security.add_role("Planner")
        dags = [f"DAG:delay_band_{kind}" for kind in ("retrain", "monitor", "score", "actions")]
        for resource in ("Website", "DAG Runs", "Task Instances", *dags):
            security.add_permission_to_role(planner, security.create_permission("can_read", resource))
        for name, role in (("viewer", security.find_role("Viewer")), ("planner", planner)):
            # Without it Airflow shows the entry and the tab of no plugin; of FAB's own roles only Admin has it.
            security.add_permission_to_role(role, security.create_permission("can_read", "Plugins"))
            security.add_user(name, name, name, f"{name}@example.com", role, password=password)


if __name__ == "__main__":
    main(sys.argv[1])
