"""The environment: read once, all that is wrong named at once, no password shown."""

from dataclasses import fields
from pathlib import Path

import pytest

from service.identity.keyring import Keyring
from service.login_settings import LoginSettings
from service.settings import Settings, SettingsError

SECRET = "hunter2"
NAMES = [each.name for each in (*fields(Settings), *fields(LoginSettings)) if each.name != "logins"]


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
        rate_limits=1.0,
        cors_origins=(),
        trusted_proxies=0,
        webhook_private=False,
        top_up_url=None,
        top_up_key_file=None,
        logins=LoginSettings(),
    )


def test_every_setting_can_be_set(tmp_path):
    (tmp_path / "token.pem").touch()
    (tmp_path / "voucher.key").touch()
    (tmp_path / "feed.key").touch()
    (tmp_path / "identity.keys").touch()
    (tmp_path / "log.pem").touch()
    (tmp_path / "attestation.pem").touch()
    (tmp_path / "outside.secret").touch()
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
        "TANHUI_RATE_LIMITS": "2.5",
        "TANHUI_CORS_ORIGINS": "https://app.example.cn, http://localhost:5173",
        "TANHUI_TRUSTED_PROXIES": "2",
        "TANHUI_WEBHOOK_PRIVATE": "on",
        "TANHUI_TOP_UP_URL": "https://top-ups.example.cn/v1",
        "TANHUI_TOP_UP_KEY_FILE": str(tmp_path / "outside.secret"),
        "TANHUI_TERMS_VERSION": "3",
        "TANHUI_TERMS_DIR": str(tmp_path),
        "TANHUI_OPERATOR_NAME": "某市碳普惠中心",
        "TANHUI_OPERATOR_CONTACT": "12345 · privacy@example.cn",
        "TANHUI_SMS_URL": "https://sms.example.cn/send?region=sh",
        "TANHUI_SMS_TOKEN_FILE": str(tmp_path / "outside.secret"),
        "TANHUI_SMS_TEMPLATE": "SMS_1234",
        "TANHUI_WECHAT_URL": "http://127.0.0.1:9000/",
        "TANHUI_WECHAT_APP_ID": "wx0123456789abcdef",
        "TANHUI_WECHAT_SECRET_FILE": str(tmp_path / "outside.secret"),
        "TANHUI_OIDC_ISSUER": "https://login.example.cn/city",
        "TANHUI_OIDC_CLIENT_ID": "tanhui",
        "TANHUI_OIDC_CLIENT_SECRET_FILE": str(tmp_path / "outside.secret"),
        "TANHUI_OIDC_REDIRECT_URLS": "https://app.example.cn/back, cn.example.app:/back",
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
        rate_limits=2.5,
        cors_origins=("https://app.example.cn", "http://localhost:5173"),
        trusted_proxies=2,
        webhook_private=True,
        top_up_url="https://top-ups.example.cn/v1",
        top_up_key_file=tmp_path / "outside.secret",
        logins=LoginSettings(
            terms_version=3,
            terms_dir=tmp_path,
            operator_name="某市碳普惠中心",
            operator_contact="12345 · privacy@example.cn",
            sms_url="https://sms.example.cn/send?region=sh",
            sms_token_file=tmp_path / "outside.secret",
            sms_template="SMS_1234",
            wechat_url="http://127.0.0.1:9000",
            wechat_app_id="wx0123456789abcdef",
            wechat_secret_file=tmp_path / "outside.secret",
            oidc_issuer="https://login.example.cn/city",
            oidc_client_id="tanhui",
            oidc_client_secret_file=tmp_path / "outside.secret",
            oidc_redirect_urls=("https://app.example.cn/back", "cn.example.app:/back"),
        ),
    )
    assert {f"TANHUI_{name.upper()}" for name in NAMES} == set(environ)


def test_an_empty_value_is_the_default():
    names = [f"TANHUI_{name.upper()}" for name in NAMES]

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
        TERMS_VERSION="new",
        SMS_URL="http://sms.example.cn",
        SMS_TOKEN_FILE="/nowhere/sms.token",
        WECHAT_APP_ID="wx0123456789abcdef",
        OIDC_ISSUER="https://login.example.cn",
        OIDC_REDIRECT_URLS="/back",
    )

    problems = message.split("; ")
    names = [problem.split()[0].removeprefix("TANHUI_") for problem in problems]
    assert sorted(names) == sorted(
        ["DATABASE_URL", "REDIS_URL", "TOKEN_KEY_FILE", "VOUCHER_KEY_FILE", "FEED_KEY_FILE",
         "LOG_KEY_FILE", "LOG_ORIGIN", "PUBLIC_URL", "PORT", "WORKERS", "DATABASE", "REDIS_URI",
         "TERMS_VERSION", "SMS_URL", "SMS_TOKEN_FILE", "WECHAT_SECRET_FILE", "OIDC_CLIENT_ID",
         "OIDC_CLIENT_SECRET_FILE", "OIDC_REDIRECT_URLS"]
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


@pytest.mark.parametrize("value", ["0", "-1", "on", "OFF", "1e3", "nan", "inf", "99999", "1.234"])
def test_a_factor_of_the_limits_is_a_plain_number_or_off(value):
    assert wrong(RATE_LIMITS=value).startswith("TANHUI_RATE_LIMITS is")
    assert Settings.from_env({"TANHUI_RATE_LIMITS": "off"}).rate_limits == 0


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://*.example.cn", "https://example.cn/", "https://example.cn/app",
     "example.cn", "https://", "ftp://example.cn", "https://a.cn,", "https://Example.cn",
     "https://.cn", "https://me@a.cn", "https://a.cn:0", "https://[::1]"],
)  # fmt: skip
def test_an_origin_is_exact_and_no_pattern(origin):
    assert wrong(CORS_ORIGINS=f"https://good.example.cn,{origin}").startswith(
        "TANHUI_CORS_ORIGINS: "
    )


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


@pytest.mark.parametrize(
    "url",
    ["http://sms.example.cn", "ftp://127.0.0.1", "//127.0.0.1", "sms.example.cn", "https://",
     "https://sms.example.cn:port", "http://127.0.0.1.example.cn", "https://[::1"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["SMS_URL", "WECHAT_URL", "OIDC_ISSUER", "TOP_UP_URL"])
def test_secrets_are_sent_by_https_or_on_this_machine(name, url):
    assert f"TANHUI_{name} must be an address of https" in wrong(**{name: url})


@pytest.mark.parametrize(
    "url",
    ["http://app.example.cn/back", "javascript:alert(1)", "/back", "https://app.example.cn/#x",
     "data:text/html,x", "app", "https://"],
)  # fmt: skip
def test_a_redirect_leads_to_an_app_of_ours(url):
    message = wrong(OIDC_REDIRECT_URLS=f"https://app.example.cn/back,{url}")

    assert "TANHUI_OIDC_REDIRECT_URLS must be addresses of https" in message


def test_the_gateway_of_top_ups_is_set_up_whole_or_not_at_all(tmp_path):
    (tmp_path / "secret").touch()

    address = wrong(TOP_UP_URL="https://top-ups.example.cn")
    key = wrong(TOP_UP_KEY_FILE=str(tmp_path / "secret"))

    assert address == "TANHUI_TOP_UP_KEY_FILE is missing, which TANHUI_TOP_UP_URL needs"
    assert key == "TANHUI_TOP_UP_URL is missing, which TANHUI_TOP_UP_KEY_FILE needs"


def test_a_way_to_sign_in_is_set_up_whole_or_not_at_all(tmp_path):
    (tmp_path / "secret").touch()

    assert wrong(SMS_URL="https://sms.example.cn").startswith("TANHUI_SMS_TOKEN_FILE is missing")
    assert "TANHUI_WECHAT_APP_ID is missing" in wrong(WECHAT_SECRET_FILE=str(tmp_path / "secret"))
