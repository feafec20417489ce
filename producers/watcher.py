"""Somebody who watches auctions over a socket, and says aloud what comes; for the demo."""

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import websockets
from rich.console import Console

from producers.person import Person

say = Console(highlight=False, soft_wrap=True).print


@dataclass
class Watcher:
    """A socket that watches auctions and keeps every frame, in order."""

    name: str
    aloud: set[str] = field(default_factory=set)
    frames: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ended: dict[str, asyncio.Event] = field(default_factory=dict)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    socket: websockets.ClientConnection | None = None

    async def watch(self, person: Person) -> None:
        """Connect and take what comes, until cancelled."""
        ticket = await person.post("/live/ticket")
        async with websockets.connect(f"{ticket['url']}?ticket={ticket['ticket']}") as self.socket:
            self.connected.set()
            async for text in self.socket:
                self._take(json.loads(text))

    async def follow(self, auction: str, *, aloud: bool = False) -> None:
        """Watch an auction from now on, and print its frames if `aloud`."""
        await self.connected.wait()
        assert self.socket is not None
        self.ended[auction] = asyncio.Event()
        if aloud:
            self.aloud.add(auction)
        await self.socket.send(json.dumps({"op": "subscribe", "auctionId": auction}))

    def _take(self, frame: dict[str, Any]) -> None:
        auction = frame.get("auctionId")
        if auction not in self.ended or "seq" not in frame:
            return
        self.frames.setdefault(auction, []).append(frame)
        if auction in self.aloud:
            say(f"   [cyan]{self.name} sees[/] {describe(frame)}")
        if frame["event"] == "auction_ended":
            self.ended[auction].set()

    def gaps(self, auction: str) -> list[str]:
        """Where a frame does not follow the one before it."""
        frames = self.frames.get(auction, [])
        return [
            f"frame {after['seq']} says it follows {after['prevSeq']}, but {before['seq']} came before it"
            for before, after in itertools.pairwise(frames)
            if after["event"] != "snapshot" and after["prevSeq"] != before["seq"]
        ]


def describe(frame: dict[str, Any]) -> str:
    """One frame in words."""
    data = frame["data"]
    match frame["event"]:
        case "snapshot":
            return f"[dim]#{frame['seq']}[/] the auction as it stands: {data['status']}, {data['bidCount']} bids"
        case "bid_placed":
            how = "answered automatically" if data["automatic"] else "bid"
            leads = "and leads" if data["isWinning"] else "but does not lead"
            return f"[dim]#{frame['seq']}[/] bidder {data['bidderId'][:4]} {how} [bold]{data['amount']:.2f}[/] {leads}"
        case "auction_extended":
            return f"[dim]#{frame['seq']}[/] [yellow]a late bid moved the end to {data['endTime'][11:19]} UTC[/]"
        case "auction_ended":
            return f"[dim]#{frame['seq']}[/] [green]the hammer: {data['outcome']}, {data.get('finalPrice') or 0:.2f}[/]"
        case other:
            return f"[dim]#{frame['seq']}[/] {other}"
