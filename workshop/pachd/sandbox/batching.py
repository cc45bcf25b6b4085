"""NextDatum, the one call of `pachyderm.worker.Worker` that user code makes: gRPC over HTTP/2, nothing but the standard
library, within the sandbox's own loop, so that a batched datum costs neither a thread nor a trip to the daemon.

A client sends NextDatumRequest{error = 1}: how the datum before went ("" = well). It is answered, once the next
datum lies in /pfs, with NextDatumResponse{repeated env = 1}.
"""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK = END_STREAM = 1
END_HEADERS = 4
PADDED, PRIORITY = 8, 32
PATIENCE = 10  # seconds that an answer may take to be read


def _literal(name, value):
    """A header as a literal that no table remembers (RFC 7541 6.2.2), not Huffman-coded."""
    return b"\0" + bytes([len(name)]) + name + _length(len(value)) + value


def _length(size):
    if size < 127:
        return bytes([size])
    out, size = bytearray([127]), size - 127
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    return bytes(out) + bytes([size])


OPENING = b"\x88" + _literal(b"content-type", b"application/grpc")  # 0x88 = ":status: 200" of the static table
GOOD_END = _literal(b"grpc-status", b"0")


def frame(kind, flags, stream, body=b""):
    size = len(body)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream) + body


BEGINNING = frame(HEADERS, END_HEADERS, 0, OPENING)[:5]
ENDING = frame(HEADERS, END_HEADERS | END_STREAM, 0, GOOD_END)[:5]


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def encoded(env):
    """Variables as they stand in a NextDatumResponse; two such texts may be joined."""
    pairs = [f"{name}={value}".encode() for name, value in env.items()]
    return b"".join([b"\x0a" + varint(len(pair)) + pair for pair in pairs])


def error_of(message):
    """Field 1 (text) of a NextDatumRequest in its five-byte gRPC envelope."""
    at, end, text = 5, len(message), ""
    while at < end:
        key, at = _varint(message, at)
        size, at = _varint(message, at)
        if key == 0x0A:
            text = message[at : at + size].decode("utf-8", "replace")
        at += size if key & 7 == 2 else 0
    return text


def _varint(data, at):
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return value, at


class Connection:
    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.buffer = b""
        self.greeted = False
        self.received = 0
        self.bodies = {}

    def fileno(self):
        return self.sock.fileno()

    def readable(self):
        try:
            data = self.sock.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.buffer += data
        if not data or (not self.buffer.startswith(PREFACE[: len(self.buffer)]) and not self.greeted):
            self.server.forget(self)
            return
        if not self.greeted:
            if len(self.buffer) < len(PREFACE):
                return
            self.buffer = self.buffer[len(PREFACE) :]
            self.greeted = True
            self.send(frame(SETTINGS, 0, 0))
        data, at = self.buffer, 0
        while len(data) - at >= 9:
            end = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if len(data) < end:
                break
            stream = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._frame(data[at + 3], data[at + 4], stream, data[at + 9 : end])
            at = end
        self.buffer = data[at:]

    def _frame(self, kind, flags, stream, body):
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, body))
        elif kind == DATA:
            if flags & PADDED:
                body = body[1 : len(body) - body[0]]
            self.bodies[stream] = self.bodies.get(stream, b"") + body
            self.received += len(body)
            if self.received > 16384:  # the client may send 65,535 bytes before it is told that they were read
                self.send(frame(WINDOW, 0, 0, struct.pack(">I", self.received)))
                self.received = 0
            if flags & END_STREAM:
                self.server.asked(self, stream, error_of(self.bodies.pop(stream)))
        elif kind == HEADERS and flags & END_STREAM:
            self.server.asked(self, stream, "")
        elif kind == RESET:
            self.bodies.pop(stream, None)
            self.server.withdrawn(self, stream)

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            self.server.forget(self)

    def answer(self, stream, body):
        """A NextDatumResponse, encoded."""
        message = b"\0" + struct.pack(">I", len(body)) + body
        frames = [frame(DATA, 0, stream, message[at : at + 16384]) for at in range(0, len(message), 16384)]
        number = struct.pack(">I", stream)
        self.send(b"".join((BEGINNING, number, OPENING, *frames, ENDING, number, GOOD_END)))

    def refuse(self, stream, text):
        """An UNKNOWN error with a text."""
        trailers = OPENING + _literal(b"grpc-status", b"2") + _literal(b"grpc-message", text.encode())
        self.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers))


class Server:
    """Listens on a port of its own. At most one call waits: `waiting` is (connection, stream, error) or None."""

    def __init__(self, poller, batching):
        self.poller = poller
        self.batching = batching
        self.waiting: tuple | None = None
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(16)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._connections = {}
        poller.add(self._listener.fileno(), self._accept)

    def _accept(self):
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(True)
        # A client that does not read its answer must not hold up the worker for ever.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(self, sock)
        self._connections[sock.fileno()] = connection
        self.poller.add(sock.fileno(), connection.readable)

    def asked(self, connection, stream, error):
        if not self.batching:
            connection.refuse(stream, "datum batching not enabled")
        elif self.waiting is not None:
            connection.refuse(stream, "another call of NextDatum is waiting already")
        else:
            self.waiting = (connection, stream, error)

    def withdrawn(self, connection, stream):
        if self.waiting is not None and self.waiting[:2] == (connection, stream):
            self.waiting = None

    def answer(self, body):
        if self.waiting is not None:
            connection, stream, _ = self.waiting
            self.waiting = None
            connection.answer(stream, body)

    def forget(self, connection):
        number = connection.sock.fileno()
        if self._connections.pop(number, None) is None:
            return
        self.poller.drop(number)
        connection.sock.close()
        if self.waiting is not None and self.waiting[0] is connection:
            self.waiting = None

    def hang_up(self):
        """Close every connection: the process behind it is gone."""
        for connection in list(self._connections.values()):
            self.forget(connection)
