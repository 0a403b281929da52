"""Causeway, the service: control plane, data plane and command line around `converters`."""
