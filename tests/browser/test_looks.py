"""Every page as it looks: English and Chinese, light and dark, wide and narrow. Axe finds nothing, nothing is cut off.

The pictures are in var/screenshots/platform. Those that the READMEs show are copies, in docs/images, by the same names.
"""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People
from tests.browser.people import Person, bell, panel, popups, shoot
from tests.browser.site import Site
from tests.browser.test_announcements import compose

pytestmark = pytest.mark.browser

NARROW = {"width": 375, "height": 720}
LOOKS: dict[str, dict[str, Any]] = {
    "en-light": {"locale": "en-GB", "color_scheme": "light"},
    "zh-dark": {"locale": "zh-CN", "color_scheme": "dark"},
    "en-dark-narrow": {"locale": "en-GB", "color_scheme": "dark", "viewport": NARROW},
    "zh-light-narrow": {"locale": "zh-CN", "color_scheme": "light", "viewport": NARROW},
}
EACH = pytest.mark.parametrize("look", LOOKS)

# Title, body, what else; the last is read, and one goes to everybody.
ITEMS = {
    "en": [
        ("Your submission was rejected", "“Old barn”\nReason: it is not sharp.", {"level": "warning", "url": "/"}),
        ("Your top-up failed", "The payment of 500.00 did not go through.", {"level": "error"}),
        ("Your submission was approved", "“Holiday pictures”", {"level": "success", "url": "/"}),
    ],
    "zh": [
        ("您提交的内容未通过审核", "“老谷仓”\n理由：照片不清晰。", {"level": "warning", "url": "/"}),
        ("您的充值失败", "500.00 的支付未成功。", {"level": "error"}),
        ("您提交的内容已通过审核", "“假日照片”", {"level": "success", "url": "/"}),
    ],
}
ANNOUNCEMENTS = {
    "en": ("Maintenance tonight at ten", "We are back by eleven. Please save your work before."),
    "zh": ("今晚十点停机维护", "十一点恢复。请提前保存您的工作。"),
}
POPUPS = {
    "en": [("Maintenance tonight", "From ten to eleven."), ("Your top-up arrived", "20.00 was added to your balance.")],
    "zh": [("今晚停机维护", "十点至十一点。"), ("您的充值已到账", "20.00 已存入您的余额。")],
}


def fill(site: Site, look: str) -> None:
    """Three items for alice and an announcement, one of them read, and a submission and a top-up of hers."""
    language = look[:2]
    ids = [site.notify("alice", title, body=body, display="list", **rest) for title, body, rest in ITEMS[language]]
    title, body = ANNOUNCEMENTS[language]
    site.business.announce(title, body=body, kind="maintenance", display="list")
    site.business.run(
        "from notifications import inbox\nfrom moderation.models import Submission\nfrom wallet.models import TopUp\n"
        "from django.utils import timezone\nfrom uuid import UUID\n"
        "inbox.read(uid, [UUID(read)])\n"
        "Submission.objects.create(author_id=uid, title=title, text=title)\n"
        "TopUp.objects.create(user_id=uid, amount=20, state='succeeded', settled_at=timezone.now())\n"
        "TopUp.objects.create(user_id=uid, amount=1234.5)",
        uid=site.uid("alice"),
        read=ids[-1],
        title="Sunrise by the sea" if language == "en" else "海边日出",
    )


def push(site: Site, look: str) -> None:
    """Two that pop up, one to be confirmed."""
    warning, result = POPUPS[look[:2]]
    site.notify("alice", warning[0], body=warning[1], level="warning")
    site.notify("alice", result[0], body=result[1], level="success", confirm=True, url="/wallet/")


@EACH
def test_pages_of_the_user(people: People, site: Site, look: str) -> None:
    """Sign-in, home, the panel, popups, the list, one message."""
    fill(site, look)
    options = LOOKS[look]
    nobody = people("nobody", signed_in=False, **options)
    page = nobody.open("/accounts/login/")
    nobody.audit(page)
    shoot(page, f"login-{look}")
    alice = people("alice", **options)
    page = alice.open()
    expect(page.locator("notification-bell .badge")).to_have_text("3")
    alice.audit(page)
    shoot(page, f"home-{look}")
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(4)
    alice.audit(page)
    shoot(page, f"panel-{look}")
    page.locator("h1").click()
    push(site, look)
    expect(popups(page)).to_have_count(2)
    alice.audit(page)
    shoot(page, f"popups-{look}")
    page.goto("/notifications/")
    expect(page.locator("notification-inbox .row")).to_have_count(6)
    alice.audit(page)
    shoot(page, f"list-{look}")


@EACH
def test_pages_without_scripts(people: People, site: Site, look: str) -> None:
    """What the server draws by itself looks like what the scripts make of it."""
    fill(site, look)
    page = people("alice", java_script_enabled=False, **LOOKS[look]).open("/notifications/")
    expect(page.locator(".messages-row")).to_have_count(4)
    shoot(page, f"list-plain-{look}")
    page.locator(".messages-row h2 a").first.click()
    expect(page.locator(".messages-one")).to_be_visible()
    shoot(page, f"message-plain-{look}")


def open_draft(staff: Person, chinese: bool) -> Page:
    """The form with a draft in it, and the preview of it."""
    desk = staff.open()
    if chinese:
        compose(desk, "夏日音乐节", "周六下午三点，欢迎到河边来。\n请自带遮阳帽。", "success")
    else:
        compose(desk, "Summer festival", "Saturday at three, down by the river.\nBring a hat.", "success")
    desk.locator("[name=url]").fill("/events/summer")
    desk.locator("[name=confirm]").check()
    expect(desk.locator("#preview-popup .title")).to_be_visible()
    desk.evaluate("() => scrollTo(0, 0)")
    return desk


@pytest.mark.parametrize("look", ["en-light", "zh-dark", "en-dark-narrow"])
def test_pages_of_the_staff(people: People, site: Site, look: str) -> None:
    """Composing, publishing, figures, the list, searching, keys, the live page: what is ours in them."""
    fill(site, look)
    admin = people("admin", **({"viewport": {"width": 1440, "height": 900}} | LOOKS[look]))
    desk = open_draft(admin, look.startswith("zh"))
    admin.audit(desk)
    shoot(desk, f"admin-compose-{look}")
    desk.locator("[name=audience][value=listed]").check()
    desk.locator("[name=_publish]").click()
    desk.locator("[name=uids]").fill("1\n2\nnobody")
    desk.locator("[name=_add]").click()
    expect(desk.locator(".report")).to_be_visible()
    admin.audit(desk)
    shoot(desk, f"admin-recipients-{look}")
    desk.get_by_role("link", name="发布…" if look.startswith("zh") else "Publish…").click()
    expect(desk.locator(".shown .reach")).to_be_visible()
    admin.audit(desk)
    shoot(desk, f"admin-publish-{look}")
    desk.locator(".submit-row .default").click()
    expect(desk.locator(".life .chip")).to_be_visible()
    admin.audit(desk)
    shoot(desk, f"admin-live-{look}")
    statistics = desk.url.replace("change", "statistics")
    for name, path in {
        "statistics": statistics,
        "announcements": "/admin/notifications/announcement/",
        "notifications": "/admin/notifications/notification/",
        "keys": "/admin/notifications/servicekey/add/",
        "nodes": "/admin/notifications/nodereport/",
        "submissions": "/admin/moderation/submission/",
    }.items():
        desk.goto(path)
        admin.audit(desk)
        shoot(desk, f"admin-{name}-{look}")
