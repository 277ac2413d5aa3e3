"""The models that all peers are compared by, as MLServer has them."""

import time

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, ResponseOutput


class Noop(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        rows = payload.inputs[0].shape[0]
        output = ResponseOutput(name="y", shape=[rows, 1], datatype="BYTES", data=["ok"] * rows)
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=[output])


class Sleep(Noop):
    async def predict(self, payload):
        time.sleep(0.02)
        return await super().predict(payload)


class Mlp(MLModel):
    async def load(self):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        network = self.settings.parameters.extra["network"]
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        scores = self.session.run(None, {"x": rows})[0]
        return InferenceResponse(
            model_name=self.name, id=payload.id, outputs=[NumpyCodec.encode_output(name="y", payload=scores)]
        )
