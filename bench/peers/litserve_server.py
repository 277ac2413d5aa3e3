"""A LitServe server with one of the models that all peers are compared by. Arguments: handler, port, batch size, batch timeout in s, workers, network."""

import sys
import time

import litserve

HANDLER, PORT, BATCH_SIZE, BATCH_TIMEOUT_SEC, WORKERS, NETWORK = sys.argv[1:7]


class Noop(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, x):
        return ["ok"] * len(x) if int(BATCH_SIZE) > 1 else "ok"


class Sleep(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, x):
        time.sleep(0.02)
        return "ok"


class Mlp(litserve.LitAPI):
    def setup(self, device):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(NETWORK, options, providers=["CPUExecutionProvider"])

    def predict(self, x):
        import numpy

        rows = [request["input"] for request in x] if int(BATCH_SIZE) > 1 else [x["input"]]
        scores = self.session.run(None, {"x": numpy.array(rows, dtype=numpy.float32)})[0].tolist()
        return scores if int(BATCH_SIZE) > 1 else scores[0]


def main():
    api = {"noop": Noop, "sleep": Sleep, "mlp": Mlp}[HANDLER](max_batch_size=int(BATCH_SIZE), batch_timeout=float(BATCH_TIMEOUT_SEC))
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(WORKERS))
    server.run(host="127.0.0.1", port=int(PORT), log_level="warning", generate_client_file=False, num_api_servers=1)


if __name__ == "__main__":
    main()
