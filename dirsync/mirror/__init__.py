"""Carrying out a plan, in an order that cannot hurt; every change goes through `trees.fsops`."""
