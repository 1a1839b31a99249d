"""A real PostgreSQL for the tests of the ledger: started once on loopback, one schema per test, ended with the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
FOUND = next((str(b) for b in BINARIES if (b / "initdb").exists()), os.path.dirname(shutil.which("initdb") or ""))


class Postgres:
    """One server in a folder of its own; it listens on loopback only."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres")
        data = self.folder / "data"
        self._call(f"{FOUND}/initdb", "-D", data, "-U", "ledger", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off -c max_connections=300"
        self._call(f"{FOUND}/pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "-o", options, "start")

    def stop(self):
        """End the server and remove its folder."""
        self._call(f"{FOUND}/pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, schema):
        """Return the DSN of a new schema."""
        import psycopg

        with psycopg.connect(self._plain(), autocommit=True) as connection:
            connection.execute(f'CREATE SCHEMA "{schema}"')
        return f"{self._plain()}?options={quote(f'-csearch_path={schema}')}"

    def _plain(self):
        return f"postgresql://ledger@127.0.0.1:{self.port}/postgres"

    def _call(self, *command):
        extra = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            extra = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [str(part) for part in command], check=False, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **extra
        )
        if done.returncode:
            sys.stderr.write(done.stderr)
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-500:]}")
