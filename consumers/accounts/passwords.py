"""Passwords are hashed with argon2id, in threads of their own: one takes 30 ms of a core and 19 MiB."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
"""OWASP's Password Storage Cheat Sheet: argon2id with m=19 MiB, t=2, p=1; 32 ms on the machine of the benchmarks.

Its equal in strength with 46 MiB and one pass took 52 ms there.
"""
THREADS_MAX = 4

T = TypeVar("T")


class Passwords:
    """Hashes passwords and checks them, a few at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID)
        threads = min(THREADS_MAX, os.cpu_count() or 1)
        self._nobodys = self._hasher.hash(os.urandom(16).hex())
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        """The text to store for a password (PHC format: parameters, salt, hash)."""
        return await self._off_the_loop(self._hasher.hash, _normal(password))

    async def fits(self, password: str, password_hash: str | None) -> bool:
        """Whether a password is the stored one; without an account it takes the same time and is never."""
        fits = await self._off_the_loop(self._verify, password_hash or self._nobodys, _normal(password))
        return fits and password_hash is not None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _off_the_loop(self, work: Callable[..., T], *args: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


def _normal(password: str) -> str:
    """One form for what keyboards write differently (NIST SP 800-63B, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
