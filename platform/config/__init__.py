"""The platform put together: settings, addresses, start-up."""
