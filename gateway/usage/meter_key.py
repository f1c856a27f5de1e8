"""Who called what: the key under which calls are counted."""

import struct
from typing import Final, Self
from weakref import WeakValueDictionary

_MAX_ENCODED_BYTES: Final = 4096
_LENGTH: Final = struct.Struct("<H")
_PARTS: Final = 5


class MeterKey:
    """Five identifiers, immutable. Equal keys are the same object, so a lookup costs no hashing.

    Raises ValueError when the identifiers take more than 4 KiB; nothing is ever shortened.
    """

    __slots__ = (
        "__weakref__",
        "api_id",
        "client_id",
        "encoded",
        "operation_id",
        "plan_id",
        "subscription_id",
    )
    subscription_id: str
    client_id: str
    plan_id: str
    api_id: str
    operation_id: str
    encoded: bytes  # each as UTF-8 behind its length in two bytes

    def __new__(
        cls, *, subscription_id: str, client_id: str, plan_id: str, api_id: str, operation_id: str
    ) -> Self:
        parts = (subscription_id, client_id, plan_id, api_id, operation_id)
        encoded = b"".join(map(_encode, parts))
        if len(encoded) > _MAX_ENCODED_BYTES:
            raise ValueError(f"The identifiers of a call take {len(encoded)} bytes, above 4096.")
        key = _keys.get(encoded)
        if key is None:
            key = super().__new__(cls)
            for name, value in zip(cls._names(), parts, strict=True):
                object.__setattr__(key, name, value)
            object.__setattr__(key, "encoded", encoded)
            _keys[encoded] = key
        return key  # type: ignore[return-value]  # only this class is ever stored

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a meter key does not change.")

    def __repr__(self) -> str:
        return f"MeterKey({', '.join(decode_key(self.encoded))})"

    @staticmethod
    def _names() -> tuple[str, ...]:
        return ("subscription_id", "client_id", "plan_id", "api_id", "operation_id")


_keys: WeakValueDictionary[bytes, MeterKey] = WeakValueDictionary()


def decode_key(encoded: bytes) -> tuple[str, str, str, str, str]:
    """Return (subscription, client, plan, API, operation); what follows them is ignored.

    Raises ValueError when `encoded` is no key.
    """
    parts = []
    at = 0
    for _ in range(_PARTS):
        if at + 2 > len(encoded):
            raise ValueError("The key ends early.")
        (length,) = _LENGTH.unpack_from(encoded, at)
        at += 2
        if at + length > len(encoded):
            raise ValueError("The key ends early.")
        parts.append(encoded[at : at + length].decode())
        at += length
    subscription_id, client_id, plan_id, api_id, operation_id = parts
    return subscription_id, client_id, plan_id, api_id, operation_id


def _encode(text: str) -> bytes:
    data = text.encode()
    if len(data) > _MAX_ENCODED_BYTES:
        raise ValueError(f"An identifier of {len(data)} bytes is too long to count calls under.")
    return _LENGTH.pack(len(data)) + data
