"""One Chromium and one platform for all; each test begins with empty inboxes and ends without complaints."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.people import Person
from tests.browser.site import Site
from tests.js.stage import chromium
from tests.servers.node import Platform

People = Callable[..., Person]


# Not for the whole run: while Playwright's loop is there no other test may run one of its own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The one Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`make run`, once."""
    database = tmp_path_factory.mktemp("browser") / "db.sqlite3"
    with Site(Platform(f"sqlite:///{database}")) as site:
        yield site


@pytest.fixture
def site(shared_site: Site) -> Iterator[Site]:
    """The platform with empty inboxes; its node logs no error."""
    yield shared_site
    if not shared_site.running:
        shared_site.start()
    shared_site.link.heal()
    shared_site.forget()
    assert shared_site.errors() == []


@pytest.fixture
def people(browser: Browser, site: Site) -> Iterator[People]:
    """`people("alice")`: somebody signed in, in a browser of their own; options are those of a Playwright context.

    `signed_in=False` for somebody who is not, `url` for another way to the platform.
    """
    made: list[Person] = []

    def make(name: str, *, signed_in: bool = True, url: str = "", **options: Any) -> Person:
        person = Person(browser, name, url or site.url, **options)
        made.append(person)
        if signed_in:
            if name not in site.cookies:
                person.sign_in().close()
                site.cookies[name] = [each for each in person.context.cookies() if each["name"] == "sessionid"]
            else:
                person.context.add_cookies(site.cookies[name])
        return person

    yield make
    complaints = {person.name: person.unforeseen for person in made if person.unforeseen}
    for person in made:
        person.context.close()
    assert complaints == {}
