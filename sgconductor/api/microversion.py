"""Microversions of ``/v2.1``, numbered as those of Nova's API.

https://docs.openstack.org/api-guide/compute/microversions.html
"""

import re
from collections.abc import Mapping

import microversion_parse
from microversion_parse import Version

SERVICE_TYPE = 'compute'
HEADER = 'OpenStack-API-Version'
LEGACY_HEADER = 'X-OpenStack-Nova-API-Version'

# What each introduces; the versions in between change nothing here.
HISTORY = {
    Version(2, 1): 'the first',
    Version(2, 11): 'forced_down, and PUT /os-services/force-down',
    Version(2, 53): 'UUIDs as ids; PUT /os-services/{id} for all changes',
    Version(2, 69): 'a list may be partial; here it never is',
    Version(2, 75): 'unknown query parameters are refused',
}
MIN = min(HISTORY)
MAX = max(HISTORY)

_FORM = re.compile(r'[1-9]\d{0,5}\.(0|[1-9]\d{0,5})', re.ASCII)


class Malformed(ValueError):
    """A header that does not contain a version."""


class NotSupported(ValueError):
    """A version that this API does not support."""


def negotiate(headers: Mapping[str, str]) -> Version:
    """The version that a request asks for; by default the first.

    :param headers: of the request, their names in lower case
    :raises Malformed: quoting the header
    :raises NotSupported: naming the versions that are supported
    """
    text = microversion_parse.get_version(
        headers.items(), SERVICE_TYPE, [LEGACY_HEADER.lower()]
    )
    if text is None:
        return MIN
    if text == 'latest':
        return MAX
    if not _FORM.fullmatch(text):
        raise Malformed(
            f'API Version String {text:.40} is of invalid format. Must be of '
            f'format MajorNum.MinorNum.'
        )
    version = microversion_parse.parse_version_string(text)
    if not MIN <= version <= MAX:
        raise NotSupported(
            f'Version {version} is not supported by the API. Minimum is '
            f'{MIN} and maximum is {MAX}.'
        )
    return version


def headers(version: Version) -> dict[str, str]:
    """The headers by which an answer names its version."""
    return {
        HEADER: f'{SERVICE_TYPE} {version}',
        LEGACY_HEADER: str(version),
        'Vary': f'{HEADER}, {LEGACY_HEADER}',
    }
