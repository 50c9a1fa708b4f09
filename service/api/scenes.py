"""Scenes: what residents may take part in and consent to; operators suspend and end them."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from activities.consents import open_consents, text_of
from activities.errors import UnknownScene
from activities.models import Consent
from activities.scene_steps import Asked, end, suspend
from activities.scenes import ENDED, SUSPENDED, Standing, programme_of, standing, standings
from service.admin import objects
from service.admin.objects import acting_on
from service.api.resources import Blueprint
from service.api.wire import Instant, Line
from service.auth import actor, caller, own_holder_id, requires
from service.authorisation import LISTED, SCENE, WHOLE_SCENE, only_programme
from service.services import services

bp = Blueprint("scenes", __name__, url_prefix="/v1/scenes", description="场景 · Scenes")
_STEPS = {SUSPENDED: ("scene.suspend", suspend), ENDED: ("scene.end", end)}


class SceneResponse(Schema):
    code = fields.String()
    programme = fields.String()
    partner = fields.String()
    name_zh = fields.String()
    name_en = fields.String()
    behaviour = fields.String()
    behaviour_zh = fields.String()
    behaviour_en = fields.String()
    status = fields.String(metadata={"description": "draft, approved, suspended or ended, now"})
    open = fields.Boolean(metadata={"description": "whether acts that start now count"})
    approved_from = fields.Date(metadata={"description": "first day, in the programme's zone"})
    approved_to = fields.Date(metadata={"description": "end, exclusive"})
    exclusions = fields.String(
        allow_none=True, metadata={"description": "other schemes in which the act must not count"}
    )
    consent_text_version = fields.Integer(
        allow_none=True, metadata={"description": "of the text to consent to; null: none is asked"}
    )
    consented = fields.Boolean(
        allow_none=True,
        metadata={
            "description": "whether I consent to this text now; null: none is asked, or not a"
            " resident's question"
        },
    )


class ScenesResponse(Schema):
    scenes = fields.List(fields.Nested(SceneResponse))


class ConsentTextResponse(Schema):
    scene = fields.String()
    version = fields.Integer(metadata={"description": "what a consent's `text_version` names"})
    text_zh = fields.String(
        allow_none=True,
        metadata={
            "description": "lines are paragraphs, without marks; null: this text was not recorded"
        },
    )
    text_en = fields.String(allow_none=True)


class SceneStatusRequest(Schema):
    effective_at = Instant(
        required=True, metadata={"description": "from when on; five minutes ago at the earliest"}
    )
    status = fields.String(required=True, validate=validate.OneOf(tuple(_STEPS)))
    reason = Line(length_max=500, required=True)


class SceneChangeResponse(Schema):
    scene = fields.String(attribute="scene_code")
    effective_at = fields.AwareDateTime(format="iso")
    status = fields.String(attribute="status")
    approved_to = fields.Date(
        allow_none=True, metadata={"description": "a new end, exclusive, of an extension"}
    )
    actor = fields.String()
    approved_by = fields.String(allow_none=True)
    reason = fields.String()
    recorded_at = fields.AwareDateTime(format="iso")


class SceneChangesResponse(Schema):
    changes = fields.List(fields.Nested(SceneChangeResponse))


@bp.route("")
class Scenes(MethodView):
    @requires("resident", "volunteer", "operator", "auditor", within=LISTED, acting="read")
    @bp.response(200, ScenesResponse)
    def get(self) -> dict[str, Any]:
        """The scenes of my programme and whether I consent; for staff those of their grant."""
        now = datetime.now(UTC)

        def told(session: Session) -> list[dict[str, Any]]:
            programme, consents = _resident(session)
            found = standings(session, now=now, programme_code=programme)
            return [_told(each, consents) for each in found]

        return {"scenes": services().database.transact(told)}


@bp.route("/<string:code>")
class OneScene(MethodView):
    @requires("resident", "volunteer", "operator", "auditor", within=SCENE, acting="read")
    @bp.response(200, SceneResponse)
    def get(self, code: str) -> Any:
        """One scene as it stands now."""
        now = datetime.now(UTC)

        def told(session: Session) -> dict[str, Any]:
            return _told(*_standing(session, code, now=now))

        return services().database.transact(told)


@bp.route("/<string:code>/consent-texts/<int:version>")
class OneConsentText(MethodView):
    @requires("resident", "volunteer", "operator", "auditor", within=SCENE, acting="read")
    @bp.response(200, ConsentTextResponse)
    def get(self, code: str, version: int) -> dict[str, Any]:
        """What is agreed to by a consent of this `text_version`; older ones stay readable."""
        now = datetime.now(UTC)

        def told(session: Session) -> dict[str, Any]:
            found = text_of(session, _standing(session, code, now=now)[0].scene, version)
            return {
                "scene": code,
                "version": version,
                "text_zh": found and found.text_zh,
                "text_en": found and found.text_en,
            }

        return services().database.transact(told)


@bp.route("/<string:code>/changes")
class SceneChanges(MethodView):
    @requires("operator", "auditor", within=SCENE)
    @bp.response(200, SceneChangesResponse)
    def get(self, code: str) -> dict[str, Any]:
        """What became of a scene and what is recorded for later, the earliest first."""
        now = datetime.now(UTC)
        found = services().database.transact(lambda session: standing(session, code, now=now))
        return {"changes": found.changes}


@bp.route("/<string:code>/status")
class SceneStatus(MethodView):
    @requires("operator", within=WHOLE_SCENE)
    @bp.arguments(SceneStatusRequest)
    @bp.response(200, SceneChangeResponse)
    def put(self, body: dict[str, Any], code: str) -> Any:
        """Suspend or end a scene. To open or extend one takes two persons: `tanhui scenes`.

        Acts that start from then on are refused; what was granted before stays. The same change
        again is a retry.
        """
        now, who = datetime.now(UTC), actor()
        asked = Asked(body["effective_at"], who.name, body["reason"])
        what, step = _STEPS[body["status"]]
        return services().database.transact(
            lambda session: acting_on(
                session,
                who,
                what,
                objects.scene(session, code, asked, now=now),
                lambda: step(session, code, asked, now=now),
                now=now,
            )
        )


def _resident(session: Session) -> tuple[str | None, dict[str, Consent] | None]:
    """Programme and open consents of a resident who calls; for staff their grant's programme (None:
    all) and no consents.
    """
    if (holder_id := own_holder_id()) is None:
        return only_programme(caller()), None
    return programme_of(session, holder_id), open_consents(session, holder_id)


def _standing(
    session: Session, code: str, *, now: datetime
) -> tuple[Standing, dict[str, Consent] | None]:
    """One scene of the caller's programme, with their consents; raises UnknownScene."""
    programme, consents = _resident(session)
    found = standing(session, code, now=now)
    if programme not in (None, found.scene.programme_code):
        raise UnknownScene(code)
    return found, consents


def _told(found: Standing, consents: dict[str, Consent] | None) -> dict[str, Any]:
    scene, behaviour = found.scene, found.behaviour
    consented = None
    if consents is not None and scene.consent_version is not None:
        own = consents.get(scene.code)
        consented = own is not None and own.text_version == scene.consent_version
    return {
        "code": scene.code,
        "programme": scene.programme_code,
        "partner": scene.partner_code,
        "name_zh": scene.name_zh,
        "name_en": scene.name_en,
        "behaviour": behaviour.code,
        "behaviour_zh": behaviour.name_zh,
        "behaviour_en": behaviour.name_en,
        "status": found.status,
        "open": found.open,
        "approved_from": scene.approved_from,
        "approved_to": found.approved_to,
        "exclusions": scene.exclusions,
        "consent_text_version": scene.consent_version,
        "consented": consented,
    }
