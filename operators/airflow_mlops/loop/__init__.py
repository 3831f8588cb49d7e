"""Pure decisions between the stages."""
