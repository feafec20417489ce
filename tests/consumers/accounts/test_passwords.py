"""Passwords: argon2id, equal in time for those who are not there, and never in the way of the event loop."""

import asyncio
import time

import pytest

from consumers.accounts.passwords import Passwords

pytestmark = pytest.mark.quick


async def test_a_password_fits_its_own_hash_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.fits("correct horse battery", stored)
    assert not await passwords.fits("correct horse batterie", stored)
    assert stored != await passwords.hash("correct horse battery")


async def test_nobodys_password_never_fits_and_takes_as_long(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")

    async def cpu_s(password_hash: str | None) -> float:
        began = time.process_time()
        assert not await passwords.fits("a wrong guess", password_hash)
        return time.process_time() - began

    # By turns, in time on a core: whoever shares the machine slows both.
    pairs = [(await cpu_s(None), await cpu_s(stored)) for _ in range(7)]
    assert min(nobodys for nobodys, _ in pairs) > 0.5 * min(theirs for _, theirs in pairs)


async def test_what_two_keyboards_write_differently_is_one_password(passwords: Passwords) -> None:
    assert await passwords.fits("cafe\u0301 au lait", await passwords.hash("caf\u00e9 au lait"))


async def test_hashing_leaves_the_event_loop_free(passwords: Passwords) -> None:
    hashing = asyncio.gather(*(passwords.hash(str(number)) for number in range(6)))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1

    await hashing
    assert turns > 100
