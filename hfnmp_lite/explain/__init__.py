"""Where a decision came from: attributions, and whether they can be trusted."""
