"""The versioned objects, one noun a module."""

from sgconductor.objects.event import Event
from sgconductor.objects.event import EventList
from sgconductor.objects.pin import Pin
from sgconductor.objects.pin import PinList
from sgconductor.objects.service import Service
from sgconductor.objects.service_list import ServiceList

__all__ = ['Event', 'EventList', 'Pin', 'PinList', 'Service', 'ServiceList']
