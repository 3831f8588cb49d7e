"""Many processes promote and roll back one model at once: one wins, the others are told so."""
