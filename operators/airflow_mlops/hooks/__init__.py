"""Connections become clients; the only place that sees a password."""
