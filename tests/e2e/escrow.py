# SPDX-License-Identifier: Apache-2.0
"""What an organisation does with its recovery key, by another implementation than
ours (lib/crypto/hpke.h, lib/crypto/key_recovery.h, cellsd/storage/keyslots.h have the formats)."""
import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

POINT, HEAD, BLOCK, PLACES = 65, 512, 512, 8
PASSCODE, DEVICE, RECOVERY = 1, 2, 3
# DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180, 7)
KEM_ID, KDF_ID, AEAD_ID = b"\0\x10", b"\0\1", b"\0\2"


def point(public):
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def extract(suite, salt, label, ikm):
    """LabeledExtract() of RFC 9180, 4."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def expand(suite, prk, label, info, size):
    """LabeledExpand() of RFC 9180, 4; one block is enough here."""
    text = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(hashes.SHA256(), size, text).derive(prk)


def derive(dh, enc, recipient, info):
    """Cipher and nonce of a message: 4.1 and 5.1 of RFC 9180, in base mode."""
    kem, suite = b"KEM" + KEM_ID, b"HPKE" + KEM_ID + KDF_ID + AEAD_ID
    shared = expand(kem, extract(kem, b"", b"eae_prk", dh), b"shared_secret", enc + recipient, 32)
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info.encode())
    secret = extract(suite, shared, b"secret", b"")
    return AESGCM(expand(suite, secret, b"key", context, 32)), expand(suite, secret, b"base_nonce", context, 12)


def hpke_open(private, info, aad, sealed):
    enc = sealed[:POINT]
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc)
    aead, nonce = derive(private.exchange(ec.ECDH(), other), enc, point(private.public_key()), info)
    return aead.decrypt(nonce, sealed[POINT:], aad.encode())


def hpke_seal(public, info, aad, data, own=None):
    own = own or ec.generate_private_key(ec.SECP256R1())
    enc = point(own.public_key())
    aead, nonce = derive(own.exchange(ec.ECDH(), public), enc, point(public), info)
    return enc + aead.encrypt(nonce, data, aad.encode())


def identifier(key):
    """fscrypt's: HKDF-SHA512, no salt."""
    prk = hmac.digest(bytes(64), key, "sha512")
    return hmac.digest(prk, b"fscrypt\0\1\1", "sha512")[:16].hex()


def recover(private, vp, details):
    """A VP's key, from the details of a lock."""
    aad = f"cells-slot|recovery|{vp}|{details['number']}|{details['key']}"
    key = hpke_open(private, "cells-recovery-slot", aad, base64.b64decode(details["recovery"]))
    assert identifier(key) == details["key"]
    return key


def seal_to(device, vp, key):
    """What an unlock command carries."""
    return hpke_seal(device.receipts, "cells-sealed-key", f"cells-sealed-key|{device.id}|{device.epoch}|{vp}", key)


class Slots:
    """A slots file, read as a thief of the disk would."""

    def __init__(self, data):
        assert data[:12] == b"CELLSKEY\2\0\0\0" and len(data) == HEAD + PLACES * BLOCK
        self.number = int.from_bytes(data[12:16], "little")
        self.name = data[16:80].rstrip(b"\0").decode()
        self.id = data[80:96].hex()
        self.places = {}
        for i in range(PLACES):
            block = data[HEAD + i * BLOCK:HEAD + (i + 1) * BLOCK]
            kind = int.from_bytes(block[:4], "little")
            if kind and hashlib.sha256(block[:-32]).digest() == block[-32:]:
                self.places[kind] = block[8:]

    def bound(self, kind):
        return f"cells-slot|{kind}|{self.name}|{self.number}|{self.id}".encode()

    def by_device(self, device_key):
        """The data key, or None."""
        body = self.places.get(DEVICE)
        if not body:
            return None
        try:
            return AESGCM(device_key).decrypt(body[:12], body[12:92], self.bound("device"))
        except InvalidTag:
            return None

    def by_passcode(self, passcode):
        body = self.places.get(PASSCODE)
        if not body:
            return None
        rounds = int.from_bytes(body[:8], "little")
        k = hashlib.pbkdf2_hmac("sha512", passcode, body[8:40], rounds, 64)
        try:
            return AESGCM(k[32:]).decrypt(body[40:52], body[52:132], self.bound("passcode"))
        except InvalidTag:
            return None


def random_point():
    private = ec.generate_private_key(ec.SECP256R1())
    return private, point(private.public_key()).hex()


