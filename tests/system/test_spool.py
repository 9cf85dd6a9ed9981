"""The verb spool on directories that docs/spool-format.md alone was enough to write."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import fcntl
import json
import subprocess
import time

import pytest

from conftest import BINARY, ROOT, Spangate, stream
from spoolfile import HEAD_BYTES, RECORD_BYTES, SET_ASIDE, Spool, signed, slot

SEGMENT, LOG = 1, 10
PR_CAPBSET_DROP = 24
COLLECT = "skywalking.v3.TraceSegmentReportService/collect"
LOGS = "skywalking.v3.LogReportService/collect"


def run(*arguments, stdin=b""):
    done = subprocess.run([BINARY, "spool", *map(str, arguments)], input=stdin,
                          capture_output=True, timeout=30)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def captured(name="go"):
    """The segments of a capture: 4 bytes of length in front of each."""
    data, out = (ROOT / "tests" / "corpus" / f"{name}.bin").read_bytes(), []
    while data:
        n = int.from_bytes(data[:4], "big")
        out.append(data[4:4 + n])
        data = data[4 + n:]
    return out


SEGMENTS = captured()
LOG_DATA = b"\x12\x08checkout"  # service


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture
def spool(tmp_path):
    """1000..1002 in a closed file, 1003..1004 in an open one; 1000 and 1003 are done."""
    one = Spool(tmp_path / "spool")
    now_ms = int(time.time() * 1000)
    log = {"method": LOG, "payload": LOG_DATA, "key": b"checkout", "received_ms": now_ms - 7300_000}
    one.offsets = one.add(1000, [
        {"method": SEGMENT, "payload": SEGMENTS[0], "received_ms": now_ms - 7400_000},
        {"method": SEGMENT, "payload": SEGMENTS[1], "received_ms": now_ms - 7350_000}, log])
    one.tail = one.add(1003, [(SEGMENT, SEGMENTS[0]), (SEGMENT, b"\xff\xff")], closed=False)
    one.cursor(slot(8, 1001, 1005, [(1003, 1)]), slot(7, 1000, 1004))
    before = files_of(one.path)
    one.changed = False
    yield one
    if not one.changed:
        assert files_of(one.path) == before


def test_ls_counts_by_file_and_method(spool):
    code, out, err = run("ls", "--format", "json", spool.path)
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["open"], told["pid"]) == (False, 0)
    assert told["cursor"] == {"lowest": 1001, "next": 1005, "runs": 1}
    assert told["records"].items() >= {"held": 3, "done": 2, "damaged": 0}.items()
    first, second = told["files"]
    assert first.items() >= {"name": "00000000000003e8", "first": 1000, "last": 1002, "held": 2,
                             "done": 1, "damaged": 0, "closed": True, "error": None}.items()
    assert second.items() >= {"name": "00000000000003eb", "first": 1003, "last": 1004, "held": 1,
                              "done": 1, "closed": False, "bytes": 1 << 20}.items()
    assert told["methods"] == {COLLECT: {"held": 2, "done": 2, "damaged": 0},
                               LOGS: {"held": 1, "done": 0, "damaged": 0}}


def test_ls_is_for_people(spool):
    code, out, _ = run("ls", spool.path)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].endswith(", nobody has it open") and ": 2 files, " in lines[0]
    assert lines[1] == "cursor: all below 1001 done, 1 runs done above it, next 1005"
    assert lines[2].startswith("records: 3 held, 2 done, 0 damaged; the oldest one held came ")
    row = next(line for line in lines if line.startswith("00000000000003e8"))
    assert row.split()[1] == "1000-1002"
    assert row.split()[-6:] == ["2h03m", "2h01m", "2", "1", "0", "closed"]
    assert any(line.split() == ["1", "0", "0", LOGS] for line in lines)


def test_who_has_it_open_is_named(spool):
    with open(spool.path / "LOCK", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert ", open by process 4711\n" in run("ls", spool.path)[1]
        assert "a process has it open" in run("verify", spool.path)[1]
    assert ", nobody has it open\n" in run("ls", spool.path)[1]


def test_without_a_cursor_everything_is_held(spool):
    spool.changed = True
    (spool.path / "cursor").write_bytes(b"\0" * 1000)
    code, out, _ = run("ls", spool.path)
    assert code == 0
    assert "cursor: none, so nothing counts as done\n" in out
    assert "records: 5 held, 0 done, 0 damaged" in out


def test_verify_finds_nothing_in_a_sound_spool(spool):
    assert run("verify", spool.path) == (0, "2 files: 5 records sound, 0 damaged\n", "")
    assert run("verify", "-q", spool.path) == (0, "", "")
    told = json.loads(run("verify", "--format", "json", spool.path)[1])
    assert told["findings"] == []
    assert (told["files"], told["records"]) == (2, 5)


def test_verify_names_file_and_byte(spool):
    spool.changed = True
    name, at = spool.name(1000), spool.offsets
    spool.damage(name, at[1] + RECORD_BYTES + 5)
    code, out, _ = run("verify", spool.path)
    assert code == 1
    assert (f"{name}: byte {at[1]}: the payload of record 1001 (held, {COLLECT}, "
            f"{len(SEGMENTS[1])} bytes) is not what was written; this record is lost\n") in out
    assert out.endswith("2 files: 4 records sound, 1 damaged\n")
    spool.damage(name, at[0] + 20)
    spool.damage(spool.name(1003), 40)
    code, out, _ = run("verify", "--format", "json", spool.path)
    told = json.loads(out)
    assert code == 1
    assert [(f["file"], f["offset"], f["kind"], f["lost"]) for f in told["findings"]] == [
        (name, at[0], "head", 0),  # done before
        (name, at[1], "payload", 1),
        (spool.name(1003), 0, "head", 0)]
    assert (told["records"], told["damaged"]) == (3, 2)


def test_a_torn_end_is_told_and_no_damage(spool):
    spool.changed = True
    spool.damage(spool.name(1003), spool.tail[1] + 30)
    code, out, _ = run("verify", spool.path)
    assert code == 0
    assert (f"{spool.name(1003)}: byte {spool.tail[1]}: the last 50 bytes are a write that was cut "
            "off; it was never acknowledged, nothing is lost\n") in out


@pytest.mark.parametrize("bit", range(0, 8 * (HEAD_BYTES + RECORD_BYTES + 40), 7))
def test_a_flipped_bit_costs_one_record_at_most(spool, bit):
    spool.changed = True
    spool.damage(spool.name(1000), bit // 8, 1 << bit % 8)
    code, out, _ = run("verify", "--format", "json", spool.path)
    told = json.loads(out)
    assert code == 1
    assert told["records"] >= 4
    assert len(told["findings"]) == 1


def test_a_replaced_file_ends_where_the_next_begins(spool):
    spool.changed = True
    spool.add(1003, [(SEGMENT, SEGMENTS[2])] * 3, suffix="-1")
    told = json.loads(run("ls", "--format", "json", spool.path)[1])
    assert [f["held"] + f["done"] for f in told["files"]] == [3, 0, 3]


def test_strangers_are_left_alone(spool):
    spool.changed = True
    newer = bytearray((spool.path / spool.name(1000)).read_bytes())
    (spool.path / "0000000000000001.corrupt").write_bytes(b"x" * 2048)
    (spool.path / "notes.txt").write_bytes(b"x")
    newer[:HEAD_BYTES] = signed(bytes(newer[:8]) + b"\x02\0\0\0" + bytes(newer[12:HEAD_BYTES - 8]))
    (spool.path / spool.name(1000)).write_bytes(newer)
    code, out, _ = run("ls", spool.path)
    assert code == 0
    assert "1 *.corrupt file kept for a look, 2.0 KiB\n" in out
    assert "2 files of others or of another version, left alone\n" in out
    code, out, _ = run("verify", spool.path)
    assert code == 0
    assert "a spool file of a format this version does not know" in out


def test_dump_tells_what_is_held(spool):
    code, out, err = run("dump", spool.path)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [line["sequence"] for line in lines] == [1001, 1002, 1004]
    segment, log, bad = lines
    assert segment["method"] == COLLECT
    assert segment["message"]["traceSegmentId"].encode() in SEGMENTS[1]
    assert (segment["offset"], segment["file"]) == (spool.offsets[1], "00000000000003e8")
    assert log["message"] == {"service": "checkout"}
    assert (log["key"], log["set_aside"], log["state"]) == ("checkout", False, "held")
    assert (bad["hex"], bad["bytes"], "message" in bad) == ("ffff", 2, False)
    assert [json.loads(line)["sequence"] for line in run("dump", "--all", spool.path)[1].splitlines()
            ] == list(range(1000, 1005))


def test_dump_gives_damaged_records_as_bytes(spool):
    spool.changed = True
    spool.damage(spool.name(1000), spool.offsets[2] + RECORD_BYTES)
    code, out, err = run("dump", spool.path)
    assert code == 1
    assert "1 record is damaged; see: spangate spool verify " in err
    assert json.loads(out.splitlines()[1])["state"] == "damaged"
    assert json.loads(out.splitlines()[1])["hex"].endswith(LOG_DATA.hex())


def test_dumped_segments_can_be_linted(tmp_path):
    spool = Spool(tmp_path / "quarantine")
    spool.add(1, [{"method": SEGMENT, "payload": one, "key": b"proto-undecodable",
                   "flags": SET_ASIDE} for one in captured("go-race-corrupt")])
    spool.add(100, [(LOG, LOG_DATA)])
    out = tmp_path / "segments.bin"
    code, _, err = run("dump", "--segments", out, spool.path)
    assert code == 0
    assert "1 record holds no segments, passed over" in err
    assert out.read_bytes() == (ROOT / "tests" / "corpus" / "go-race-corrupt.bin").read_bytes()
    done = subprocess.run([BINARY, "lint", str(out)], capture_output=True, timeout=30)
    assert done.returncode == 1
    assert done.stdout.count(b"[proto-undecodable, proof]") == 3
    piped = subprocess.run([BINARY, "spool", "dump", "--segments", "-", spool.path],
                           capture_output=True, timeout=30)
    assert piped.stdout == out.read_bytes()
    assert all(json.loads(line)["set_aside"] for line in run("dump", spool.path)[1].splitlines()[:-1])


@pytest.mark.parametrize("what", ["ls", "verify", "dump"])
def test_what_is_no_spool_is_exit_66(tmp_path, what):
    (tmp_path / "file").write_bytes(b"")
    assert "holds no spool" in run(what, tmp_path)[2]
    assert "is no directory" in run(what, tmp_path / "file")[2]
    assert "no such file or directory" in run(what, tmp_path / "missing")[2]
    for name in ("", "file", "missing"):
        code, out, _ = run(what, tmp_path / name)
        assert (code, out) == (66, "")


def test_usage(spool):
    code, _, err = run("verfy", spool.path)
    assert code == 64 and 'did you mean "verify"?' in err
    assert run("ls")[0] == 64
    code, _, err = run("ls", "--all", spool.path)
    assert code == 64 and "for spool dump" in err


def without_override():
    """root is held to the rights of files, too: drops CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def test_a_directory_without_rights_is_exit_77(spool):
    spool.path.chmod(0)
    try:
        done = subprocess.run([BINARY, "spool", "ls", str(spool.path)], capture_output=True,
                              timeout=30, preexec_fn=without_override)
    finally:
        spool.path.chmod(0o700)
    assert done.returncode == 77, done.stderr


def test_what_a_killed_service_leaves_is_read(tmp_path):
    """Also while it runs; answered means on disk."""
    spool = tmp_path / "spool"
    gate = Spangate("upstream.addresses=127.0.0.1:9", "buffer.mode=durable", spool=tmp_path)
    try:
        stream(gate.channel(), f"/{COLLECT}", SEGMENTS)
        told = json.loads(run("ls", "--format", "json", spool)[1])
        assert told["records"]["held"] == len(SEGMENTS)
        assert (told["open"], told["pid"]) == (True, gate.process.pid)
    finally:
        gate.process.kill()
        gate.end()
    code, out, _ = run("verify", spool)
    assert (code, out) == (0, f"1 file: {len(SEGMENTS)} records sound, 0 damaged\n")
    out = tmp_path / "segments.bin"
    assert run("dump", "--segments", out, spool)[0] == 0
    assert out.read_bytes() == (ROOT / "tests" / "corpus" / "go.bin").read_bytes()
