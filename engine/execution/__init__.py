"""Sizing and costs: how a target exposure becomes lots, and what a fill costs."""
