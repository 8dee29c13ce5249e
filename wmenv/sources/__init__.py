"""Real environments that training data and true measurements come from. Knows nothing of models or worlds."""
