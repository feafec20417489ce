"""Stripe as far as we use it: payments, sellers' accounts, refunds, disputes, events and their webhooks, and what they moved."""
