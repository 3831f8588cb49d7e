"""How often the gate errs: simulated rates of its tests, challengers that must not pass, and what a margin costs."""
