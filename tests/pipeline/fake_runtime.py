# SPDX-License-Identifier: Apache-2.0
"""A server that speaks as much of Docker's API as saker asks for; what it answers is its heirs' affair."""
import json
import socket
import struct
import threading


class UnixServer:
    """Each connection to its socket has a thread. peers: uids of who connected."""

    def __init__(self, path):
        self.peers = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, _ = self.server.accept()
            except OSError:
                return
            self.peers.append(struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        """To be given."""
        raise NotImplementedError

    def close(self):
        self.server.close()


class FakeRuntime(UnixServer):
    """asked: the first lines of all requests; streams: connections that wait for reports."""

    def __init__(self, path):
        self.asked, self.streams = [], []
        super().__init__(path)

    def _serve(self, c):
        try:
            while True:
                request = b""
                while b"\r\n\r\n" not in request:
                    part = c.recv(65536)
                    if not part:
                        return
                    request += part
                line = request.split(b"\r\n")[0].decode()
                self.asked.append(line)
                if "/events" in line:
                    c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    self.streams.append(c)
                    return
                if not self.answer(c, line.split(" ")[1]):
                    return
        except OSError:
            pass

    def answer(self, c, path):
        """To be given. False: the connection ends."""
        raise NotImplementedError

    @staticmethod
    def send(c, body, status="200 OK"):
        c.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(body)) + body)

    def report(self, action, ident, **attributes):
        line = json.dumps({"Type": "container", "Action": action, "Actor": {"ID": ident, "Attributes": attributes}}).encode() + b"\n"
        for c in self.streams:
            try:
                c.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            except OSError:
                pass
