"""CloudFront's REST API of 2020-05-31, as far as invalidations go: create, get, list."""

import re
from uuid import uuid4
from xml.etree import ElementTree as Xml

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from compose.sandboxes.cloudfront.cache import Cache
from compose.sandboxes.cloudfront.invalidations import Conflict, Invalidation, Invalidations
from compose.sandboxes.cloudfront.signature import refusal
from compose.sandboxes.faults import Fault, Faults, meet
from compose.sandboxes.serving import application

VERSION = "2020-05-31"
NAMESPACE = f"http://cloudfront.amazonaws.com/doc/{VERSION}/"
PATHS_MAX = 3_000
BODY_BYTES_MAX = 1 << 20
# Letters that CloudFront takes in a path; a `*` only at its end.
_PATH = re.compile(r"/[A-Za-z0-9_.~!$&'()+,;=:@%/-]*\*?")
_STATUS = {
    "MissingAuthenticationToken": 403,
    "RequestExpired": 403,
    "InvalidClientTokenId": 403,
    "SignatureDoesNotMatch": 403,
    "NoSuchDistribution": 404,
    "NoSuchInvalidation": 404,
    "MissingBody": 400,
    "MalformedXML": 400,
    "InvalidArgument": 400,
    "InconsistentQuantities": 400,
    "BatchTooLarge": 413,
    "Throttling": 429,
    "ServiceUnavailable": 503,
    "InternalFailure": 500,
}


class _Refused(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def build(
    *,
    invalidations: Invalidations,
    cache: Cache,
    faults: Faults,
    distribution: str,
    access_key: str,
    secret_key: str,
    host: str = "localhost",
) -> Starlette:
    """The application; `distribution` is the only one it has, `host` the name it is reached by."""

    async def admitted(request: Request) -> bytes:
        body = await request.body()
        said = refusal(
            request.method, str(request.url), request.headers, body, access_key=access_key, secret_key=secret_key
        )
        if said is not None:
            raise _Refused(said)
        if request.path_params["distribution"] != distribution:
            raise _Refused("NoSuchDistribution")
        return body

    async def create(request: Request) -> Response:
        body = await admitted(request)
        reference, paths = _batch(body)

        async def effect() -> Response:
            try:
                made = invalidations.add(reference, paths)
            except Conflict:
                raise _Refused("InvalidArgument") from None
            cache.purge(made.paths)
            return _answer(_one(made), 201, {"Location": f"{request.url}/{made.id}"})

        return await meet(faults.draw(request.url.path), effect, _as_fault)

    async def get(request: Request) -> Response:
        await admitted(request)
        found = invalidations.one(request.path_params["name"])
        if found is None:
            raise _Refused("NoSuchInvalidation")
        return _answer(_one(found), 200)

    async def listed(request: Request) -> Response:
        await admitted(request)
        return _answer(_list(invalidations.all()), 200)

    async def desk(_: Request) -> Response:
        return JSONResponse({"items": [one._asdict() for one in invalidations.all()]})

    at = f"/{VERSION}/distribution/{{distribution}}/invalidation"
    routes = [
        Route(at, create, methods=["POST"]),
        Route(at, listed, methods=["GET"]),
        Route(at + "/{name}", get, methods=["GET"]),
        Route("/sandbox/invalidations", desk, methods=["GET"]),
    ]
    app = application(routes, faults, host=host)
    app.add_exception_handler(_Refused, _refused)
    return app


def _batch(body: bytes) -> tuple[str, list[str]]:
    """The caller's reference and the paths of an InvalidationBatch."""
    if not body or len(body) > BODY_BYTES_MAX:
        raise _Refused("BatchTooLarge" if body else "MissingBody")
    if b"<!" in body:  # No document types, so no entities: the parser is Python's own.
        raise _Refused("MalformedXML")
    try:
        batch = Xml.fromstring(body)  # noqa: S314 - see above, and the sender is known by its signature
    except Xml.ParseError:
        raise _Refused("MalformedXML") from None
    reference = batch.findtext(f"{{{NAMESPACE}}}CallerReference")
    paths = [item.text or "" for item in batch.iterfind(f".//{{{NAMESPACE}}}Path")]
    quantity = batch.findtext(f"{{{NAMESPACE}}}Paths/{{{NAMESPACE}}}Quantity")
    if not reference or not paths or not all(_PATH.fullmatch(path) for path in paths):
        raise _Refused("InvalidArgument")
    if quantity != str(len(paths)):
        raise _Refused("InconsistentQuantities")
    if len(paths) > PATHS_MAX:
        raise _Refused("BatchTooLarge")
    return reference, paths


def _element(name: str, *children: Xml.Element, text: str | None = None) -> Xml.Element:
    made = Xml.Element(name)
    made.extend(children)
    made.text = text
    return made


def _one(found: Invalidation) -> Xml.Element:
    items = [_element("Path", text=path) for path in found.paths]
    paths = _element("Paths", _element("Quantity", text=str(len(items))), _element("Items", *items))
    return _element(
        "Invalidation",
        *_summary(found),
        _element("InvalidationBatch", paths, _element("CallerReference", text=found.reference)),
    )


def _summary(found: Invalidation) -> list[Xml.Element]:
    return [
        _element("Id", text=found.id),
        _element("CreateTime", text=found.created),
        _element("Status", text="Completed"),
    ]


def _list(found: list[Invalidation]) -> Xml.Element:
    return _element(
        "InvalidationList",
        _element("Marker"),
        _element("MaxItems", text="100"),
        _element("IsTruncated", text="false"),
        _element("Quantity", text=str(len(found))),
        _element("Items", *(_element("InvalidationSummary", *_summary(one)) for one in found)),
    )


def _answer(root: Xml.Element, status: int, headers: dict[str, str] | None = None) -> Response:
    root.set("xmlns", NAMESPACE)
    return Response(Xml.tostring(root, "utf-8", xml_declaration=True), status, headers, media_type="text/xml")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, _Refused)
    return _error(error.code, _STATUS[error.code])


def _error(code: str, status: int) -> Response:
    kind = "Sender" if status < 500 else "Receiver"
    said = _element(
        "Error", _element("Type", text=kind), _element("Code", text=code), _element("Message", text=f"{code}.")
    )
    return _answer(_element("ErrorResponse", said, _element("RequestId", text=str(uuid4()))), status)


def _as_fault(fault: Fault) -> Response:
    assert fault.status is not None
    code = next((name for name, status in _STATUS.items() if status == fault.status), "InternalFailure")
    return _error(code, fault.status)
