"""``python -m airflow_mlops.cli``: the command where its script is not on the path."""

import sys

from airflow_mlops.cli import main

sys.exit(main())
