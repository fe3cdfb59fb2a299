"""Headless Chromium, as a server that tests share.

Only Selenium's client is used: browser and driver are those of the
distribution, and Selenium downloads nothing.
"""

import base64
import logging
import os
import pathlib
import socket
from collections.abc import Mapping
from typing import Any
from typing import ClassVar
from typing import Final

from selenium import webdriver
from selenium.common import exceptions
from selenium.webdriver.chrome import options as chrome_options
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests import resources
from tests.servers import process

__all__ = ['CHROMIUM', 'Chromium', 'Tab']

BROWSER = '/usr/bin/chromium'
DRIVER = '/usr/bin/chromedriver'

# Small, since fewer pixels are drawn faster.
SMALL = (1200, 700)
DESKTOP = (1440, 900)
PHONE = (390, 844)
# The maximum height of the screenshot of a phone, which shows the whole page.
_LONGEST = 2200

_TEXT = """
return [...document.querySelectorAll(arguments[0])]
  .filter((element) => element.checkVisibility())
  .map((element) => element.innerText).join('\\n');
"""
_DRAWN = 'return new Promise(requestAnimationFrame)'
_LENGTH = 'return document.documentElement.scrollHeight'
_BUTTON = """
return [...document.querySelectorAll(arguments[0])].find(
  (button) => button.innerText === arguments[1] && !button.disabled);
"""

# The source of the log entries that a browser writes for error answers.
_NETWORK = 'network'


class Chromium(process.Server):
    """A driver with one browser, in which each test gets a tab."""

    NAME: ClassVar[str] = 'chromium'
    BINARIES: ClassVar[tuple[str, ...]] = (BROWSER, DRIVER)

    def tab(self) -> 'Tab':
        """A new tab, which replaces the previous one."""
        for name in ('selenium', 'urllib3'):
            logging.getLogger(name).setLevel(logging.INFO)
        old = self._web.current_window_handle
        self._web.switch_to.new_window('tab')
        new = self._web.current_window_handle
        self._web.switch_to.window(old)
        self._web.close()
        self._web.switch_to.window(new)
        tab = Tab(self._web)
        tab.complaints()
        return tab

    def _initialise(self) -> None:
        """Nothing: it needs no files."""

    def _start_somewhere(self) -> None:
        super()._start_somewhere()
        self._web = webdriver.Remote(
            f'http://{process.LOOPBACK}:{self.port}', options=_options()
        )
        self.addCleanup(self._web.quit)

    def _command(self) -> list[str]:
        return [DRIVER, f'--port={self.port}']

    def _ready(self) -> bool:
        try:
            socket.create_connection((process.LOOPBACK, self.port), 1).close()
        except OSError:
            return False
        return self._existing().listens(self.port)


def _options() -> chrome_options.Options:
    options = chrome_options.Options()
    options.binary_location = BROWSER
    for argument in (
        'headless=new',
        # So the browser ends when its driver does, even if that is killed.
        'remote-debugging-pipe',
        'window-size={},{}'.format(*SMALL),
        'disable-background-networking',
        'disable-dev-shm-usage',
        'disable-extensions',
        'disable-gpu',
        'hide-scrollbars',
        'no-first-run',
    ):
        options.add_argument(f'--{argument}')
    if os.geteuid() == 0:
        options.add_argument('--no-sandbox')
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    # A page that opens an alert fails its test.
    options.unhandled_prompt_behavior = 'ignore'
    return options


class Tab:
    """A tab of the browser.

    :ivar web: Selenium's client
    """

    def __init__(self, web: webdriver.Remote) -> None:
        self.web = web
        self.rest()

    def open(self, url: str) -> None:
        self.web.get(url)

    def run(self, script: str, *args: Any) -> Any:
        """Run a script, and return its result."""
        return self.web.execute_script(script, *args)

    def all(self, selector: str) -> list[WebElement]:
        return self.web.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The last match: of dialogs, the one on top."""
        found = self.all(selector)
        assert found, f'there is no {selector}'
        return found[-1]

    def text(self, selector: str) -> str:
        """The visible text of the matching elements."""
        return str(self.run(_TEXT, selector))

    def press(self, label: str, inside: str) -> bool:
        """Press the button with this label, if it exists now."""
        try:
            button = self.run(_BUTTON, f'{inside} button', label)
            if button is not None:
                button.click()
        except (
            exceptions.ElementClickInterceptedException,
            exceptions.StaleElementReferenceException,
        ):
            return False
        return button is not None

    def type(self, selector: str, text: str) -> None:
        """Replace the content of a field."""
        field = self.one(selector)
        field.clear()
        field.send_keys(text)

    def resize(self, width: int, height: int) -> None:
        self._do(
            'Emulation.setDeviceMetricsOverride',
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < SMALL[0],
        )

    def media(self, **features: str) -> None:
        """Set media features, with ``_`` for ``-`` in their names."""
        self._do(
            'Emulation.setEmulatedMedia',
            features=[
                {'name': name.replace('_', '-'), 'value': value}
                for name, value in features.items()
            ],
        )

    def pictures(self, path: pathlib.Path) -> None:
        """Save screenshots: light, dark, and on a phone.

        :param path: without the end of the file name
        """
        # Move the pointer away from what reacts to it.
        self._do('Input.dispatchMouseEvent', type='mouseMoved', x=0, y=0)
        for name, size, scheme in (
            ('light', DESKTOP, 'light'),
            ('dark', DESKTOP, 'dark'),
            ('phone', PHONE, 'light'),
        ):
            self.resize(*size)
            self.media(
                prefers_color_scheme=scheme, prefers_reduced_motion='reduce'
            )
            self.run(_DRAWN)
            length = self.run(_LENGTH) if size == PHONE else 0
            clip = {
                'x': 0,
                'y': 0,
                'width': size[0],
                'height': max(size[1], min(length, _LONGEST)),
                'scale': 1,
            }
            taken = self._do(
                'Page.captureScreenshot', captureBeyondViewport=True, clip=clip
            )
            file = path.with_name(f'{path.name}-{name}.png')
            file.write_bytes(base64.b64decode(taken['data']))
        self.rest()

    def rest(self) -> None:
        """Go back to the default size and media features."""
        self.resize(*SMALL)
        self.media(prefers_reduced_motion='reduce')

    def complaints(self, network: bool = True) -> list[str]:
        """The errors that the browser has logged.

        :param network: whether to include error answers
        """
        answer = self.web.execute('getLog', {'type': 'browser'})
        log: list[Mapping[str, Any]] = answer['value']
        return [
            str(one['message'])
            for one in log
            if network or one['source'] != _NETWORK
        ]

    def _do(self, command: str, **params: Any) -> Any:
        answer = self.web.execute(
            'executeCdpCommand', {'cmd': command, 'params': params}
        )
        return answer['value']


CHROMIUM: Final = resources.ServerResource(Chromium())
