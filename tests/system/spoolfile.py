"""Writes a spool's directory as docs/spool-format.md describes it, with no code of the product."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import ctypes.util
import struct

UUID = bytes(range(16, 32))
SET_ASIDE, EDITED, FOOTER = 1 << 0, 1 << 1, 1 << 14
FILE_BYTES = 1 << 20
HEAD_BYTES, RECORD_BYTES, SLOT_BYTES = 64, 48, 64 * 1024

_library = ctypes.CDLL(ctypes.util.find_library("xxhash"))
_library.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_library.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


def checksum(data, seed=0):
    return _library.XXH3_64bits_withSeed(data, len(data), seed)


SEED = checksum(UUID)


def signed(data, seed=0):
    """The data and its checksum."""
    return data + struct.pack("<Q", checksum(data, seed))


def file_head(base, created_ms=1000):
    return signed(b"SPGSPOOL" + struct.pack("<II16sQqQ", 1, 0, UUID, base, created_ms, 0))


def record(sequence, method, payload, key=b"", flags=0, received_ms=1000):
    data = key + payload
    head = b"SPGR" + struct.pack("<HHIIQqQ", method, flags, len(payload), len(key), sequence,
                                 received_ms, checksum(data, SEED))
    data = signed(head, SEED) + data
    return data + bytes(-len(data) % 8)


def footer(sequence):
    return record(sequence, 0, b"", flags=FOOTER, received_ms=0)


def slot(epoch, lowest, following, runs=()):
    data = b"SPG_CUSR" + struct.pack("<QQQII", epoch, lowest, following, len(runs), 0)
    data += b"".join(struct.pack("<QQ", first, n) for first, n in runs)
    return signed(data, SEED).ljust(SLOT_BYTES, b"\0")


class Spool:
    """A directory whose files are put down one by one."""

    def __init__(self, path, pid=4711):
        self.path = path
        path.mkdir(exist_ok=True)
        (path / "LOCK").write_bytes(signed(b"SPGLOCK1" + UUID) + f"{pid}\n".encode())

    def add(self, base, records, closed=True, suffix=""):
        """records: tuples (method, payload) or dictionaries for record(); gives their offsets."""
        data, offsets = file_head(base), []
        for i, one in enumerate(records):
            one = one if isinstance(one, dict) else {"method": one[0], "payload": one[1]}
            offsets.append(len(data))
            data += record(base + i, **one)
        data += footer(base + len(records)) if closed else b""
        if not closed:
            data = data.ljust(FILE_BYTES, b"\0")
        (self.path / self.name(base, suffix)).write_bytes(data)
        return offsets

    @staticmethod
    def name(base, suffix=""):
        return f"{base:016x}{suffix}"

    def cursor(self, *slots):
        (self.path / "cursor").write_bytes(b"".join(slots).ljust(2 * SLOT_BYTES, b"\0"))

    def damage(self, name, offset, mask=0x10):
        data = bytearray((self.path / name).read_bytes())
        data[offset] ^= mask
        (self.path / name).write_bytes(data)
