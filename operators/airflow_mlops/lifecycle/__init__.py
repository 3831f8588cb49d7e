"""Effects in order: track, register, deploy, promote. Clients are passed in."""
