"""Every id of the seed's table, exercised through the gateway; writes docs/gateway_ids.md."""
