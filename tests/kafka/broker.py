"""A real Kafka broker (KRaft, one node, all on loopback), and kcat to read what it has."""
# SPDX-License-Identifier: Apache-2.0
import base64
import pathlib
import shutil
import socket
import subprocess
import tempfile
import uuid

from system_conftest import ROOT, wait_until

JARS = ROOT / "build" / "kafka" / "jars"
START_S = 60
USER, PASSWORD = "spangate", "it-is-secret"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SECURE://127.0.0.1:{secure}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={keystore}
listener.name.secure.sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_{user}="{password}";
log.dirs={directory}/data
num.partitions=3
offsets.topic.replication.factor=1
auto.create.topics.enable=true
message.max.bytes=300000
"""


def free_ports(n):
    """Ports the system picks; they stay the broker's when it starts again."""
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Record:
    def __init__(self, key, value):
        self.key, self.value = key, value


class Broker:
    def __init__(self, keystore):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="spangate-kafka-"))
        self.plain, self.secure, controller = free_ports(3)
        self.properties = self.directory / "server.properties"
        self.properties.write_text(PROPERTIES.format(
            plain=self.plain, secure=self.secure, controller=controller, keystore=keystore,
            user=USER, password=PASSWORD, directory=self.directory))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.properties))
        self.process = None
        self.start()

    def command(self, name, *arguments):
        return ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", name, *arguments]

    def java(self, name, *arguments):
        done = subprocess.run(self.command(name, *arguments), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def address(self):
        return f"127.0.0.1:{self.plain}"

    @property
    def secure_address(self):
        return f"127.0.0.1:{self.secure}"

    def log(self):
        return (self.directory / "log").read_text()

    def start(self):
        with open(self.directory / "log", "a") as log:
            self.process = subprocess.Popen(
                self.command("kafka.Kafka", str(self.properties)), stdout=log, stderr=log)
        wait_until(self.answers, "a broker that answers", START_S)

    def answers(self):
        assert self.process.poll() is None, self.log()
        return subprocess.run(["kcat", "-b", self.address, "-L", "-m", "1"],
                              capture_output=True).returncode == 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def read(self, topic):
        """All records of a topic, as kcat sees them."""
        done = subprocess.run(
            ["kcat", "-b", self.address, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
             "-f", "%K %S\n%k%s\n"], capture_output=True)
        assert done.returncode == 0, done.stderr
        out, at = [], 0
        while at < len(done.stdout):
            end = done.stdout.index(b"\n", at)
            n_key, n_value = (int(n) for n in done.stdout[at:end].split())
            at = end + 1
            key = done.stdout[at:at + n_key] if n_key >= 0 else None
            at += max(n_key, 0)
            out.append(Record(key, done.stdout[at:at + n_value]))
            at += n_value + 1
        return out
