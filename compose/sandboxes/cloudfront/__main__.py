"""`python -m compose.sandboxes.cloudfront`: the stand-in on the port of CDN_API_URL."""

from compose.sandboxes.cloudfront.app import build
from compose.sandboxes.cloudfront.cache import Cache
from compose.sandboxes.cloudfront.invalidations import Invalidations
from compose.sandboxes.faults import Faults
from compose.sandboxes.serving import data_folder, serve
from compose.settings import load


def main() -> None:
    """Serve until a signal ends it."""
    settings = load("cloudfront")
    assert settings.cdn_api_access_key is not None
    assert settings.cdn_api_secret_key is not None
    assert settings.cdn_api_url is not None, "CDN_API_URL says where the stand-in listens"
    app = build(
        invalidations=Invalidations(data_folder("cloudfront") / "invalidations.sqlite"),
        cache=Cache(data_folder("cdn") / "cache"),
        faults=Faults(),
        distribution=settings.cdn_distribution_id,
        access_key=settings.cdn_api_access_key.get_secret_value(),
        secret_key=settings.cdn_api_secret_key.get_secret_value(),
        host=settings.cdn_api_url.host or "localhost",
    )
    serve(app, address=settings.internal_host, port=settings.cdn_api_url.port or 80)


if __name__ == "__main__":
    main()
