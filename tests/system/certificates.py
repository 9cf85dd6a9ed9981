"""Certificates for tests, made by the openssl command: authorities, servers, clients, bad ones."""
# SPDX-License-Identifier: Apache-2.0
import subprocess

DAYS = 30


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority:
    """A certificate authority in a directory of its own."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name = directory, name
        self.cert, self.key = directory / f"{name}.crt", directory / f"{name}.key"
        self.n = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", self.key, "-out", self.cert, "-days", DAYS, "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, alternatives="DNS:localhost,IP:127.0.0.1", begin=None, end=None):
        """A Pair; begin and end as YYYYMMDDHHMMSSZ."""
        self.n += 1
        stem = self.directory / f"{name}-{self.n}"
        cert, key, request, extensions = (stem.with_suffix(s) for s in (".crt", ".key", ".csr", ".ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        key.chmod(0o600)
        if begin is None:
            extensions.write_text(f"subjectAltName={alternatives}\n")
            openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                    "-set_serial", self.n + 1, "-days", DAYS, "-extfile", extensions, "-out", cert)
        else:
            self.issue_dated(request, cert, alternatives, begin, end)
        return Pair(cert, key)

    def issue_dated(self, request, cert, alternatives, begin, end):
        """The x509 command takes no dates; the ca command does, and keeps books."""
        (self.directory / "index").write_text("")
        (self.directory / "serial").write_text(f"{self.n + 1:02d}\n")
        settings = self.directory / "ca.cnf"
        settings.write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.directory}/index\n"
            f"serial={self.directory}/serial\nnew_certs_dir={self.directory}\n"
            "default_md=sha256\npolicy=any\nx509_extensions=more\nunique_subject=no\n"
            f"[any]\ncommonName=supplied\n[more]\nsubjectAltName={alternatives}\n")
        openssl("ca", "-batch", "-config", settings, "-cert", self.cert, "-keyfile", self.key,
                "-in", request, "-out", cert, "-startdate", begin, "-enddate", end, "-notext")


class Pair:
    def __init__(self, cert, key):
        self.cert, self.key = cert, key

    def copy_to(self, directory):
        """The files as a service sees them: replaced in one step each."""
        directory.mkdir(exist_ok=True)
        for name, source in (("tls.crt", self.cert), ("tls.key", self.key)):
            fresh = directory / f"{name}.new"
            fresh.write_bytes(source.read_bytes())
            fresh.chmod(0o600)
            fresh.rename(directory / name)
        return Pair(directory / "tls.crt", directory / "tls.key")
