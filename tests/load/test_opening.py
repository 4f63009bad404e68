"""A thousand sockets that open at once share what they ask of the database and of Redis."""

from collections.abc import Iterator

import pytest

from bench.nodes import SOURCES, UNREAD, Several, several
from bench.travellers import Crowd

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

SOCKETS = 1_000


@pytest.fixture(scope="module")
def site() -> Iterator[Several]:
    """One node, a user table, three unread items for each."""
    with several(nodes=1, standalone=False) as site:
        site.run(
            "User.objects.bulk_create([User(pk=n, username=str(n)) for n in range(1, count + 1)])\n"
            "from notifications.models import Notification\nfrom notifications import clock\n"
            "Notification.objects.bulk_create([Notification(id=clock.new_id(), uid=str(n), title='Hello',\n"
            "    created_at=clock.now()) for n in range(1, count + 1) for _ in range(3)])",
            count=SOCKETS,
        )
        yield site


def open_all(site: Several) -> tuple[dict[str, int], int]:
    """Open a socket for each user; gives what that cost by what was asked for, and the items that came."""

    def cost() -> dict[str, int]:
        assert site.deployment.redis is not None
        stats = site.deployment.redis.ask("INFO", "commandstats")
        return {
            "unread": site.statements(UNREAD),
            "users": site.statements('%FROM "auth_user"%'),
            "all": site.statements("SELECT%"),
            # A pipeline is read once. Joining a group is the channel layer's own, one command for each.
            "redis": site.redis_turns() - stats.get("cmdstat_subscribe", {}).get("calls", 0),
            "index": stats.get("cmdstat_evalsha", {}).get("calls", 0),
        }

    node = site.deployment.nodes[0]
    paths = [f"/ws/notifications/?token={site.deployment.token(str(n))}" for n in range(1, SOCKETS + 1)]
    with Crowd() as crowd:
        before = cost()
        assert crowd.tell("set_out", node.port, paths, SOURCES) == 0
        after = cost()
        assert crowd.tell("on", node.port) == SOCKETS
        items = crowd.tell("items")
        crowd.tell("go_home")
    return {name: after[name] - before[name] for name in after}, items


def test_a_thousand_opens(site: Several) -> None:
    """At first the database answers, later the index does; either way a few questions are for all."""
    cost, items = open_all(site)
    print("from the database", cost)
    assert items == 3 * SOCKETS
    assert 0 < cost["unread"] <= SOCKETS / 10
    assert 0 < cost["users"] <= SOCKETS / 10
    # With them the announcements and the boundary of each look-up, and the node's own pulse of some ten a second.
    assert cost["all"] <= SOCKETS
    # Two scripts for each uid, look up and fill, in pipelines.
    assert cost["index"] >= SOCKETS
    assert cost["redis"] <= cost["index"] / 2
    # Connections that a thread never gave back would by now be as many as there were look-ups.
    assert (
        site.run(
            "cursor = connection.cursor()\n"
            "cursor.execute('SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()')\n"
            "result = cursor.fetchone()[0]"
        )
        <= 16 + 2
    )
    cost, items = open_all(site)
    print("from the index", cost)
    assert items == 3 * SOCKETS
    # A guard that is late on a busy machine leaves a few to the database (`unread_index.TRUST_SECONDS`).
    assert cost["unread"] <= SOCKETS / 50
    assert 0 < cost["users"] <= SOCKETS / 10
    assert cost["index"] >= (SOCKETS / 2 if cost["unread"] else SOCKETS)
    assert cost["redis"] <= SOCKETS / 2
