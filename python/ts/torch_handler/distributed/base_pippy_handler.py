"""The base of handlers that run a model in PiPPy's stages: one process for each."""

from __future__ import annotations

import os
from abc import ABC
from typing import Any

import torch

from ts.handler_utils.distributed.pt_pippy import initialize_rpc_workers
from ts.torch_handler.base_handler import BaseHandler


class BasePippyHandler(BaseHandler, ABC):
    """Joins the ranks and chooses the device. The model is the subclass's matter (`ts.handler_utils.distributed.pt_pippy`)."""

    def initialize(self, ctx: Any) -> None:
        """Raises KeyError when the process has no LOCAL_RANK and WORLD_SIZE."""
        self.model_yaml_config = ctx.model_yaml_config
        self.local_rank = int(os.environ["LOCAL_RANK"])
        self.world_size = int(os.environ["WORLD_SIZE"])
        self.device = self.local_rank % torch.cuda.device_count()
        initialize_rpc_workers(self.local_rank, self.world_size, ctx)
