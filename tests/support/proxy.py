"""A TCP relay that does to connections what networks do: delay, throttle, stall, swallow, flip, cut.

Faults are changed at any time from any thread and hold for the connections there are and all to
come; up is towards the target, down comes back from it.
"""
# SPDX-License-Identifier: Apache-2.0
import asyncio
import collections
import contextlib
import random
import socket
import struct
import threading

CHUNK = 256 * 1024
QUEUE_BYTES = 1 << 20  # read and not yet written, of one direction of one connection


class Faults:
    """What happens to the bytes of one direction."""

    def __init__(self):
        self.delay_s = 0.0
        self.bytes_per_s = 0  # 0: as fast as it goes
        self.stalled = False  # nothing moves; the sender's window closes
        self.swallowing = False  # bytes are taken and vanish: half-open
        self.flips_per_mib = 0.0
        self.n_bytes = 0  # relayed so far
        self.n_flipped = 0


class Pump:
    """One direction of one connection: a reader, a queue of (due time, bytes), a writer."""

    def __init__(self, relay, source, sink, faults, cut_after):
        self.relay, self.source, self.sink, self.faults = relay, source, sink, faults
        self.left = cut_after  # None: no cut
        self.queue, self.n_queued = collections.deque(), 0
        self.moved = asyncio.Event()

    async def wait(self, condition):
        while not condition():
            self.moved.clear()
            await self.moved.wait()

    async def read(self):
        loop = asyncio.get_running_loop()
        data = b"more"
        while data:
            await self.wait(lambda: self.n_queued < QUEUE_BYTES)
            try:
                data = await loop.sock_recv(self.source, CHUNK)
            except OSError:
                self.relay.cut_one(self.source, "rst")
                return
            if data and self.faults.swallowing:
                continue
            self.queue.append((loop.time() + self.faults.delay_s, data))
            self.n_queued += len(data)
            self.moved.set()

    async def write(self):
        loop = asyncio.get_running_loop()
        while True:
            await self.wait(lambda: self.queue and not self.faults.stalled)
            due, data = self.queue.popleft()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            if not data:
                with contextlib.suppress(OSError):
                    self.sink.shutdown(socket.SHUT_WR)
                return
            try:
                is_cut = await self.send(data)
            except OSError:
                is_cut = True
                self.relay.cut_one(self.source, "rst")
            if is_cut:
                return
            self.n_queued -= len(data)
            self.moved.set()

    async def send(self, data):
        """True when that was the end of the connection."""
        data = self.flip(data)
        cut = self.left is not None and len(data) >= self.left
        if cut:
            data = data[:self.left]
        elif self.left is not None:
            self.left -= len(data)
        # A slow line delivers bit by bit.
        step = max(1, self.faults.bytes_per_s // 50) if self.faults.bytes_per_s else len(data)
        for at in range(0, len(data), step or 1):
            piece = data[at:at + step]
            await asyncio.get_running_loop().sock_sendall(self.sink, piece)
            self.faults.n_bytes += len(piece)
            if self.faults.bytes_per_s:
                await asyncio.sleep(len(piece) / self.faults.bytes_per_s)
        if cut:
            self.relay.n_cuts += 1
            self.relay.cut_one(self.source, self.relay.cut_how)
        return cut

    def flip(self, data):
        chance = self.faults.flips_per_mib * len(data) / (1 << 20)
        n = int(chance) + (self.relay.random.random() < chance % 1)
        if n == 0:
            return data
        data = bytearray(data)
        for _ in range(n):
            data[self.relay.random.randrange(len(data))] ^= 1 << self.relay.random.randrange(8)
        self.faults.n_flipped += n
        return bytes(data)


class Connection:
    def __init__(self, agent, server, pumps):
        self.agent, self.server, self.pumps = agent, server, pumps
        self.tasks = []


class FaultProxy:
    """Relays 127.0.0.1:port to the target; runs in a thread of its own until close."""

    def __init__(self, target, seed=1):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.up, self.down = Faults(), Faults()
        self.random = random.Random(seed)
        self.connections = []
        self.cuts_left, self.cut_range, self.cut_how, self.n_cuts = 0, (0, 0), "rst", 0
        self.n_connections = 0
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.listener = self.accepting = None
        self.run(self.open())

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    # What tests call.

    def set(self, direction="both", **faults):
        """set("up", stalled=True); set(delay_s=0.1)."""
        async def change():
            for one in {"both": (self.up, self.down), "up": (self.up,), "down": (self.down,)}[direction]:
                for name, value in faults.items():
                    assert hasattr(one, name), name
                    setattr(one, name, value)
            for connection in self.connections:
                for pump in connection.pumps:
                    pump.moved.set()
        self.run(change())

    def heal(self):
        self.set(delay_s=0.0, bytes_per_s=0, stalled=False, swallowing=False, flips_per_mib=0.0)

    def cut(self, how="rst"):
        """All connections there are: "rst" as a host that died, "fin" as a process that ended."""
        async def each():
            for connection in list(self.connections):
                self.cut_one(connection.agent, how)
        self.run(each())

    def cut_after(self, n_times, least, most, how="rst"):
        """New connections are cut after so many bytes upwards, n_times in all."""
        self.cuts_left, self.cut_range, self.cut_how = n_times, (least, most), how

    def refuse(self):
        """Cuts all, and nobody listens any more."""
        async def stop():
            self.accepting.cancel()
            self.listener.close()
            self.listener = None
        if self.listener:
            self.run(stop())
        self.cut()

    def accept(self):
        if not self.listener:
            self.run(self.open())

    def close(self):
        if not self.loop.is_running():
            return
        self.refuse()
        self.run(self.rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(20)
        self.loop.close()

    # In the thread.

    @staticmethod
    async def rest():
        """Until all cancelled tasks have ended."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.accepting = self.loop.create_task(self.take_all())

    async def take_all(self):
        while True:
            agent, _ = await self.loop.sock_accept(self.listener)
            server = socket.socket()
            server.setblocking(False)
            try:
                await self.loop.sock_connect(server, self.target)
            except OSError:
                self.hang_up(agent, "rst")
                self.hang_up(server, "rst")
                continue
            for one in (agent, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.relay(agent, server)

    def relay(self, agent, server):
        cut_after = None
        if self.cuts_left > 0:
            self.cuts_left -= 1
            cut_after = self.random.randint(*self.cut_range)
        self.n_connections += 1
        pumps = [Pump(self, agent, server, self.up, cut_after),
                 Pump(self, server, agent, self.down, None)]
        connection = Connection(agent, server, pumps)
        self.connections.append(connection)
        tasks = [self.loop.create_task(work) for pump in pumps for work in (pump.read(), pump.write())]
        connection.tasks = tasks
        for task in tasks:
            task.add_done_callback(lambda _: self.end_if_over(connection))

    def end_if_over(self, connection):
        """Both directions ended in order."""
        if connection in self.connections and all(task.done() for task in connection.tasks):
            self.cut_one(connection.agent, "fin")

    def cut_one(self, end, how):
        for connection in list(self.connections):
            if end in (connection.agent, connection.server):
                self.connections.remove(connection)
                for task in connection.tasks:
                    if task is not asyncio.current_task():
                        task.cancel()
                # After the tasks have left the sockets.
                self.loop.call_soon(self.hang_up, connection.agent, how)
                self.loop.call_soon(self.hang_up, connection.server, how)

    @staticmethod
    def hang_up(end, how):
        with contextlib.suppress(OSError):
            if how == "rst":
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
