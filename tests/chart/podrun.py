"""Becomes the process of a pod: an image that cannot be written, the pod's volumes, its user, no rights."""
# SPDX-License-Identifier: Apache-2.0
# usage, as root in a mount namespace of its own (unshare --mount, with --net where "own_network"):
#   podrun.py SPEC     SPEC is JSON: root, binary, volumes [[source, path, is_read_only]], files {path: text},
#                      user, group, arguments, environment, own_network
# The image is /usr of this machine and the binary as /usr/local/bin/spangate would be in one.
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys

PR_SET_NO_NEW_PRIVS = 38
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def bind(source, target, is_read_only):
    mount("--bind", source, target)
    if is_read_only:
        mount("-o", "remount,ro,bind", target)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(s, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def make_image(root, spec):
    mount("-t", "tmpfs", "-o", "mode=755,size=1m", "none", root)
    for name in ("usr", "proc", "dev", "etc", "tmp"):
        os.mkdir(f"{root}/{name}")
    bind("/usr", f"{root}/usr", True)
    mount("--rbind", "/proc", f"{root}/proc")
    for name in ("lib", "lib64", "bin"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            os.mkdir(f"{root}/{name}")
            bind(f"/{name}", f"{root}/{name}", True)
    for path, text in {"/etc/nsswitch.conf": "hosts: files\n", "/spangate": "", "/dev/null": "", **spec["files"]}.items():
        with open(root + path, "w") as file:
            file.write(text)
    bind("/dev/null", f"{root}/dev/null", False)
    bind(spec["binary"], f"{root}/spangate", True)


def main():
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    root = spec["root"]
    if spec["own_network"]:
        loopback_up()
    make_image(root, spec)
    for source, path, is_read_only in spec["volumes"]:
        os.makedirs(root + path)
        bind(source, root + path, is_read_only)
    mount("-o", "remount,ro", root)
    os.chroot(root)
    os.chdir("/")
    os.setgroups([spec["group"]])
    os.setgid(spec["group"])
    os.setuid(spec["user"])  # takes all capabilities away
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("no_new_privs is refused")
    os.execve("/spangate", ["spangate", *spec["arguments"]], spec["environment"])


main()
