"""The app as a service of its own, and another Django project that uses it."""
