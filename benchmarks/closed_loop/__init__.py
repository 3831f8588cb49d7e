"""From "a week's rows have landed" to "the server answers with another version": how long, and where the time goes."""
