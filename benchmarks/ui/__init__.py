"""How long the list of models and the page of one take to answer, in a house with a thousand models."""
