"""A passkey in software: it answers as a browser does, or as no browser does."""

import json
import os
import struct
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40
ORIGIN = "http://testserver"


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class Authenticator:
    """One key pair; `count` is what it says of how often it was used."""

    def __init__(self, host: str = "testserver", origin: str = ORIGIN) -> None:
        self.host, self.origin = host, origin
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(32)
        self.count = 0
        self.flags = PRESENT | VERIFIED

    def create(self, options: dict[str, Any], **changes: Any) -> str:
        """Answer `navigator.credentials.create()`."""
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        described = bytes(16) + struct.pack(">H", len(self.id)) + self.id + encode_cbor(key)
        data = self.describe(HAS_KEY) + described
        attestation = {"fmt": "none", "attStmt": {}, "authData": data} | changes
        client = self.write_client_data("webauthn.create", options)
        return self.answer(
            clientDataJSON=encode(client), attestationObject=encode(encode_cbor(attestation))
        )

    def get(self, options: dict[str, Any], **changes: Any) -> str:
        """Answer `navigator.credentials.get()`."""
        self.count += 1
        data, client = self.describe(), self.write_client_data("webauthn.get", options)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        parts = {
            "clientDataJSON": encode(client),
            "authenticatorData": encode(data),
            "signature": encode(signature),
        }
        return self.answer(**(parts | changes))

    def describe(self, flags: int = 0) -> bytes:
        host = sha256(self.host.encode()).digest()
        return host + bytes([self.flags | flags]) + struct.pack(">I", self.count)

    def write_client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        data = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(data).encode()

    def answer(self, **response: Any) -> str:
        name = encode(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
