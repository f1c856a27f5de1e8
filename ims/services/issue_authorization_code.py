"""Issue an authorization code (RFC 6749 §4.1.2)."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ims import conf
from ims.audit.events import Event
from ims.authorization.authentication import Authentication
from ims.authorization.request import AuthorizationRequest
from ims.models import AuthorizationCode, Grant
from ims.services.record_audit_event import record_audit_event
from wire import bearer


@transaction.atomic
def issue_authorization_code(
    *, request: AuthorizationRequest, authentication: Authentication
) -> str:
    """Return a code for what `request` asked and the person allowed; it lives one minute.

    The grant keeps the authentication event, so that every token made from it tells the same.
    """
    grant = Grant.objects.create(
        client=request.client,
        user=authentication.user,
        scopes=list(request.scopes),
        resources=list(request.resources),
        authenticated_at=authentication.at,
        acr=authentication.tell_acr(request.essential_acrs),
        amr=list(authentication.amr),
        requested_claims={where: list(names) for where, names in request.requested_claims.items()},
        may_act=None if request.may_act is None else list(request.may_act),
    )
    record_audit_event(
        event=Event.AUTHORIZATION_GRANTED,
        client_id=request.client.client_id,
        subject=str(authentication.user.subject),
        detail={"grant": str(grant.pk), "scopes": grant.scopes, "resources": grant.resources},
    )
    code = bearer.mint(bearer.Prefix.AUTHORIZATION_CODE)
    AuthorizationCode.objects.create(
        digest=bearer.digest(code),
        grant=grant,
        client=request.client,
        redirect_uri=request.redirect_uri,
        code_challenge=request.code_challenge,
        nonce=request.nonce,
        dpop_jkt=request.dpop_jkt,
        expires_at=timezone.now() + timedelta(seconds=conf.AUTHORIZATION_CODE_TTL_SECONDS),
    )
    return code
