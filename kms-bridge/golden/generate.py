"""Writes the golden vectors of value format v1 and of keyring format v1.

A second implementation of docs/formats-value.md, on Python's `hmac` and the `cryptography` package.
It was run once; its output is kept for ever and is never overwritten: run it in another directory and
compare.
"""

import hashlib
import hmac
import pathlib
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


def extract(salt, secret):
    return hmac.digest(salt, secret, "sha256")


def expand(key, info, length):
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([n]), "sha256")
        out, n = out + block, n + 1
    return out[:length]


def prefixed(*parts):
    return b"".join(struct.pack(">I", len(p.encode())) + p.encode() for p in parts)


def gcm(key, plaintext, aad):
    return AESGCM(key).encrypt(bytes(12), plaintext, aad)


def value(name, dek, key_id, epoch, salt, plaintext, tenant, upstream, collection, record, field, purpose):
    header = b"\x9eAIV" + bytes([1, 1, 0, 0]) + key_id + struct.pack(">I", epoch) + salt
    okm = expand(extract(b"AIOS value v1 suite 1", dek), header, 64)
    aad = header + prefixed(tenant, upstream, collection, record, field, purpose)
    sealed = header + okm[32:] + gcm(okm[:32], plaintext, aad)
    info = "golden/" + purpose
    derived = expand(extract(b"AIOS derive v1", dek), info.encode(), 32)
    return "\n".join([
        f"# {name}",
        f"dek: {dek.hex()}", f"key-id: {key_id.hex()}", f"epoch: {epoch}", f"salt: {salt.hex()}",
        f"tenant: {tenant}", f"upstream: {upstream}", f"collection: {collection}",
        f"record: {record}", f"field: {field}", f"purpose: {purpose}",
        f"plaintext: {plaintext.hex()}", f"sealed: {sealed.hex()}",
        f"derive-info: {info}", f"derived: {derived.hex()}",
    ])


def values():
    def run(n, length):
        return bytes((n + i) % 256 for i in range(length))

    vector = b"".join(struct.pack("<f", i / 384 - 0.5) for i in range(384))
    return [
        value("empty plaintext, no collection, first epoch", run(0, 32), run(0x10, 16), 1, run(0x20, 24), b"",
              "acme", "chat", "", "rec-1", "prompt", "content"),
        value("a JSON payload", run(0x80, 32), run(0xf0, 16), 1, run(0x40, 24), b'{"title":"Lease 2031","rooms":3}',
              "acme", "contracts-db", "docs", "42", "payload", "payload"),
        value("a vector of 384 floats, last epoch", bytes([0xff]) * 32, bytes([0xff]) * 16, 2**32 - 1,
              bytes([0xff]) * 24, vector, "acme", "contracts-db", "docs",
              "5c56c793-69f3-4fbf-87e6-c4bf54c28c26", "vector", "vector"),
        value("texts beyond ASCII", bytes(32), bytes(16), 7, bytes(24), "Müller, 東京".encode(), "rival_2", "x",
              "Ablage.2031", "Straße/東京", "näme", "payload"),
        value("one byte short of two cipher blocks", run(3, 32), run(5, 16), 2, run(7, 24), run(9, 31),
              "t", "u", "c", "", "", "blind-index"),
    ]


def root_file(kind, cost, salt, secret):
    key = extract(salt, secret)
    file = b"AIOSRNG\x01" + struct.pack(">IIII", kind, *cost) + salt + expand(key, b"AIOS keyring check v1", 32)
    return key, file


def keyring():
    key_file = bytes(range(0x30, 0x50))
    salt = bytes(range(0x60, 0x80))
    cost, phrase = (64, 2, 1), "correct horse"
    stretched = Argon2id(salt=salt, length=32, iterations=cost[1], lanes=cost[2], memory_cost=cost[0]).derive(
        phrase.encode())
    name, kek = "k-abcdefghijklmnopqrstuvwxyz", bytes(range(0xa0, 0xc0))
    dek = bytes(range(0xc0, 0xe0))
    context = b"AIOS dek wrap v1" + prefixed("acme", "payload", "docs") + struct.pack(">I", 3)
    wrap_salt = bytes(range(0x01, 0x21))
    wrap_head = b"\x01" + hashlib.sha256(context).digest()[:16] + wrap_salt
    wrap_key = expand(extract(wrap_salt, kek), b"AIOS keyring dek wrap v1", 32)
    wrapped = wrap_head + gcm(wrap_key, dek, wrap_head + context)

    def section(title, unlock, root_key, root):
        kek_salt = bytes(range(0x22, 0x42))
        kek_key = expand(root_key, b"AIOS keyring kek v1" + kek_salt + name.encode(), 32)
        head = b"AIOSKEK\x01" + kek_salt
        kek_file = head + gcm(kek_key, kek, head + name.encode())
        return "\n".join([
            f"# {title}", unlock, f"root: {root.hex()}", f"kek: {name}", f"kek-file: {kek_file.hex()}",
            "tenant: acme", "purpose: payload", "collection: docs", "epoch: 3",
            f"wrapped: {wrapped.hex()}", f"dek: {dek.hex()}",
        ])

    return [
        section("opened by a key file", f"key-file: {key_file.hex()}", *root_file(1, (0, 0, 0), salt, key_file)),
        section("opened by a passphrase, at a low cost", f"passphrase: {phrase}", *root_file(2, cost, salt, stretched)),
    ]


if __name__ == "__main__":
    here = pathlib.Path(sys.argv[1])
    for file, vectors in (("value-v1.txt", values()), ("keyring-v1.txt", keyring())):
        with open(here / file, "x", encoding="utf-8") as out:
            out.write("\n\n".join(vectors) + "\n")
