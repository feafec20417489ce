"""Bare programs beside which ours are measured: each does one thing in the barest way."""
