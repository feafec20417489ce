"""`python -m compose.sandboxes.sendgrid`: the stand-in on the port of SENDGRID_HOST."""

from compose.sandboxes.faults import Faults
from compose.sandboxes.sendgrid.app import build
from compose.sandboxes.sendgrid.outbox import Outbox
from compose.sandboxes.serving import data_folder, serve
from compose.settings import load


def main() -> None:
    """Serve until a signal ends it."""
    settings = load("sendgrid")
    assert settings.sendgrid_api_key is not None
    app = build(
        outbox=Outbox(data_folder("sendgrid") / "outbox.sqlite"),
        faults=Faults(),
        api_key=settings.sendgrid_api_key.get_secret_value(),
        verified_sender=settings.mail_from,
        host=settings.sendgrid_host.host or "localhost",
    )
    serve(app, address=settings.internal_host, port=settings.sendgrid_host.port or 80)


if __name__ == "__main__":
    main()
