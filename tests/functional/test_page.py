"""The web page, in a browser."""

import contextlib
import datetime
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import bcrypt
import requests
import sqlalchemy as sa
from oslo_utils import uuidutils
from selenium.webdriver.common.keys import Keys

from sgconductor import objects
from sgconductor.api import http_server
from sgconductor.app import api
from sgconductor.db import clock
from sgconductor.db import models
from tests import browser
from tests import site
from tests.functional import base
from tests.servers import keystone
from tests.servers import process

# A directory: if it is set, the tests save screenshots there.
PICTURES = os.environ.get('SGCONDUCTOR_SCREENSHOTS')
# More than the connections that a browser opens.
THREADS = 16
# The numbers of the hosts that are down, of ten thousand.
DEAD = (17, 4711, 9001)
# The cheapest cost, so that the tests are quick.
SALT = bcrypt.gensalt(4)
MARKUP = '<script>alert(1)</script><img src="x" onerror="alert(2)">'

# The cells of each row in the document, by column.
ROWS = """
return [...document.querySelectorAll('#table .rows > *')].map((row) => (
  Object.fromEntries([...row.children].map((cell) => (
    [cell.classList[0], cell.textContent]
  )))
));
"""

HIDDEN = """
const [hidden] = arguments;
Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
document.dispatchEvent(new Event('visibilitychange'));
"""


class PageTest(base.ConductorTest):
    """
    :ivar url: of the API
    :ivar tab: an empty tab of the browser
    :cvar refused: whether the API refuses some requests of the page
    """

    scenarios = [('chromium', {'resources': [('browser', browser.CHROMIUM)]})]
    browser: browser.Chromium
    refused = False

    def setUp(self) -> None:
        super().setUp()
        self.tab = self.browser.tab()

    def check_complaints(self) -> None:
        """Check that the browser has logged no errors."""
        seen = self.tab.complaints(network=not self.refused)
        self.tab.open('about:blank')
        self.assertEqual([], seen)

    def open(self, **overrides: Any) -> None:
        """Serve the API with these options, and open its page."""
        self.url = self.useFixture(site.Site(self.deployment, **overrides)).url
        self.addCleanup(self.check_complaints)
        self.tab.open(self.url)

    def fill(self, *them: Mapping[str, Any], **common: Any) -> None:
        """Insert services that have not joined, with any values.

        :param them: the values of each that are not the default
        :param common: the values of all that are not the default
        """
        with self.deployment.db.writer() as conn:
            now = conn.execute(sa.select(clock.utcnow())).scalar_one()
            rows = [service(now, **{**common, **special}) for special in them]
            conn.execute(models.services.insert(), rows)
        self.conductor.backend.roster.settle()
        # They follow the pins, unless a test sets another epoch.
        table = models.services
        newest = sa.select(models.roster.c.epoch).scalar_subquery()
        with self.deployment.db.writer() as conn:
            conn.execute(
                table.update()
                .where(table.c.pin_epoch == 0)
                .values(pin_epoch=newest)
            )

    def rows(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.tab.run(ROWS)
        return found

    def hosts(self) -> list[str]:
        return [row['host'] for row in self.rows()]

    def wait_for_hosts(self, *hosts: str) -> None:
        self.wait_for(
            f'the hosts {hosts}',
            lambda: self.hosts() == [*hosts],
        )

    def wait_for_row(self, host: str, **cells: str) -> None:
        """Wait until these texts are in these cells of a host's row."""

        def look() -> bool:
            return any(
                all(text in row[name] for name, text in cells.items())
                for row in self.rows()
                if row['host'] == host
            )

        self.wait_for(f'{host} with {cells}', look)

    def wait_for_text(self, selector: str, text: str) -> None:
        self.wait_for(
            f'{text!r} in {selector}',
            lambda: text in self.tab.text(selector),
        )

    def press(self, label: str, inside: str = 'dialog:last-of-type') -> None:
        """Press a button as soon as it exists."""
        self.wait_for(
            f'a button {label}', lambda: self.tab.press(label, inside)
        )

    def details(self, host: str) -> None:
        """Open the dialog of a host's service."""
        self.press(host, '#table .rows')
        self.wait_for_text('dialog h2', f'on {host}')
        # When the evidence arrives, the dialog grows and its buttons move: a
        # click on the way would miss them.
        self.wait_for_text('dialog [aria-live]', 'Indicates')

    def wait_for_no_dialogs(self, count: int = 0) -> None:
        self.wait_for(
            f'{count} dialogs', lambda: len(self.tab.all('dialog')) == count
        )

    def told(self, host: str) -> Any:
        """A service as the API shows it."""
        uuid = self.get_service(host).uuid
        return requests.get(
            f'{self.url}/v1/services/{uuid}', timeout=base.PATIENCE
        ).json()

    def picture(self, name: str) -> None:
        if PICTURES:
            self.tab.pictures(pathlib.Path(PICTURES) / name)


def service(
    now: datetime.datetime, age: float = 0, **special: Any
) -> dict[str, Any]:
    """A row of the table.

    :param age: of its last beat, in seconds
    """
    return {
        'uuid': uuidutils.generate_uuid(),
        'host': 'node1',
        'binary': 'acme-worker',
        'topic': 'worker',
        'availability_zone': None,
        'version': 1,
        'incarnation': 1,
        'join_token': uuidutils.generate_uuid(),
        'report_interval': 10,
        'down_after': 60,
        'report_count': 100,
        'last_seen_up': now - datetime.timedelta(seconds=age),
        'left_at': None,
        'joined_at': now - datetime.timedelta(days=1),
        # As if it was announced long ago.
        'state': 'up',
        'state_since': now - datetime.timedelta(days=1),
        'disabled': False,
        'disabled_reason': None,
        'forced_down': False,
        'quarantined': False,
        'pin_epoch': 0,
        'created_at': now - datetime.timedelta(days=1),
        'deleted': 0,
        **special,
    }


def fleet() -> Iterable[dict[str, Any]]:
    """A small fleet, with all services up."""
    for i in range(1, 4):
        yield {'host': f'ctl{i}', 'binary': 'acme-api', 'topic': 'api'}
    for i in range(1, 3):
        yield {
            'host': f'ctl{i}',
            'binary': 'acme-scheduler',
            'topic': 'scheduler',
        }
    for i in range(1, 13):
        yield {'host': f'node{i}'}


class TestFleet(PageTest):
    def test_services_needing_attention_come_first(self) -> None:
        self.fill(
            *fleet(),
            {'host': 'node13', 'age': 95},
            {'host': 'node14'},
            {'host': 'node15'},
        )
        fenced, ill = self.get_service('node14'), self.get_service('node15')
        fenced.forced_down = True
        fenced.save()
        ill.disabled = True
        ill.disabled_reason = 'new fan'
        ill.save()
        self.member('node16', version=2).leave()
        self.open()
        self.wait_for_text('#summary .down', 'Down\n3')
        self.wait_for_text('#summary .disabled', 'Disabled\n1')
        self.wait_for_text('#summary .up', 'Up\n19')
        self.assertEqual('3 down · sgconductor', self.tab.web.title)
        hosts = ['node13', 'node14', 'node16', 'node15', 'conductor1', 'ctl1']
        self.assertEqual(hosts, self.hosts()[:6])
        self.wait_for_row('node13', state='down', why='allowed 60 s')
        self.wait_for_row('node14', state='down', why='forced down')
        self.wait_for_row('node16', state='down', why='left at')
        self.wait_for_row('node15', state='up', why='disabled: new fan')
        self.wait_for_text('#groups', '13 of 16 up, 3 down')
        self.wait_for_text('#groups', '3 services up')
        self.details('node13')
        self.wait_for_text('dialog', 'services table')
        self.press('×')
        self.picture('fleet')

    def test_ages_do_not_depend_on_the_browsers_clock(self) -> None:
        self.fill(
            {'host': 'node1', 'age': 100, 'state': 'down'}, {'host': 'node2'}
        )
        self.open()
        self.wait_for_row('node1', beat='10')
        self.tab.run('Date.now = () => 0;')
        self.wait_for_row('node1', beat='103 s')

    def test_markup_in_values_is_not_interpreted(self) -> None:
        self.fill(
            {'host': MARKUP},
            {'host': 'node2', 'disabled': True, 'disabled_reason': MARKUP},
            {'host': 'node3', 'availability_zone': MARKUP},
        )
        self.open()
        self.wait_for_row(MARKUP, state='up')
        self.wait_for_row('node2', why=f'disabled: {MARKUP}')
        self.details('node3')
        self.wait_for_text('dialog', MARKUP)
        found = self.tab.run(
            'return document.querySelectorAll("body script, [src=x]").length'
        )
        self.assertEqual(0, found)

    def test_filters(self) -> None:
        self.fill(*fleet(), {'host': 'node13', 'age': 95, 'state': 'down'})
        self.open()
        self.wait_for_text('#matches', '19 services')
        self.tab.type('#filter', 'ctl SCHED')
        self.wait_for_hosts('ctl1', 'ctl2')
        self.wait_for_text('#matches', '2 of 19 services')
        self.tab.type('#filter', 'allowed 60')
        self.wait_for_hosts('node13')
        self.tab.type('#filter', 'nowhere')
        self.wait_for_hosts()
        self.wait_for_text('#table', 'No service matches.')
        self.press('Show all', '#fleet')
        self.wait_for_text('#matches', '19 services')
        self.tab.one('#summary .down').click()
        self.wait_for_hosts('node13')
        self.tab.one('#summary .down').click()
        for button in self.tab.all('#groups button'):
            if button.text.startswith('api'):
                button.click()
        self.wait_for_hosts('ctl1', 'ctl2', 'ctl3')

    def test_order(self) -> None:
        self.fill(*({'host': f'node{i}', 'version': i} for i in (2, 10, 9)))
        self.open()
        self.wait_for_hosts('conductor1', 'node2', 'node9', 'node10')
        self.press('Version', '#table .head')
        self.wait_for_hosts('conductor1', 'node2', 'node9', 'node10')
        self.press('Version', '#table .head')
        self.wait_for_hosts('node10', 'node9', 'node2', 'conductor1')
        header = self.tab.one('[role=columnheader].version')
        self.assertEqual('descending', header.get_attribute('aria-sort'))

    def test_ten_thousand(self) -> None:
        count = 10_000
        self.fill(
            *(
                {
                    'host': f'node{i:05}',
                    'version': 2 if i % 3 else 1,
                    'topic': ('worker', 'gpu', 'storage')[i % 7 % 3],
                    'disabled': i % 500 == 7,
                    'age': i % 10,
                    **({'age': 5000, 'state': 'down'} if i in DEAD else {}),
                }
                for i in range(1, count + 1)
            ),
            down_after=3600,
        )
        self.open()
        self.wait_for_text('#matches', '10,001 services')
        self.wait_for_text('#summary .down', f'Down\n{len(DEAD)}')
        self.assertEqual(sorted(f'node{i:05}' for i in DEAD), self.hosts()[:3])
        self.assertEqual(
            str(count + 2),
            self.tab.one('#table').get_attribute('aria-rowcount'),
        )
        self.assertLess(len(self.rows()), 100)
        self.picture('ten-thousand')
        self.tab.run(
            'const table = document.querySelector("#table");'
            'table.scrollTop = table.scrollHeight;'
        )
        self.wait_for('the last', lambda: self.hosts()[-1] == 'node10000')
        self.assertLess(len(self.rows()), 100)
        last = self.tab.one('#table .rows > :last-child')
        self.assertEqual(str(count + 2), last.get_attribute('aria-rowindex'))
        self.tab.type('#filter', 'node04321')
        self.wait_for_hosts('node04321')

    def test_keyboard(self) -> None:
        self.fill(*({'host': f'node{i:03}'} for i in range(200)))
        self.open()
        self.wait_for_text('#matches', '201 services')
        first, *_ = self.tab.all('#table .rows button')
        first.send_keys(Keys.ARROW_DOWN * 120)
        self.wait_for_focus('node119')
        # The row keeps the focus while it is out of sight or behind a dialog.
        self.tab.run('document.querySelector("#table").scrollTop = 0')
        self.wait_for('the first', lambda: 'conductor1' in self.hosts())
        self.wait_for_focus('node119')
        self.tab.web.switch_to.active_element.send_keys(Keys.ENTER)
        self.wait_for_text('dialog h2', 'acme-worker on node119')
        self.press('Refresh')
        self.tab.run('document.querySelector("#table").scrollTop = 1')
        self.tab.run('return new Promise(requestAnimationFrame)')
        self.tab.web.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.wait_for_no_dialogs()
        self.wait_for_focus('node119')

    def wait_for_focus(self, text: str) -> None:
        focused = 'return document.activeElement.textContent'
        self.wait_for(
            f'focus on {text}', lambda: self.tab.run(focused) == text
        )

    def test_phone(self) -> None:
        self.fill(*fleet())
        self.tab.resize(*browser.PHONE)
        self.open()
        self.wait_for_row('node1', state='up')
        width = self.tab.run('return document.documentElement.scrollWidth')
        self.assertEqual(browser.PHONE[0], width)


class TestActions(PageTest):
    def setUp(self) -> None:
        super().setUp()
        self.member()
        self.fill({'host': 'node2', 'age': 95, 'state': 'down'})
        self.open()
        self.wait_for_row('node1', state='up')

    def test_disable_and_enable(self) -> None:
        self.details('node1')
        self.press('Disable…')
        self.tab.type('[name=reason]', 'new fan')
        self.press('Disable')
        self.wait_for_row('node1', why='disabled: new fan')
        self.wait_for_no_dialogs(1)
        told = self.told('node1')
        self.assertEqual(
            (True, 'new fan'), (told['disabled'], told['disabled_reason'])
        )
        self.wait_for_text('#events', 'disabled: new fan')
        self.press('Enable…')
        self.press('Enable')
        self.wait_for('the end', lambda: not self.told('node1')['disabled'])
        self.wait_for_row('node1', why='')

    def test_force_down_and_quarantine(self) -> None:
        self.details('node1')
        self.assertNotIn('Quarantine', self.tab.text('dialog'))
        self.press('Force down…')
        self.press('Force down')
        self.wait_for_row('node1', state='down', why='forced down')
        self.assertTrue(self.told('node1')['forced_down'])
        self.press('Undo force-down…')
        self.press('Undo force-down')
        self.wait_for_row('node1', state='up')
        self.assertFalse(self.told('node1')['forced_down'])
        self.press('×')
        self.details('node2')
        self.press('Quarantine…')
        self.press('Quarantine')
        self.wait_for_row('node2', why='in quarantine')
        self.assertTrue(self.told('node2')['quarantined'])
        self.press('Unquarantine…')
        self.press('Unquarantine')
        self.wait_for_row('node2', why='allowed 60 s')
        self.assertFalse(self.told('node2')['quarantined'])

    def test_delete_requires_the_name_of_the_host(self) -> None:
        self.details('node2')
        self.press('Delete…')
        self.wait_for_text('dialog form', 'acme-worker on node2')
        button = self.tab.one('form .danger')
        self.assertFalse(button.is_enabled())
        self.tab.type('[name=host]', 'node1')
        self.assertFalse(button.is_enabled())
        self.tab.one('[name=host]').send_keys(Keys.ENTER)
        self.assertEqual(3, len(self.hosts()))
        self.tab.type('[name=host]', 'node2')
        self.press('Delete')
        self.wait_for_hosts('conductor1', 'node1')
        self.wait_for_no_dialogs()
        self.assertEqual(['node1'], [one.host for one in self.services()])

    def test_hold_and_release(self) -> None:
        self.refused = True
        self.wait_for_text('#pins', 'acme-worker\npin 1')
        self.tab.one('#pins [aria-label="Details of acme-worker"]').click()
        self.press('Hold…')
        self.tab.type('[name=version]', '3000000000')
        self.press('Hold')
        self.wait_for_text('dialog .error', '3000000000 is greater than')
        self.tab.type('[name=version]', '0')
        self.press('Hold')
        self.wait_for_text('dialog', 'Held at 0 by an operator')
        self.wait_for_text('#pins', 'pin 0')
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        self.assertEqual((0, 0), (pin.held_version, pin.version))
        self.press('Release the hold…')
        self.press('Release')
        self.wait_for_text('dialog', 'All 2 services have this version.')
        pin = objects.Pin.get_by_binary(self.context, 'acme-worker')
        self.assertIsNone(pin.held_version)


class TestUpdates(PageTest):
    def test_joins_and_leaves_are_shown_at_once(self) -> None:
        self.open()
        self.wait_for_text('#stream', 'live')
        self.wait_for_hosts('conductor1')
        member = self.member(version=3)
        self.wait_for_row('node1', state='up', version='3')
        self.wait_for_text('#events', 'joined')
        self.wait_for_text('#pins', 'acme-worker\npin 3')
        member.leave()
        self.wait_for_row('node1', state='down', why='left at')
        self.wait_for_text('#events', 'left at')
        self.get_service().destroy()
        self.wait_for_hosts('conductor1')
        self.wait_for_text('#events', 'deleted')

    def test_hidden_tab_catches_up_when_shown(self) -> None:
        self.open()
        self.wait_for_text('#stream', 'live')
        self.tab.run(HIDDEN, True)
        self.wait_for_text('#stream', 'not live')
        self.member()
        self.tab.run(HIDDEN, False)
        self.wait_for_row('node1', state='up')
        self.wait_for_text('#events', 'node1')

    def test_upgrade_is_shown_in_versions_and_pin(self) -> None:
        self.fill(
            *(
                {**one, 'version': 2 if i % 3 else 1, 'pin_epoch': i == 9}
                for i, one in enumerate(fleet())
            )
        )
        self.open()
        self.wait_for_text('#pins', 'Held down by 4 services of version 1.')
        self.wait_for_text('#pins', 'v2 8')
        self.wait_for_text('#pins', '17 of 18 live members follow.')
        self.picture('upgrade')
        self.tab.one('#pins [aria-label="Details of acme-worker"]').click()
        self.wait_for_text('dialog', 'Oldest services, of version 1')
        self.wait_for_text('dialog', 'node')


class TestOutages(PageTest):
    refused = True

    def setUp(self) -> None:
        super().setUp()
        self.fill(*fleet())

    @contextlib.contextmanager
    def serve(self, port: int) -> Iterator[None]:
        """Serve the API on a fixed port, so that it can be served again."""
        wsgi = api.Api(self.deployment.conf(api__auth_strategy='noauth'))
        with (
            contextlib.closing(wsgi),
            http_server.Server(wsgi, process.LOOPBACK, port, THREADS),
            contextlib.ExitStack() as first,
        ):
            first.callback(wsgi.stop)
            yield

    def wait_for_banner(self, text: str) -> None:
        self.wait_for_text('#trouble', text)
        self.wait_for_text('#old', 'This data is')
        # The table is still shown.
        self.wait_for_row('node1', state='up')
        self.assertEqual('Not connected', self.tab.text('#status'))

    def wait_for_recovery(self) -> None:
        banner = self.tab.one('#banner')
        self.wait_for('no banner', lambda: not banner.is_displayed())
        self.assertEqual('Connected', self.tab.text('#status'))
        self.wait_for_text('#stream', 'live')
        self.member('node77')
        self.wait_for_row('node77', state='up')

    def test_conductor_gone_and_back(self) -> None:
        self.open(api__conductor_timeout=0.5)
        self.wait_for_row('node1', state='up')
        self.conductor.stop()
        self.wait_for_banner('No conductor answered')
        self.picture('outage')
        self.conductor = self.deployment.conductor()
        self.wait_for_recovery()

    def test_api_gone_and_back(self) -> None:
        self.addCleanup(self.check_complaints)
        (port,) = process.free_ports(1)
        with self.serve(port):
            self.tab.open(f'http://{process.LOOPBACK}:{port}')
            self.wait_for_row('node1', state='up')
        self.wait_for_banner('The API cannot be reached.')
        with self.serve(port):
            self.wait_for_recovery()


class TestSignIn(PageTest):
    refused = True

    def test_name_and_password(self) -> None:
        self.member()
        self.open_for('ann', 'rené')
        self.sign_in('rené', 'wrong')
        self.wait_for_text('dialog', 'That was not accepted.')
        self.sign_in('rené', 'rené')
        self.wait_for_row('node1', state='up')
        self.details('node1')
        self.press('Disable…')
        self.press('Disable')
        self.wait_for_text('dialog .error', 'You are not allowed to do this.')
        self.assertFalse(self.get_service().disabled)
        self.tab.web.refresh()
        self.wait_for_row('node1', state='up')
        self.press('Sign out', 'body > header')
        self.sign_in('ann', 'ann')
        self.details('node1')
        self.press('Disable…')
        self.press('Disable')
        self.wait_for_row('node1', why='disabled')

    def open_for(self, *names: str) -> None:
        """Open the page for users whose password is their name; ann is an
        admin.
        """
        path = self.deployment.directory / 'htpasswd'
        path.write_text(
            ''.join(
                f'{name}:{bcrypt.hashpw(name.encode(), SALT).decode()}\n'
                for name in names
            )
        )
        self.open(
            api__auth_strategy='http_basic',
            api__http_basic_user_file=str(path),
            api__http_basic_admins=['ann'],
        )

    def sign_in(self, name: str, password: str) -> None:
        self.wait_for_text('dialog h2', 'Sign in')
        self.tab.type('dialog [name=name]', name)
        self.tab.type('dialog [name=password]', password)
        self.press('Sign in')

    def test_sign_in_is_not_asked_for_again_after_cancel(self) -> None:
        self.open_for('ann')
        self.press('Cancel')
        self.wait_for_text('#trouble', 'You are not signed in.')
        self.assertEqual([], self.tab.all('dialog'))
        self.press('Sign in…', '#banner')
        self.wait_for_text('dialog h2', 'Sign in')

    def test_token(self) -> None:
        identity = self.useFixture(keystone.Keystone())
        options = [f'{k} = {v}' for k, v in identity.options().items()]
        self.deployment.more = '\n'.join(['[keystone_authtoken]', *options])
        self.member()
        self.open(api__auth_strategy='keystone')
        self.wait_for_text('dialog h2', 'Sign in with a token')
        self.tab.type('dialog [name=token]', identity.issue('ann', ['reader']))
        self.press('Sign in')
        self.wait_for_row('node1', state='up')
