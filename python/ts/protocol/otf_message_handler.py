"""The former home of `send_intermediate_predict_response`, from which handlers still import it."""

from __future__ import annotations

from typing import Any, Dict

from ts.handler_utils import utils
from ts.utils.util import deprecated


@deprecated("1.0.0", replacement="ts.handler_utils.utils.send_intermediate_predict_response")
def send_intermediate_predict_response(
    ret: Any, req_id_map: Dict[int, str], message: str, code: int, context: Any
) -> None:
    """See ts.handler_utils.utils.send_intermediate_predict_response."""
    utils.send_intermediate_predict_response(ret, req_id_map, message, code, context)
