"""From one join to its end."""

import threading

from sgconductor.member import heart
from sgconductor.objects import service as service_objects
from sgconductor.servicegroup import driver as sg_driver


class Term:
    """One stay in the group.

    :ivar over: set when it has ended, by whatever
    :ivar service: None until it has begun
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.service: service_objects.Service | None = None
        self.hearts: list[heart.Heart] = []
        self.forced_down = False


def member(service: service_objects.Service) -> sg_driver.Member:
    return sg_driver.Member(
        service.uuid,
        service.host,
        service.binary,
        service.topic,
        service.incarnation,
    )
