"""Open SQLite, open an AES-GCM value and nothing else: the floor for a sealed connection."""

import os
import sqlite3

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

database = sqlite3.connect(os.environ["VALETKEY_STORE"].removeprefix("sqlite://"))
row = database.execute("SELECT nonce, sealed FROM plain").fetchone()
assert AESGCM(bytes(range(32))).decrypt(row[0], row[1], b"place") == b"a secret"
database.close()
