"""Contexts of the drop-in face, against simulators and servers with a script."""
