"""One policy, played over a history: the same code decides that decides live, and a matrix answers for the models."""

from airflow_mlops.replay.play.player import Player
from airflow_mlops.replay.play.record import Play, Trained, first_champion

__all__ = ["Play", "Player", "Trained", "first_champion"]
