"""Everything that needs torch: features, networks, the training market, algorithms, export."""
