"""The module of TorchServe's wire format, from which handlers import the former `send_intermediate_predict_response`.

The wire is Sconce's own, so what made or read TorchServe's bytes is not here, or says when called what to use instead.
"""

from __future__ import annotations

from typing import Any, Dict

from ts._absent import absent_names
from ts.handler_utils import utils
from ts.handler_utils.utils import create_predict_response as create_predict_response
from ts.utils.util import deprecated

bool_size = 1
int_size = 4
END_OF_LIST = -1
LOAD_MSG = b"L"
PREDICT_MSG = b"I"
RESPONSE = 3

__getattr__ = absent_names(__name__)


@deprecated("1.0.0", replacement="ts.handler_utils.utils.send_intermediate_predict_response")
def send_intermediate_predict_response(
    ret: Any, req_id_map: Dict[int, str], message: str, code: int, context: Any
) -> Any:
    """See ts.handler_utils.utils.send_intermediate_predict_response."""
    return utils.send_intermediate_predict_response(ret, req_id_map, message, code, context)
