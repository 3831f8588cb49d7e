"""What a ledger tells of models and their loops as metrics: one list of them, and their values now."""
