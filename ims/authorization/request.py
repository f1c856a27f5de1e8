"""RFC 6749 §4.1.1: the authorization request, filled in by the checks one after another."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.http import QueryDict

from ims import request_uris, response_modes
from ims.models import Client


@dataclass(slots=True)
class AuthorizationRequest:
    """The raw parameters, and what the checks made of them.

    Every member below `parameters` is set by the check that answers for it. Reading one before its
    check has run raises AttributeError: the order of the table is not left to luck.
    """

    parameters: Mapping[str, tuple[str, ...]]

    client: Client = field(init=False)
    redirect_uri: str = field(init=False)
    code_challenge: str = field(init=False)
    dpop_jkt: str = field(init=False)
    nonce: str = field(init=False)
    scopes: tuple[str, ...] = field(init=False)
    resources: tuple[str, ...] = field(init=False)
    # The words of the registry for each scope of a protected resource.
    scope_descriptions: Mapping[str, str] = field(init=False)
    prompts: frozenset[str] = field(init=False)
    max_age_seconds: int | None = field(init=False)
    # OpenID Connect Core §3.1.2.1: in the order of preference; one of `essential_acrs` must be met.
    acr_values: tuple[str, ...] = field(init=False)
    essential_acrs: tuple[str, ...] = field(init=False)
    # The names of the claims asked for (§5.5), by where they are wanted.
    requested_claims: Mapping[str, tuple[str, ...]] = field(init=False)
    # RFC 8693 §4.4: the only parties that may act for the person; None: not said.
    may_act: tuple[str, ...] | None = field(init=False)
    expected_subject: str = field(init=False)

    def value(self, name: str) -> str:
        """Return the parameter, or an empty string; the first where it is (wrongly) repeated."""
        return self.parameters.get(name, ("",))[0]

    @property
    def is_pushed(self) -> bool:
        """Whether the client pushed it (RFC 9126): only then it keeps a name of ours."""
        return request_uris.is_ours(self.value("request_uri"))

    @property
    def response_mode(self) -> str:
        """How the answer travels, errors too; `query` where the request is unclear about it."""
        values = self.parameters.get("response_mode", ())
        asked = values[0] if len(values) == 1 else ""
        is_possible = response_modes.is_possible(asked, redirect_uri=self.redirect_uri)
        return asked if is_possible else response_modes.QUERY

    @property
    def state(self) -> str:
        """The client's own value, to be returned as it came; none where it is ambiguous."""
        values = self.parameters.get("state", ())
        return values[0] if len(values) == 1 else ""


def read_parameters(query: QueryDict) -> dict[str, tuple[str, ...]]:
    """Return every parameter that has a value.

    RFC 6749 §3.1: parameters sent without a value are treated as if they were omitted.
    """
    given = ((name, tuple(text for text in values if text)) for name, values in query.lists())
    return {name: values for name, values in given if values}
