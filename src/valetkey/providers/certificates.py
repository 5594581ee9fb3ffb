"""The certificates that clients present (RFC 8705): read when a registration is made, looked at when a vault starts."""

from __future__ import annotations

from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.effects import ClientCertificate
    from valetkey.providers.registration import Registration


def read_client_certificate(name: str, given: ClientCertificate, problems: list[str]) -> ClientCertificate:
    """The registration's certificate, read; what is wrong with it goes into `problems`."""
    from valetkey.pem import read_certificate

    try:
        return read_certificate(given)
    except ConfigurationError as error:
        problems += [f"{name}: `client_certificate`: {problem}" for problem in error.problems]
        return given


def ended_certificates(registrations: Mapping[str, Registration], now: float) -> list[str]:
    """A problem for each certificate that is not valid at this time (Unix seconds); a vault does not start with one."""
    problems = []
    for name, registration in registrations.items():
        certificate = getattr(registration.client, "certificate", None)
        if certificate is not None:
            from valetkey.pem import validity_problem

            problem = validity_problem(certificate, now)
            problems += [f"{name}: `client_certificate`: {problem}"] if problem else []
    return problems
