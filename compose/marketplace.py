"""`marketplace`: the operators' commands."""

import asyncio
import json
import sys
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from aiokafka.errors import KafkaError
from elastic_transport import TransportError
from elasticsearch import ApiError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from compose import __version__
from compose.settings import ConfigurationError, Settings, load, table
from consumers.accounts.verify import verify as verify_people
from consumers.bids.rebuild import rebuild_views
from consumers.bids.verify import verify as verify_auctions
from consumers.indexing.mapping import KINDS, Kind
from consumers.indexing.rebuild import Refused, rebuild
from consumers.indexing.verify import verify as verify_index
from consumers.payments.comparing import balances, compare_now
from consumers.payments.verify import verify as verify_payments
from consumers.runtime import dead
from edge_api.service_tokens import ServiceTokens
from producers.operator import Refusal, grant_role
from schemas.money import print_minor
from schemas.users import Role
from topics import asyncapi
from topics.catalog import CATALOG
from topics.create import TopicsDiffer, create
from topics.lag import lags
from topics.tap import UnknownTopic, tap

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
topics_app = typer.Typer(no_args_is_help=True, help="What flows: create, look, repair.")
dead_app = typer.Typer(no_args_is_help=True, help="Dead letters: what a group could not take, and why.")
bids_app = typer.Typer(no_args_is_help=True, help="Auctions: hold the log against everything made from it.")
accounts_app = typer.Typer(no_args_is_help=True, help="Accounts.")
index_app = typer.Typer(no_args_is_help=True, help="The search index: hold it against the truth, make it anew.")
payments_app = typer.Typer(
    no_args_is_help=True, help="Orders and money: hold log, ledger and the provider's book together."
)
app.add_typer(topics_app, name="topics")
app.add_typer(bids_app, name="bids")
app.add_typer(accounts_app, name="accounts")
app.add_typer(index_app, name="index")
app.add_typer(payments_app, name="payments")
topics_app.add_typer(dead_app, name="dead")

out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 220)
T = TypeVar("T")

DeadTopic = Annotated[str, typer.Argument(help="Name of the dead-letter topic, as `dead list` prints it.")]


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (KafkaError, TopicsDiffer, UnknownTopic, Refusal, Refused, TransportError, ApiError, OSError) as error:
        raise _fail(f"{type(error).__name__}: {error}") from error


def _fail(reason: str) -> typer.Exit:
    print(f"marketplace: {reason}", file=sys.stderr)
    return typer.Exit(1)


def _settings() -> Settings:
    try:
        return load("cli")
    except ConfigurationError as error:
        raise _fail(str(error)) from error


def kept(span: timedelta) -> str:
    """A retention in words: `7 d`, `10 min`."""
    return f"{span.days} d" if span.days else f"{span.seconds // 60} min"


def _dead_topics() -> list[str]:
    return [name for topic in CATALOG for name in topic.dead_letters]


@topics_app.command("create")
def create_topics() -> None:
    """Create the topics that are missing; refuses when one stands with another partition count."""
    created = _run(create(_settings()))
    out.print("\n".join(f"created {name}" for name in created) or "all topics stand")


@topics_app.command("list")
def list_topics() -> None:
    """The catalog: every topic, who writes, who reads, why."""
    shown = Table("topic", "key", "written by", "read by (group)", "kept", "why")
    for topic in CATALOG:
        readers = ", ".join([*topic.readers, *(f"{name} (no group)" for name in topic.followers)])
        shown.add_row(topic.name, topic.key, ", ".join(topic.writers), readers, kept(topic.kept), topic.why)
    out.print(shown)


@topics_app.command("lag")
def show_lag() -> None:
    """How many records each group has not yet taken."""
    shown = Table("topic", "group", "records", "behind", "partitions never read")
    for lag in _run(lags(_settings())):
        shown.add_row(lag.topic, lag.group, str(lag.end), str(lag.behind), str(lag.unread))
    out.print(shown)


@topics_app.command("tap")
def tap_topic(
    topic: str,
    start: Annotated[bool, typer.Option("--from-start", help="From the oldest record kept.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    key: Annotated[str | None, typer.Option(help="Only records with this key.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only this eventType or commandType.")] = None,
) -> None:
    """Print the records of a topic, one JSON object a line, without disturbing its groups."""

    async def show() -> None:
        async for record in tap(_settings(), topic, from_start=start, follow=follow, key=key, kind=kind):
            print(json.dumps(record, ensure_ascii=False), flush=True)

    try:
        _run(show())
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@topics_app.command("asyncapi")
def print_asyncapi() -> None:
    """Print the AsyncAPI 3 document of all topics and messages."""
    print(json.dumps(asyncapi.document(__version__), indent=1, ensure_ascii=False))


@dead_app.command("list")
def list_dead(
    topic: Annotated[str | None, typer.Argument(help="One dead-letter topic; all by default.")] = None,
) -> None:
    """What lies in the dead-letter topics: where it came from and why it lies there."""
    settings = _settings()
    shown = Table("dead-letter topic", "offset", "from", "key", "when", "reason")
    count = 0
    for name in [topic] if topic else _dead_topics():
        for letter in _run(dead.list_letters(settings.kafka_bootstrap, name)):
            count += 1
            origin = f"{letter.source_topic}/{letter.source_partition}@{letter.source_offset}"
            shown.add_row(name, str(letter.offset), origin, _text(letter.key), letter.at, letter.reason)
    out.print(shown if count else "no dead letters")


@dead_app.command("show")
def show_dead(topic: DeadTopic, offset: int) -> None:
    """One dead letter, whole."""
    letter = _run(dead.show(_settings().kafka_bootstrap, topic, offset))
    if letter is None:
        raise _fail(f"{topic} has no letter at offset {offset}")
    for name, value in letter._asdict().items():
        out.print(f"[bold]{name}[/]", _text(value) if isinstance(value, bytes | None) else value, markup=True)


@dead_app.command("redrive")
def redrive_dead(
    topic: DeadTopic,
    offsets: Annotated[list[int] | None, typer.Argument(help="Which letters; all by default.")] = None,
) -> None:
    """Send letters to their topic again, with the same ids, after the cause is mended."""
    sent = _run(dead.redrive(_settings().kafka_bootstrap, topic, offsets or None))
    out.print(f"{len(sent)} sent again")


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


@bids_app.command("verify")
def verify_bids(
    auction: Annotated[UUID | None, typer.Argument(help="One auction; all by default.")] = None,
    topic: Annotated[bool, typer.Option("--topic", help="Compare the whole of auction-events, too.")] = False,
) -> None:
    """Fold the log of each auction anew and hold it against state and Redis; exit code 1 on any difference."""
    count = _run(verify_auctions(_settings(), auction, topic=topic))
    out.print(f"{count} differences")
    raise typer.Exit(1 if count else 0)


@bids_app.command("rebuild-view")
def rebuild_bid_views() -> None:
    """Write the Redis view of every auction anew from the log; safe while everything runs."""
    out.print(f"{_run(rebuild_views(_settings()))} auctions written")


@accounts_app.command("verify")
def verify_accounts() -> None:
    """Fold the log of each account anew and hold it against the tables; exit code 1 on any difference."""
    count = _run(verify_people(_settings()))
    out.print(f"{count} differences")
    raise typer.Exit(1 if count else 0)


@accounts_app.command("grant-role")
def grant(who: Annotated[str, typer.Argument(help="Username or user id.")], role: Role) -> None:
    """Give an account a role (buyer, seller, admin); waits until accounts has decided."""
    out.print(_run(grant_role(_settings(), who, role)))


@index_app.command("verify")
def verify_search() -> None:
    """Hold both indices against what bids and accounts say; exit code 1 on any difference."""
    count = _run(verify_index(_settings()))
    out.print(f"{count} differences")
    raise typer.Exit(1 if count else 0)


@app.command("service-token")
def service_token(
    service: Annotated[str, typer.Argument(help="Who calls, for the log of the one who is called.")],
) -> None:
    """A token for `X-Internal-Auth` of the edge's internal listener, good for a minute."""
    print(ServiceTokens(_settings()).make(service, at_s=time.time()))


@payments_app.command("verify")
def verify_orders() -> None:
    """Fold the log of each order anew and hold it against state and ledger; exit code 1 on any difference."""
    count = _run(verify_payments(_settings()))
    out.print(f"{count} differences")
    raise typer.Exit(1 if count else 0)


@index_app.command("rebuild")
def rebuild_search(
    only: Annotated[Kind | None, typer.Argument(help="`auctions` or `users`; both by default.")] = None,
) -> None:
    """Make the indices anew from the topics while people search, compare, then swap; interrupted, it goes on next time."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=out) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            task = tasks.get(what)
            if task is None:
                task = tasks[what] = bars.add_task(what)
            bars.update(task, completed=done, total=total)

        _run(rebuild(_settings(), [only] if only else KINDS, progress=progress, report=bars.console.print))


@payments_app.command("ledger")
def show_ledger(order: Annotated[UUID | None, typer.Argument(help="One order; all by default.")] = None) -> None:
    """The balance of each account; a plus is a debit, and together they are zero."""
    shown = Table("currency", "account", "balance", "postings")
    for currency, account, amount, postings in _run(balances(_settings(), order)):
        shown.add_row(currency, account, print_minor(amount), str(postings))
    out.print(shown)


@payments_app.command("reconcile")
def reconcile(
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day (UTC); today by default.")] = None,
) -> None:
    """Hold a day of the provider's book against the ledger; exit code 1 on any difference."""
    compared = _run(compare_now(_settings(), (day or datetime.now(UTC)).date()))
    shown = Table("provider's id", "way", "ours", "theirs", "currency")
    for ref, way, ours, theirs, currency in compared.differences:
        shown.add_row(ref, way, *("missing" if one is None else print_minor(one) for one in (ours, theirs)), currency)
    out.print(shown if compared.differences else f"{compared.day}: {compared.movements} movements, no difference")
    raise typer.Exit(1 if compared.differences else 0)


@app.command("settings")
def print_settings() -> None:
    """Print the table of all settings, as in compose/README.md."""
    print(table(), end="")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
