"""Makes wrapped-v1.txt: a second implementation of docs/formats-wrapped.md. Needs `cryptography`."""

import hashlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def lp(text):
    return len(text).to_bytes(4, "big") + text


def context(tenant, purpose, collection, epoch):
    return b"AIOS dek wrap v1" + lp(tenant) + lp(purpose) + lp(collection) + epoch.to_bytes(4, "big")


def head(ctx):
    return b"\x01" + hashlib.sha256(ctx).digest()[:16]


ctx = context(b"acme", b"payload", b"docs", 1)
rival = context(b"rival", b"payload", b"docs", 1)
kek, dek, iv = bytes(range(0x40, 0x60)), bytes(range(0xC0, 0xE0)), bytes(range(1, 13))
sealed = AESGCM(kek).encrypt(iv, dek, head(ctx) + ctx)
wrapped = head(ctx) + iv + sealed


def flipped(at):
    return wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]


print("# the wrap context of both formats, its head, and AWS's encryption context")
print("tenant: acme\npurpose: payload\ncollection: docs\nepoch: 1")
print("head:", head(ctx).hex())
print('aws-encryption-context: {"aios-wrap-context":"' + hashlib.sha256(ctx).hexdigest() + '"}')
print("pkcs11-kek:", kek.hex())
print("pkcs11-dek:", dek.hex())
print("pkcs11-wrapped:", wrapped.hex())
for name, bad in [
    ("bad-tag", flipped(76)),
    ("bad-iv", flipped(17)),
    ("short", wrapped[:-1]),
    ("long", wrapped + b"\0"),
    ("version-2", b"\x02" + wrapped[1:]),
    ("moved", head(rival) + iv + sealed),
]:
    print(f"pkcs11-{name}:", bad.hex())
