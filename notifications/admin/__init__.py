"""Staff's side: announcements from draft to figures, notifications to look up and take back, service keys, nodes."""

from notifications.admin import announcements, nodes, notifications, service_keys

__all__ = ["announcements", "nodes", "notifications", "service_keys"]
