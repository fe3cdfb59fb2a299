"""The versioned objects, one noun a module."""

from sgconductor.objects.service import Service
from sgconductor.objects.service import ServiceList

__all__ = ['Service', 'ServiceList']
