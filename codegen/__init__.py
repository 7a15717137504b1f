"""Schema tools: SDK release → ``protos/`` → typed messages and client methods.

Installed as ``futukit.codegen``; imports nothing of futukit.
"""
