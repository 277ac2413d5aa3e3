"""The former name of the envelope `kserve`."""

from __future__ import annotations

from ts.torch_handler.request_envelope.kserve import KServeEnvelope


class KFservingEnvelope(KServeEnvelope):
    """See KServeEnvelope."""
