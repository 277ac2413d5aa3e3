"""The base of handlers that run a model in DeepSpeed: one process for each GPU."""

from __future__ import annotations

import os
from abc import ABC
from typing import Any

from ts.torch_handler.base_handler import BaseHandler


class BaseDeepSpeedHandler(BaseHandler, ABC):
    """Chooses the device by the process's rank. The model is the subclass's matter (`ts.handler_utils.distributed.deepspeed`)."""

    def initialize(self, ctx: Any) -> None:
        self.model_yaml_config = ctx.model_yaml_config
        self.device = int(os.environ.get("LOCAL_RANK", "0"))
