"""The daemon signs its audit: at its start, from time to time, at its end, and tells the head outside."""

import asyncio
import itertools
import logging
from typing import cast

import pytest

from controller import checkpointer
from controller.fanout import Kind
from protocols.payloads import Payload
from rig.stack import Stack
from safety.audit import AuditEntry, Head
from safety.checkpoints import CHECKPOINT, Signer

VIRTUAL_TIME = True
SIGNER = Signer.from_secret(bytes(32))


def signed_stack() -> Stack:
    return Stack(signer=lambda _: SIGNER)


def checkpoints(stack: Stack) -> list[AuditEntry]:
    return [entry for entry in stack.reader.audit_entries() if entry.kind == CHECKPOINT]


@pytest.mark.shows("REQ-042")
async def test_the_audit_is_signed_at_the_start_and_at_the_end() -> None:
    async with signed_stack() as stack:
        await stack.settled()
        (first,) = checkpoints(stack)
        assert first.index == 0
        await stack.prepare()
        await stack.end_daemon()
        last = checkpoints(stack)[-1]
        assert stack.reader.audit_head() == Head(last.index, last.hash)
        proof = stack.reader.prove_audit(keys=[SIGNER.public])
        assert not proof.breaks
        assert not proof.file
        assert proof.sealed == last.index - 1
        assert f'"device":"{stack.serial}"' in last.body


async def test_a_checkpoint_comes_after_so_many_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpointer, "EVERY_ENTRIES", 20)
    async with signed_stack() as stack:
        await stack.prepare()
        await stack.arm()
        await stack.fire(20)
        stack.release()
        await stack.until(lambda: stack.daemon.checkpointer.head == stack.reader.audit_head(), "head told", 3)
        signed = [entry.index for entry in checkpoints(stack)]
        head = stack.reader.audit_head()
        assert head is not None
        assert len(signed) >= 3
        for before, after in itertools.pairwise(checkpoints(stack)):
            assert after.index - before.index >= 20
            since_us = after.mono_us - 1_010_000  # it looks each second: before that they were too few
            later = stack.reader.audit_entries(first=before.index + 1)
            assert sum(entry.mono_us < since_us for entry in later) < 20
        assert head.index - signed[-1] < 20


async def test_a_checkpoint_comes_after_its_time_if_there_is_anything_to_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert checkpointer.EVERY_US == 10 * 60 * 1_000_000
    monkeypatch.setattr(checkpointer, "EVERY_US", 10 * 1_000_000)
    async with signed_stack() as stack:
        await stack.settled()
        await stack.login()
        before = len(checkpoints(stack))
        await stack.until(lambda: len(checkpoints(stack)) > before, "a checkpoint", within_s=11)
        await asyncio.sleep(25)
        quiet = stack.reader.audit_head()
        assert quiet is not None
        assert quiet.index == checkpoints(stack)[-1].index


async def test_the_head_goes_out_with_the_state_and_the_last_one_at_the_end() -> None:
    async with signed_stack() as stack:
        with stack.daemon.fanout.subscribe("test", {Kind.STATE: 1000}) as feed:
            await stack.prepare()
            await stack.end_daemon()
            feed.close()
            states = [cast("Payload", item.value) async for item in feed]
        told = [
            (state["audit_index"], state["audit_hash"])
            for state in states
            if state["audit_index"] is not None
        ]
        recorded = {(entry.index, entry.hash) for entry in stack.reader.audit_entries()}
        assert set(told) <= recorded
        head = stack.reader.audit_head()
        assert head is not None
        assert told[-1] == (head.index, head.hash)


async def test_the_head_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="controller.checkpointer"):
        async with signed_stack() as stack:
            await stack.settled()
            (first,) = checkpoints(stack)
    assert f"head is {first.index}:{first.hash}" in caplog.text


async def test_a_full_disk_is_told_once_and_signing_goes_on_when_there_is_room() -> None:
    async with signed_stack() as stack:
        await stack.settled()
        await stack.login()
        assert stack.store is not None
        stack.store.fill_disk()
        keeper = stack.daemon.checkpointer
        for _ in range(100):  # the file has some room on pages it has already
            await keeper.look(sign=True)
            stack.daemon.supervisor.view(0)
            if keeper._failing:
                break
            try:
                stack.store.append_audit("k", "a", {"x": "y" * 100}, now_us=1)
            except Exception as error:  # noqa: BLE001  # the disk is full: that is what this waits for
                assert "full" in str(error)  # noqa: PT017
                await keeper.look(sign=True)
        before = stack.reader.audit_head()
        assert keeper._failing
        stack.store.free_disk()
        await keeper.look(sign=True)
        assert not keeper._failing
        after = stack.reader.audit_head()
        assert after is not None
        assert before is not None
        assert after.index == before.index + 1
        assert stack.reader.prove_audit(keys=[SIGNER.public]).breaks == ()


async def test_without_a_key_nothing_is_signed_and_no_head_is_told() -> None:
    async with Stack() as stack:
        await stack.prepare()
        assert checkpoints(stack) == []
        assert stack.daemon.checkpointer.head is None
