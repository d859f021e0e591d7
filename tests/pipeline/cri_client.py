#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A kubelet's side of the CRI (runtime.v1), as far as tests need it. Requests come as lines on standard input, each a
JSON array [method, request], and are answered in order by a line each: the response, or {"error": ...}.

    cri_client.py SOCKET

Debian's own Python, for its grpc (python3-grpcio). Messages are written from the tables below: field name -> number, and kind."""
import json
import sys

import grpc

STRING, INT, BOOL, BYTES, MAP = "string", "int", "bool", "bytes", "map"

# message -> {field: (number, kind or message, is repeated)}
MESSAGES = {
    "PodMetadata": {"name": (1, STRING), "uid": (2, STRING), "namespace": (3, STRING), "attempt": (4, INT)},
    "NamespaceOption": {"network": (1, INT), "pid": (2, INT), "ipc": (3, INT)},
    "PodSecurity": {"namespace_options": (1, "NamespaceOption"), "privileged": (6, BOOL)},
    "PodLinux": {"cgroup_parent": (1, STRING), "security_context": (2, "PodSecurity")},
    "PodConfig": {"metadata": (1, "PodMetadata"), "hostname": (2, STRING), "log_directory": (3, STRING), "labels": (6, MAP), "annotations": (7, MAP),
                  "linux": (8, "PodLinux")},
    "RunPodSandboxRequest": {"config": (1, "PodConfig")},
    "RunPodSandboxResponse": {"pod_sandbox_id": (1, STRING)},
    "PodRequest": {"pod_sandbox_id": (1, STRING)},
    "ContainerMetadata": {"name": (1, STRING), "attempt": (2, INT)},
    "Image": {"image": (1, STRING)},
    "KeyValue": {"key": (1, STRING), "value": (2, STRING)},
    "Mount": {"container_path": (1, STRING), "host_path": (2, STRING), "readonly": (3, BOOL)},
    "Capabilities": {"add": (1, STRING, True), "drop": (2, STRING, True)},
    "Int64": {"value": (1, INT)},
    "Profile": {"profile_type": (1, INT)},
    "Security": {"capabilities": (1, "Capabilities"), "privileged": (2, BOOL), "namespace_options": (3, "NamespaceOption"), "run_as_user": (5, "Int64"),
                 "readonly_rootfs": (7, BOOL), "no_new_privs": (11, BOOL), "run_as_group": (12, "Int64"), "seccomp": (15, "Profile")},
    "ContainerLinux": {"security_context": (2, "Security")},
    "ContainerConfig": {"metadata": (1, "ContainerMetadata"), "image": (2, "Image"), "command": (3, STRING, True), "args": (4, STRING, True),
                        "working_dir": (5, STRING), "envs": (6, "KeyValue", True), "mounts": (7, "Mount", True), "labels": (9, MAP), "annotations": (10, MAP),
                        "log_path": (11, STRING), "linux": (15, "ContainerLinux")},
    "CreateContainerRequest": {"pod_sandbox_id": (1, STRING), "config": (2, "ContainerConfig"), "sandbox_config": (3, "PodConfig")},
    "CreateContainerResponse": {"container_id": (1, STRING)},
    "ContainerRequest": {"container_id": (1, STRING), "timeout": (2, INT)},
    "Status": {"id": (1, STRING), "state": (3, INT), "exit_code": (7, INT), "image_ref": (9, STRING)},
    "ContainerStatusResponse": {"status": (1, "Status")},
    "ExecSyncRequest": {"container_id": (1, STRING), "cmd": (2, STRING, True), "timeout": (3, INT)},
    "ExecSyncResponse": {"stdout": (1, BYTES), "stderr": (2, BYTES), "exit_code": (3, INT)},
    "Empty": {},
}
METHODS = {
    "RunPodSandbox": ("RunPodSandboxRequest", "RunPodSandboxResponse"),
    "StopPodSandbox": ("PodRequest", "Empty"),
    "RemovePodSandbox": ("PodRequest", "Empty"),
    "CreateContainer": ("CreateContainerRequest", "CreateContainerResponse"),
    "StartContainer": ("ContainerRequest", "Empty"),
    "StopContainer": ("ContainerRequest", "Empty"),
    "RemoveContainer": ("ContainerRequest", "Empty"),
    "ContainerStatus": ("ContainerRequest", "ContainerStatusResponse"),
    "ExecSync": ("ExecSyncRequest", "ExecSyncResponse"),
}


def varint(n):
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def chunk(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def write_one(number, kind, value):
    if kind in (INT, BOOL):
        return varint(number << 3) + varint(int(value))
    if kind == STRING:
        return chunk(number, value.encode())
    if kind == MAP:
        return b"".join(chunk(number, chunk(1, k.encode()) + chunk(2, v.encode())) for k, v in sorted(value.items()))
    return chunk(number, write(kind, value))


def write(message, value):
    out = b""
    for name, v in value.items():
        number, kind, *repeated = MESSAGES[message][name]
        for one in v if repeated else [v]:
            out += write_one(number, kind, one)
    return out


def read_varint(data, at):
    n = shift = 0
    while True:
        b = data[at]
        n |= (b & 127) << shift
        at, shift = at + 1, shift + 7
        if b < 128:
            return n, at


def read(message, data):
    names = {row[0]: (name, row[1]) for name, row in MESSAGES[message].items()}
    value, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 2:
            n, at = read_varint(data, at)
            v, at = data[at:at + n], at + n
        elif key & 7 == 0:
            v, at = read_varint(data, at)
        else:
            raise ValueError(f"wire type {key & 7}")
        name, kind = names.get(key >> 3, (None, None))
        if name:
            value[name] = v if kind in (INT, BOOL) else v.decode(errors="replace") if kind in (STRING, BYTES) else read(kind, v)
    return value


def main():
    channel = grpc.insecure_channel("unix:" + sys.argv[1])
    for line in sys.stdin:
        method, request = json.loads(line)
        takes, gives = METHODS[method]
        call = channel.unary_unary(f"/runtime.v1.RuntimeService/{method}", request_serializer=lambda v, m=takes: write(m, v),
                                   response_deserializer=lambda d, m=gives: read(m, d))
        try:
            answer = call(request, timeout=60)
        except grpc.RpcError as e:
            answer = {"error": f"{method}: {e.code().name}: {e.details()}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
