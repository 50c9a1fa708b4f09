"""The environment: read once, all that is wrong named at once, no password shown."""

from dataclasses import fields
from pathlib import Path

import pytest

from service.identity.keyring import Keyring
from service.settings import Settings, SettingsError

SECRET = "hunter2"


def wrong(**environ: str) -> str:
    """The message that refuses this environment."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_env({f"TANHUI_{name}": value for name, value in environ.items()})
    return str(refusal.value)


def test_an_empty_environment_is_the_default_set_up():
    assert Settings.from_env({}) == Settings(
        var_dir=Path.cwd() / "var",
        database_url=None,
        redis_url=None,
        token_key_file=None,
        voucher_key_file=None,
        attestation_key_file=None,
        feed_key_file=None,
        identity_key_file=None,
        identity_keys=None,
        log_dir=Path.cwd() / "var" / "log",
        log_key_file=None,
        log_origin=None,
        token_issuer="tanhui",
        token_audience="tanhui-api",
        public_url="http://127.0.0.1:8000",
        host="127.0.0.1",
        port=8000,
        workers=2,
        review_two_persons_points=2_000,
    )


def test_every_setting_can_be_set(tmp_path):
    (tmp_path / "token.pem").touch()
    (tmp_path / "voucher.key").touch()
    (tmp_path / "feed.key").touch()
    (tmp_path / "identity.keys").touch()
    (tmp_path / "log.pem").touch()
    (tmp_path / "attestation.pem").touch()
    environ = {
        "TANHUI_VAR_DIR": str(tmp_path),
        "TANHUI_DATABASE_URL": "postgresql://me:pa%40ss@db:6432/tanhui?sslmode=verify-full",
        "TANHUI_REDIS_URL": "rediss://:pass@cache:6380/3",
        "TANHUI_TOKEN_KEY_FILE": str(tmp_path / "token.pem"),
        "TANHUI_VOUCHER_KEY_FILE": str(tmp_path / "voucher.key"),
        "TANHUI_FEED_KEY_FILE": str(tmp_path / "feed.key"),
        "TANHUI_IDENTITY_KEY_FILE": str(tmp_path / "identity.keys"),
        "TANHUI_IDENTITY_KEYS": f"k2:{'a' * 64},k1:{'b' * 64},index:{'c' * 64}",
        "TANHUI_ATTESTATION_KEY_FILE": str(tmp_path / "attestation.pem"),
        "TANHUI_LOG_DIR": str(tmp_path / "published"),
        "TANHUI_LOG_KEY_FILE": str(tmp_path / "log.pem"),
        "TANHUI_LOG_ORIGIN": "log.example.cn/2026",
        "TANHUI_TOKEN_ISSUER": "issuer",
        "TANHUI_TOKEN_AUDIENCE": "audience",
        "TANHUI_PUBLIC_URL": "https://example.cn/",
        "TANHUI_HOST": "::1",
        "TANHUI_PORT": "65535",
        "TANHUI_WORKERS": "64",
        "TANHUI_REVIEW_TWO_PERSONS_POINTS": "500",
    }

    found = Settings.from_env(environ)

    assert found == Settings(
        var_dir=tmp_path,
        database_url="postgresql+psycopg://me:pa%40ss@db:6432/tanhui?sslmode=verify-full",
        redis_url="rediss://:pass@cache:6380/3",
        token_key_file=tmp_path / "token.pem",
        voucher_key_file=tmp_path / "voucher.key",
        attestation_key_file=tmp_path / "attestation.pem",
        feed_key_file=tmp_path / "feed.key",
        identity_key_file=tmp_path / "identity.keys",
        identity_keys=Keyring(
            "k2", {"k2": b"\xaa" * 32, "k1": b"\xbb" * 32}, index_key=b"\xcc" * 32
        ),
        log_dir=tmp_path / "published",
        log_key_file=tmp_path / "log.pem",
        log_origin="log.example.cn/2026",
        token_issuer="issuer",
        token_audience="audience",
        public_url="https://example.cn",
        host="::1",
        port=65535,
        workers=64,
        review_two_persons_points=500,
    )
    assert {f"TANHUI_{field.name.upper()}" for field in fields(Settings)} == set(environ)


def test_an_empty_value_is_the_default():
    names = [f"TANHUI_{field.name.upper()}" for field in fields(Settings)]

    assert Settings.from_env(dict.fromkeys(names, "")) == Settings.from_env({})


def test_other_programs_variables_are_none_of_ours():
    others = {"PATH": "/bin", "PGHOST": "db", "tanhui_port": "x", "TANHUI_TEST_DATABASE_URL": "x"}

    assert Settings.from_env(others) == Settings.from_env({})


def test_all_that_is_wrong_is_named_at_once():
    message = wrong(
        DATABASE_URL="mysql://h/x",
        REDIS_URL="http://h",
        TOKEN_KEY_FILE="/nowhere/token.pem",
        VOUCHER_KEY_FILE="/nowhere/voucher.key",
        FEED_KEY_FILE="/nowhere/feed.key",
        LOG_KEY_FILE="/nowhere/log.pem",
        LOG_ORIGIN="a log",
        PUBLIC_URL="example.cn",
        PORT="http",
        WORKERS="0",
        DATABASE="x",
        REDIS_URI="y",
    )

    problems = message.split("; ")
    names = [problem.split()[0].removeprefix("TANHUI_") for problem in problems]
    assert sorted(names) == sorted(
        ["DATABASE_URL", "REDIS_URL", "TOKEN_KEY_FILE", "VOUCHER_KEY_FILE", "FEED_KEY_FILE",
         "LOG_KEY_FILE", "LOG_ORIGIN", "PUBLIC_URL", "PORT", "WORKERS", "DATABASE", "REDIS_URI"]
    )  # fmt: skip


@pytest.mark.parametrize("name", ["DATABSE_URL", "DEBUG", "VAR", "PORTS", "port", ""])
def test_a_name_that_is_no_setting_is_refused(name):
    assert wrong(**{name: "1"}) == f"TANHUI_{name} is not a setting"


@pytest.mark.parametrize("name", ["PORT", "WORKERS"])
@pytest.mark.parametrize(
    "value",
    ["0", "-1", "+5", "1.5", "5e3", "65536", "8_000", " 80", "٣", "0x50", "", "9" * 5_000],
    ids=lambda value: value[:9],
)
def test_a_number_out_of_bounds_or_oddly_written_is_refused(name, value):
    if value:
        assert f"TANHUI_{name} is" in wrong(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", f"mysql://me:{SECRET}@h/x"),
        ("DATABASE_URL", f"sqlite:///{SECRET}"),
        ("DATABASE_URL", f"postgresql:/me:{SECRET}@h"),
        ("DATABASE_URL", f"//me:{SECRET}@h/x"),
        ("DATABASE_URL", f"me:{SECRET}@h/x"),
        ("DATABASE_URL", f"postgresql://me:{SECRET}@h:port/x"),
        ("DATABASE_URL", f"postgresql+psycopg2://me:{SECRET}@h/x"),
        ("DATABASE_URL", SECRET),
        ("REDIS_URL", f"http://:{SECRET}@h/0"),
        ("REDIS_URL", f"redis:/:{SECRET}@h/0"),
        ("REDIS_URL", f"redis://:{SECRET}@h:port/0"),
        ("REDIS_URL", f"redis://:{SECRET}@[::1/0"),
        ("REDIS_URL", f"redis://:{SECRET}@h/0?db=x"),
        ("REDIS_URL", SECRET),
        ("PUBLIC_URL", f"ftp://me:{SECRET}@h"),
        ("PUBLIC_URL", f"https://me:{SECRET}@h:port"),
    ],
)
def test_a_url_that_cannot_be_is_refused_without_showing_its_password(name, value):
    message = wrong(**{name: value})

    assert message.startswith(f"TANHUI_{name} ")
    assert SECRET not in message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_each_way_to_write_the_database_means_the_same_driver(scheme):
    found = Settings.from_env({"TANHUI_DATABASE_URL": f"{scheme}://me:p#/ss@h/x"})

    assert found.database_url == "postgresql+psycopg://me:p#/ss@h/x"


def test_a_folder_is_no_key_file(tmp_path):
    assert "which is no file" in wrong(TOKEN_KEY_FILE=str(tmp_path))


def test_paths_do_not_move_with_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "key").touch()
    monkeypatch.chdir(tmp_path)
    environ = {"TANHUI_VAR_DIR": "data", "TANHUI_VOUCHER_KEY_FILE": "key"}

    found = Settings.from_env(environ)

    assert (found.var_dir, found.voucher_key_file) == (tmp_path / "data", tmp_path / "key")


def test_settings_do_not_change():
    with pytest.raises(AttributeError):
        Settings.from_env({}).port = 1


def test_the_public_url_follows_host_and_port_unless_it_is_set():
    listening = {"TANHUI_HOST": "10.1.2.3", "TANHUI_PORT": "81"}

    assert Settings.from_env(listening).public_url == "http://10.1.2.3:81"
    named = Settings.from_env({**listening, "TANHUI_PUBLIC_URL": "https://example.cn/"})
    assert named.public_url == "https://example.cn"


def test_the_logs_folder_follows_the_data_unless_it_is_set(tmp_path):
    assert Settings.from_env({"TANHUI_VAR_DIR": str(tmp_path)}).log_dir == tmp_path / "log"


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [
        ("https://example.cn/", "example.cn/log"),
        ("http://[::1]:8000", "[::1]:8000/log"),
        (f"https://me:{SECRET}@example.cn:8443/carbon/", "example.cn:8443/carbon/log"),
    ],
)
def test_the_log_is_named_by_its_public_address_without_password(public_url, origin):
    found = Settings.from_env({"TANHUI_PUBLIC_URL": public_url})

    assert (found.log_origin, found.default_log_origin) == (None, origin)


@pytest.mark.parametrize("origin", ["a log", "a+log", "a\tlog"])
def test_an_origin_that_cannot_name_a_key_is_refused(origin):
    assert wrong(LOG_ORIGIN=origin).startswith("TANHUI_LOG_ORIGIN must name the log")
