"""Requests that fit the OpenAPI document get the answers it describes."""

from testtools import content

from tests import program
from tests import site
from tests.functional import base

_EXAMPLES = 10


class TestOpenApi(base.ConductorTest):
    scenarios = [base.EMBEDDED]

    def test_by_schemathesis(self) -> None:
        for host in ('node1', 'node2'):
            self.member(host)
        url = self.useFixture(site.Site(self.deployment)).url
        tried = self.useFixture(
            program.Program(
                *('schemathesis', '--config-file', '/dev/null'),
                *('run', f'{url}/v1/openapi.json'),
                *('--max-examples', str(_EXAMPLES)),
                *('--generation-deterministic', '--checks', 'all'),
                # A stream ends only after a minute.
                *('--exclude-path', '/v1/events/stream'),
                fresh=True,
            )
        )
        status = tried.wait(300)
        self.addDetail('schemathesis', content.text_content(tried.output))
        self.assertEqual(0, status, tried.output)
