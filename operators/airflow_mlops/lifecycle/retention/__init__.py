"""What may be deleted: decided purely, from the ledger and a listing of what is stored."""

from airflow_mlops.lifecycle.retention.inventory import Inventory, read_inventory
from airflow_mlops.lifecycle.retention.items import KIND, LAKE, PART, Item, RetentionPlan, versions_deleted
from airflow_mlops.lifecycle.retention.planning import plan

__all__ = [
    "KIND",
    "LAKE",
    "PART",
    "Inventory",
    "Item",
    "RetentionPlan",
    "plan",
    "read_inventory",
    "versions_deleted",
]
