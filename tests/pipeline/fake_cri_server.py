# SPDX-License-Identifier: Apache-2.0
"""tests/pipeline/fake_cri.py as a process of its own."""
import json
import os
import subprocess
import threading
import time

from harness import SANITIZED, fail, skip


class FakeCri:
    """tests/pipeline/fake_cri.py; asked: its lines."""

    def __init__(self, socket, *calls):
        if subprocess.run(["/usr/bin/python3", "-c", "import grpc"], capture_output=True).returncode:
            skip("python3-grpcio is not installed")
        self.asked = []
        self.proc = subprocess.Popen(["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_cri.py"), socket, *calls], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        threading.Thread(target=lambda: [self.asked.append(x.strip()) for x in self.proc.stdout], daemon=True).start()
        self.wait("ready")

    def tell(self, *command):
        self.proc.stdin.write(json.dumps(command) + "\n")
        self.proc.stdin.flush()

    def wait(self, line, count=1, seconds=10, after=0):
        end = time.monotonic() + seconds * (10 if SANITIZED else 1)
        while self.asked[after:].count(line) < count:
            if time.monotonic() > end or self.proc.poll() is not None:
                fail(f"not asked '{line}' {count} times in {seconds} s: {self.asked[-20:]}")
            time.sleep(0.01)

    def close(self):
        self.proc.kill()
        self.proc.wait()
