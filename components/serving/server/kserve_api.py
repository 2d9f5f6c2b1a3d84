"""KServe's parts that the server is made of, imported without KServe reading our command line.

`import kserve` parses `sys.argv` for options of its own, shortened ones too: `--model DIR` would be
taken for its `--model_name`. Everything of KServe is imported through this module.
"""

from __future__ import annotations

import sys

_arguments = sys.argv
sys.argv = sys.argv[:1]
try:
    from kserve import Model, ModelRepository, ModelServer
    from kserve.errors import InvalidInput
    from kserve.model import InferenceVerb
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.grpc import grpc_predict_v2_pb2, grpc_predict_v2_pb2_grpc
    from kserve.protocol.grpc.servicer import InferenceServicer
    from kserve.protocol.infer_type import InferOutput, InferRequest, InferResponse
    from kserve.protocol.rest.server import metrics_handler
    from kserve.protocol.rest.v2_datamodels import InferenceRequest, RequestInput, RequestOutput
    from kserve.protocol.rest.v2_endpoints import V2Endpoints
finally:
    sys.argv = _arguments

__all__ = [
    "DataPlane",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "InferenceRequest",
    "InferenceServicer",
    "InferenceVerb",
    "InvalidInput",
    "Model",
    "ModelRepository",
    "ModelServer",
    "RequestInput",
    "RequestOutput",
    "V2Endpoints",
    "grpc_predict_v2_pb2",
    "grpc_predict_v2_pb2_grpc",
    "metrics_handler",
]
