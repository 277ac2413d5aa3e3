"""The MLP as a TorchServe handler runs it: numbers from JSON, one call of ONNX Runtime for a batch, on one thread."""

import os

import numpy
import onnxruntime


class MlpHandler:
    def initialize(self, context):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        network = os.path.join(context.system_properties["model_dir"], "network.onnx")
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    def handle(self, data, context):
        rows = numpy.array([(row.get("body") or row.get("data"))[0] for row in data], dtype=numpy.float32)
        return self.session.run(None, {"x": rows})[0].tolist()
