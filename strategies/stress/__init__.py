"""What a result must survive: higher costs, a bar of delay, markets without a direction, every regime."""
