"""Event types of the ledger, and the fold that gives a model's state.

Kinds, one a stage and one a decision: ``ingest validate features train evaluate register deploy drift promotion``.
"""
