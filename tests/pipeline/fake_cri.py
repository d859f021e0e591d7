#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A runtime of Kubernetes (CRI runtime.v1) that has reports of containers (GetContainerEvents), which Debian's containerd does not have. Debian's own Python, for its grpc.

containerd's version is told as well; all other calls are refused. Every call is told of with its bytes if CALLS is given.

    fake_cri.py SOCKET CALLS

Commands come as lines of JSON on standard input: ["add", ID, NAME], ["event", ID, TYPE], ["raw", HEX] (as a report), ["end"] (of all streams of reports). What it is asked goes to
standard output, a line each: METHOD [ID]."""
import json
import queue
import sys
import threading
from concurrent import futures

import grpc

sys.path.insert(0, __file__.rpartition("/")[0])
from cri_client import chunk, varint  # noqa: E402

SERVICE = "/runtime.v1.RuntimeService/"
containers = {}  # id -> name
streams = []
lock = threading.Lock()


def number(field, n):
    return varint(field << 3) + varint(n)


def say(*words):
    with lock:
        print(*words, flush=True)


def asked_id(request):
    return request[2:2 + request[1]].decode() if request else ""


def version(request, context):
    return chunk(1, b"0.1.0") + chunk(2, b"cri-o") + chunk(3, b"1.30") + chunk(4, b"v1")


def list_containers(request, context):
    say("ListContainers")
    return b"".join(chunk(1, chunk(1, i.encode()) + number(6, 1)) for i in list(containers))


def list_pods(request, context):
    say("ListPodSandbox")
    return b""


def status(request, context):
    ident = asked_id(request)
    say("ContainerStatus", ident)
    if ident not in containers:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such container")
    return chunk(1, chunk(1, ident.encode()) + chunk(2, chunk(1, containers[ident].encode())) + number(3, 1) + chunk(8, chunk(1, b"quay.io/local/tool:3")))


def pod_status(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such pod")


def events(request, context):
    mine = queue.Queue()
    streams.append(mine)
    say("GetContainerEvents")
    while True:
        message = mine.get()
        if message is None:
            streams.remove(mine)
            return
        yield message


def others(request, context):
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "no such call")


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        if len(sys.argv) > 2:
            return self.told(details)
        return self.handler(details)

    def told(self, details):
        """The same, and what was said with it."""
        name = details.method
        headers = [f"{k}={v}" for k, v in details.invocation_metadata if k not in ("user-agent", "te", "content-type", "content-length")]
        inner = self.handler(details)

        def call(request, context):
            say("call", json.dumps([name, headers, request.hex()]))
            return (inner.unary_stream or inner.unary_unary)(request, context)
        make = grpc.unary_stream_rpc_method_handler if inner.unary_stream else grpc.unary_unary_rpc_method_handler
        return make(call, request_deserializer=lambda d: d, response_serializer=lambda d: d)

    def handler(self, details):
        raw = {"request_deserializer": lambda d: d, "response_serializer": lambda d: d}
        calls = {"/containerd.services.version.v1.Version/Version": lambda request, context: b"", "Version": version, "ListContainers": list_containers, "ListPodSandbox": list_pods, "ContainerStatus": status, "PodSandboxStatus": pod_status}
        name = details.method.removeprefix(SERVICE)
        if name == "GetContainerEvents":
            return grpc.unary_stream_rpc_method_handler(events, **raw)
        return grpc.unary_unary_rpc_method_handler(calls.get(name, others), **raw)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((Handler(),))
    server.add_insecure_port("unix:" + sys.argv[1])
    server.start()
    say("ready")
    for line in sys.stdin:
        command, *rest = json.loads(line)
        if command == "add":
            containers[rest[0]] = rest[1]
            continue
        message = (chunk(1, rest[0].encode()) + number(2, rest[1]) if command == "event" else bytes.fromhex(rest[0]) if command == "raw" else None)
        for s in list(streams):
            s.put(message)
    server.stop(0)


if __name__ == "__main__":
    main()
