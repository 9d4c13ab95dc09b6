"""Issuers of the tests: honest tokens, and the parts to forge dishonest ones."""

import base64
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "aios"


def _segment(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """One issuer with one key pair of its own."""

    def __init__(self, algorithm="EdDSA", name=None):
        self.algorithm = algorithm
        self.name = name or f"https://{algorithm.lower()}.issuer.invalid"
        self._key = {
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
        }[algorithm]()

    def public_pem(self):
        """SubjectPublicKeyInfo in PEM."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def claims(self, tenant_, principal="u-test", groups=("apps",), **changes):
        """Honest claims, with changes; a value of None removes the claim."""
        now = int(time.time())
        claims = {
            "iss": self.name, "aud": AUDIENCE, "sub": principal, "tenant": tenant_, "groups": list(groups),
            "iat": now, "nbf": now - 5, "exp": now + 3600, **changes,
        }
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, tenant_, principal="u-test", groups=("apps",), headers=None, **changes):
        """A signed token."""
        claims = self.claims(tenant_, principal, groups, **changes)
        # Not `jwt.encode`: it refuses to write the malformed claims that the attacks are made of.
        return jwt.PyJWS().encode(json.dumps(claims).encode(), self._key, self.algorithm, headers={"typ": "JWT", **(headers or {})})

    def unsigned(self, tenant, header):
        """A token with this header and an empty signature."""
        return f"{_segment(header)}.{_segment(self.claims(tenant))}."

    def with_public_key_as_secret(self, tenant):
        """The classic confusion: HS256 keyed with the public key's text."""
        import hashlib
        import hmac

        signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT'})}.{_segment(self.claims(tenant))}"
        mac = hmac.new(self.public_pem(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{_segment(mac)}"


def tampered(token, **changes):
    """The same token with other claims under the old signature."""
    header, claims, signature = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return f"{header}.{_segment({**body, **changes})}.{signature}"
