"""The former name of the envelope `kservev2`."""

from __future__ import annotations

from ts.torch_handler.request_envelope.kservev2 import KServev2Envelope


class KFservingv2Envelope(KServev2Envelope):
    """See KServev2Envelope."""
