"""`python -m compose.sandboxes.stripe`: the stand-in on the port of STRIPE_SANDBOX_PORT, its webhooks to the edge of PUBLIC_URL."""

from compose.sandboxes.faults import Faults
from compose.sandboxes.serving import data_folder, serve
from compose.sandboxes.stripe import endpoints
from compose.sandboxes.stripe.app import build
from compose.sandboxes.stripe.store import Store
from compose.sandboxes.stripe.world import World
from compose.settings import load


def main() -> None:
    """Serve until a signal ends it."""
    settings = load("stripe")
    assert settings.stripe_secret_key is not None
    world = World(Store(data_folder("stripe") / "stripe.sqlite"), api_version=settings.stripe_api_version)
    webhook = f"{str(settings.public_url).rstrip('/')}/api/v1/payments/webhook"
    endpoints.ours(world, webhook, [secret.decode() for secret in settings.webhook_secrets])
    app = build(
        world,
        faults=Faults(),
        secret_key=settings.stripe_secret_key.get_secret_value(),
        publishable_key=settings.stripe_publishable_key,
        host=settings.stripe_api_base.host or "localhost",
    )
    serve(app, address=settings.internal_host, port=settings.stripe_sandbox_port)


if __name__ == "__main__":
    main()
