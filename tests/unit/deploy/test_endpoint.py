"""The push to a Vertex AI endpoint, by TFX's client, against a server that knows the real types.

What reads a bucket is left out: the pusher's copy. The call that it makes behind it is made here,
with the arguments that `compile` writes, in a process that is led to the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent import futures

import grpc
import pytest
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import any_pb2

from pipeline.deploy.compiler import compile_pipeline
from pipeline.deploy.rehearsal.stand_ins import Proxy, write_certificate, write_credentials

HOST = "europe-west4-aiplatform.googleapis.com"
PLACE = "projects/a-project/locations/europe-west4"
DEPLOY = """
import json, sys
from tfx.extensions.google_cloud_ai_platform import constants, runner
config = json.loads(sys.argv[1])
print(runner.deploy_model_for_aip_prediction(
    serving_container_image_uri=config[constants.VERTEX_CONTAINER_IMAGE_URI_KEY],
    model_version_name="v1",
    ai_platform_serving_args=config[constants.SERVING_ARGS_KEY],
    endpoint_region=config[constants.VERTEX_REGION_KEY],
    labels={},
    serving_path="gs://models/authorprofile/EndpointPusher/pushed_model",
    enable_vertex=True,
))
"""


def done(response):
    """A long operation that has ended."""
    packed = any_pb2.Any()
    packed.Pack(type(response).pb(response))
    return operations_pb2.Operation(name=f"{PLACE}/operations/1", done=True, response=packed)


class Endpoints:
    """Vertex AI's endpoint and model services, as far as a push calls them."""

    def __init__(self):
        self.endpoints, self.models, self.deployed = [], [], []

    def list_endpoints(self, request, context):
        wanted = [one for one in self.endpoints if one.display_name in request.filter]
        return types.ListEndpointsResponse(endpoints=wanted)

    def create_endpoint(self, request, context):
        request.endpoint.name = f"{PLACE}/endpoints/{len(self.endpoints) + 1}"
        self.endpoints.append(request.endpoint)
        return done(request.endpoint)

    def get_endpoint(self, request, context):
        return next(one for one in self.endpoints if one.name == request.name)

    def upload_model(self, request, context):
        kinds = types.Model.DeploymentResourcesType
        request.model.name = f"{PLACE}/models/{len(self.models) + 1}"
        request.model.supported_deployment_resources_types = [kinds.DEDICATED_RESOURCES]
        self.models.append(request.model)
        return done(types.UploadModelResponse(model=request.model.name))

    def get_model(self, request, context):
        return self.models[0]

    def deploy_model(self, request, context):
        self.deployed.append(request)
        return done(types.DeployModelResponse(deployed_model=request.deployed_model))

    def handlers(self):
        calls = {
            "EndpointService": {
                "ListEndpoints": (self.list_endpoints, types.ListEndpointsRequest),
                "CreateEndpoint": (self.create_endpoint, types.CreateEndpointRequest),
                "GetEndpoint": (self.get_endpoint, types.GetEndpointRequest),
                "DeployModel": (self.deploy_model, types.DeployModelRequest),
            },
            "ModelService": {
                "UploadModel": (self.upload_model, types.UploadModelRequest),
                "GetModel": (self.get_model, types.GetModelRequest),
            },
        }
        for service, methods in calls.items():
            yield grpc.method_handlers_generic_handler(
                f"google.cloud.aiplatform.v1.{service}",
                {
                    name: grpc.unary_unary_rpc_method_handler(
                        call,
                        request_deserializer=request.deserialize,
                        response_serializer=serialize,
                    )
                    for name, (call, request) in methods.items()
                },
            )


def serialize(message):
    plain = message if hasattr(message, "SerializeToString") else type(message).pb(message)
    return plain.SerializeToString()


@pytest.fixture(name="vertex")
def serve_endpoints(tmp_path):
    certificate, key = write_certificate(tmp_path, HOST)
    endpoints = Endpoints()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(tuple(endpoints.handlers()))
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    with Proxy(f"{HOST}:443", port) as proxy:
        endpoints.environment = {
            **os.environ,
            "https_proxy": f"http://127.0.0.1:{proxy.port}",
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(certificate),
            "GOOGLE_APPLICATION_CREDENTIALS": str(write_credentials(tmp_path)),
        }
        yield endpoints
    server.stop(grace=None).wait()


def test_a_pushed_model_is_deployed_to_the_endpoint_with_the_configured_machine(deployable, vertex):
    deploy = deployable().deploy.model_dump()
    endpoint = {"display_name": "profiles", "machine": "n1-standard-4", "maximum_replicas": 3}
    deploy["vertex"]["endpoint"] = endpoint
    job = compile_pipeline(deployable(deploy=deploy), "vertex")
    task = job["pipelineSpec"]["root"]["dag"]["tasks"]["EndpointPusher"]
    config = task["inputs"]["parameters"]["custom_config"]["runtimeValue"]["constant"]
    process = subprocess.run(
        [sys.executable, "-c", DEPLOY, config],
        env=vertex.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == f"{PLACE}/models/1"
    assert [one.display_name for one in vertex.endpoints] == ["profiles"]
    (model,) = vertex.models
    assert model.artifact_uri == "gs://models/authorprofile/EndpointPusher/pushed_model"
    assert (
        model.container_spec.image_uri
        == json.loads(config)["ai_platform_vertex_container_image_uri"]
    )
    (request,) = vertex.deployed
    resources = request.deployed_model.dedicated_resources
    assert resources.machine_spec.machine_type == "n1-standard-4"
    assert (resources.min_replica_count, resources.max_replica_count) == (1, 3)
    assert request.endpoint == f"{PLACE}/endpoints/1"
    assert dict(request.traffic_split) == {"0": 100}
