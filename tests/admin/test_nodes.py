"""`notifications.admin.nodes`: the live page, and how many are online when staff publish."""

from notifications.models import NodeReport
from notifications.roll import Entry, Figures
from tests.admin.conftest import Staff, StaffClient, draft, words

LIVE = "/admin/notifications/nodereport/"


def node(**values: object) -> None:
    """A node that has just reported."""
    figures = {"sockets": 3, "users": 2, "tail_age": 0.4, "draining": False} | values
    Entry().report(Figures(**figures))  # type: ignore[arg-type]


def test_live_page(staff: Staff) -> None:
    """Every node that reported lately with its figures, and their sums."""
    watcher = staff("view_nodereport")
    assert "No node has reported lately" in words(watcher.get(LIVE))
    node(sockets=1_200, users=900)
    node(sockets=10, users=7, draining=True)
    node(sockets=1, users=1, tail_age=60.0)
    text = words(watcher.get(LIVE))
    assert "Nodes 3 Sockets 1211 Users online 908" in text
    assert "Tail behind by 60.0 s" in text
    assert "counted on each" in text
    assert all(chip in text for chip in ("draining", "tail late", "good"))


def test_looking_needs_permission_and_is_all(staff: Staff) -> None:
    """The page is for whoever may view nodes; nobody adds, changes or deletes one."""
    node()
    name = NodeReport.objects.get().pk
    assert staff("view_announcement").get(LIVE).status_code == 403
    watcher = staff("view_nodereport", "add_nodereport", "change_nodereport", "delete_nodereport")
    for path in ("add/", f"{name}/delete/", f"{name}/change/"):
        assert watcher.post(LIVE + path, {"post": "yes", "sockets": "9"}).status_code in (302, 403, 404)
    assert NodeReport.objects.get().sockets == 3


def test_online_when_publishing(publisher: StaffClient) -> None:
    """The publishing page says how many are online once a node has said so, and nothing about it before."""
    address = f"/admin/notifications/announcement/{draft().pk}/publish/"
    assert "online now" not in words(publisher.get(address))
    node(users=5)
    node(users=2)
    assert "7 online now" in words(publisher.get(address))


def test_last_errors(staff: Staff) -> None:
    """Of all nodes, the newest first, and a sentence where there are none."""
    watcher = staff("view_nodereport")
    node()
    assert "None since these nodes began." in words(watcher.get(LIVE))
    for hour in (1, 3, 2):
        node()
        at = f"2026-01-02T0{hour}:00:00+00:00"
        error = {"at": at, "from": "notifications.tail", "said": f"<b>hour {hour}</b>", "count": 7}
        NodeReport.objects.filter(errors=[]).update(errors=[error])
    text = watcher.get(LIVE).content.decode()
    places = [text.index(f"&lt;b&gt;hour {hour}&lt;/b&gt;") for hour in (3, 2, 1)]
    assert places == sorted(places)
    assert "notifications.tail" in text
