"""Passkeys (WebAuthn level 3): what a browser is asked for, and whether what it answers is true.

A passkey asks for a finger, a face or a PIN, so it is two factors in itself.
"""

import json
import re
from ipaddress import ip_address
from typing import Any

import webauthn
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    encode_cbor,
    options_to_json_dict,
    parse_cbor,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from ..models import Passkey, User

CHALLENGE = "challenge"
MAX_PASSKEYS = 20
MAX_ANSWER = 16_000  # Characters; a browser's answer has some 1,000.
# What the library raises for an answer that no browser gives.
FALSE = (WebAuthnException, ValueError, LookupError, TypeError, AttributeError, RecursionError)
REQUIRED = UserVerificationRequirement.REQUIRED


def find_rp_id(request: HttpRequest) -> str:
    """Return the name that passkeys belong to, or "" for an address, which can have none."""
    host = split_domain_port(request.get_host())[0]
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return host
    return ""


def ask_to_create(request: HttpRequest, user: User) -> dict[str, Any]:
    """Return the options for a browser to make a passkey; remember the challenge."""
    options = webauthn.generate_registration_options(
        rp_id=find_rp_id(request),
        rp_name="Likeness",
        user_name=user.username,
        user_id=salted_hmac("profiles.passkeys", str(user.pk), algorithm="sha256").digest(),
        exclude_credentials=describe_passkeys(user),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=REQUIRED
        ),
    )
    request.session[CHALLENGE] = bytes_to_base64url(options.challenge)
    return options_to_json_dict(options)


def ask_to_use(request: HttpRequest, user: User | None) -> dict[str, Any]:
    """Return the options for a browser to use a passkey, anybody's if `user` is None."""
    options = webauthn.generate_authentication_options(
        rp_id=find_rp_id(request),
        allow_credentials=describe_passkeys(user) if user else None,
        user_verification=REQUIRED,
    )
    request.session[CHALLENGE] = bytes_to_base64url(options.challenge)
    return options_to_json_dict(options)


def describe_passkeys(user: User) -> list[PublicKeyCredentialDescriptor]:
    """Return the passkeys of a user as the options name them."""
    return [
        PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.credential_id))
        for passkey in user.passkeys.all()
    ]


def create_passkey(request: HttpRequest, user: User, name: str, answer: str) -> None:
    """Store the passkey that a browser has made; raise `ValidationError` in a visitor's words."""
    if user.passkeys.count() >= MAX_PASSKEYS:
        raise ValidationError(_("You have 20 passkeys, which is the limit. Remove one first."))
    try:
        made = webauthn.verify_registration_response(
            credential=drop_attestation(read_answer(answer)),
            require_user_verification=True,
            **take_expectations(request),
        )
        Passkey.objects.create(
            user=user,
            name=name,
            credential_id=bytes_to_base64url(made.credential_id),
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
        )
    except (*FALSE, IntegrityError) as error:
        message = _("The passkey could not be set up. Try again.")
        raise ValidationError(message, code="passkey") from error


def drop_attestation(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without its device's certificates.

    Nobody asked for them, and parsing them is work for a parser of hostile input.
    """
    response = answer["response"]
    data = parse_cbor(base64url_to_bytes(response["attestationObject"]))["authData"]
    plain = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
    return answer | {"response": response | {"attestationObject": bytes_to_base64url(plain)}}


def use_passkey(request: HttpRequest, answer: str, user: User | None = None) -> User:
    """Return whose passkey signed the challenge; raise `ValidationError` in a visitor's words."""
    try:
        credential = read_answer(answer)
        passkeys = user.passkeys.all() if user else Passkey.objects.all()
        passkey = passkeys.select_related("user").get(
            credential_id=credential["id"], user__is_active=True
        )
        used = webauthn.verify_authentication_response(
            credential=credential,
            credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
            **take_expectations(request),
        )
    except (*FALSE, Passkey.DoesNotExist) as error:
        message = _("This passkey does not open an account here. Try another way to sign in.")
        raise ValidationError(message, code="passkey") from error
    Passkey.objects.filter(pk=passkey.pk).update(
        sign_count=used.new_sign_count, used=timezone.now()
    )
    return passkey.user


def read_answer(answer: str) -> dict[str, Any]:
    """Return the JSON that a browser's script sent; raise one of `FALSE` if it is none."""
    if len(answer) > MAX_ANSWER:
        raise ValueError("No browser answers that.")
    credential = json.loads(answer)
    if not re.fullmatch(r"[\w-]+", credential["id"], re.ASCII):  # PostgreSQL fails on a NUL.
        raise ValueError("No browser answers that.")
    return credential


def take_expectations(request: HttpRequest) -> dict[str, Any]:
    """Return what an answer has to fit; the challenge is used up, whatever comes of it."""
    challenge = request.session.pop(CHALLENGE)
    # Where Django does not know of TLS in front of it, the trusted origins say so.
    origin = f"{request.scheme}://{request.get_host()}"
    return {
        "expected_challenge": base64url_to_bytes(challenge),
        "expected_rp_id": find_rp_id(request),
        "expected_origin": [origin, *settings.CSRF_TRUSTED_ORIGINS],
    }
