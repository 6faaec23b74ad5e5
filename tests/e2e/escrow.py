# SPDX-License-Identifier: Apache-2.0
"""What an organisation does with its recovery key, by another implementation than
ours (lib/crypto/ecies.h, lib/crypto/key_recovery.h, cellsd/storage/keyslots.h tell the forms)."""
import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

POINT, HEAD, BLOCK, PLACES = 65, 512, 512, 8
PASSCODE, DEVICE, RECOVERY = 1, 2, 3


def point(public):
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def derive(shared, ephemeral, recipient, label):
    okm = HKDF(hashes.SHA256(), 44, ephemeral + recipient, label.encode()).derive(shared)
    return AESGCM(okm[:32]), okm[32:]


def box_open(private, label, bound, box):
    other = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), box[:POINT])
    aead, nonce = derive(private.exchange(ec.ECDH(), other), box[:POINT], point(private.public_key()), label)
    return aead.decrypt(nonce, box[POINT:], bound.encode())


def box_seal(public, label, bound, data):
    own = ec.generate_private_key(ec.SECP256R1())
    head = point(own.public_key())
    aead, nonce = derive(own.exchange(ec.ECDH(), public), head, point(public), label)
    return head + aead.encrypt(nonce, data, bound.encode())


def identifier(key):
    """fscrypt's: HKDF-SHA512, no salt."""
    prk = hmac.digest(bytes(64), key, "sha512")
    return hmac.digest(prk, b"fscrypt\0\1\1", "sha512")[:16].hex()


def recover(private, vp, details):
    """A VP's key, from the details of a lock."""
    bound = f"cells-slot|recovery|{vp}|{details['number']}|{details['key']}"
    key = box_open(private, "cells-recovery-slot", bound, base64.b64decode(details["recovery"]))
    assert identifier(key) == details["key"]
    return key


def seal_to(device, vp, key):
    """What an unlock command carries."""
    return box_seal(device.receipts, "cells-sealed-key", f"cells-sealed-key|{device.id}|{device.epoch}|{vp}", key)


class Slots:
    """A slots file, read as a thief of the disk would."""

    def __init__(self, data):
        assert data[:8] == b"CELLSKEY" and len(data) == HEAD + PLACES * BLOCK
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


