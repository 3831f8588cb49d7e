"""What a policy may decide."""

from __future__ import annotations

from typing import Literal

Action = Literal["nothing", "warn", "recalibrate", "re-weigh", "re-elect", "roll back", "retrain", "call"]
# Of these a version is made without training...
CHEAP: tuple[Action, ...] = ("recalibrate", "re-weigh", "re-elect", "roll back")
# ... and of these another one serves.
RETURNS: tuple[Action, ...] = ("re-elect", "roll back")
