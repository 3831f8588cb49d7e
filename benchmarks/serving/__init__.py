"""Our model server beside ``mlflow models serve``: one model, one machine, one run."""
