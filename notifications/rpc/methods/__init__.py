"""The methods, a module per namespace. Importing this package registers every one of them."""

from notifications.rpc.methods import announcements, connections, inbox, notifications, service

__all__ = ["announcements", "connections", "inbox", "notifications", "service"]
