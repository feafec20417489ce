"""Payments: from the hammer to the seller's payout."""
