"""S3: s3proxy over a folder, two private buckets, signatures checked as Amazon checks them."""

import http.client
import os
import shlex
from collections.abc import Mapping

from compose.servers import kafka
from compose.stack import Stack, replace
from compose.trouble import Trouble

JAVA_OPTIONS = "-Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"

CONFIGURATION = """\
s3proxy.endpoint=http://127.0.0.1:{port}
s3proxy.authorization=aws-v2-or-v4
s3proxy.identity={identity}
s3proxy.credential={credential}
s3proxy.cors-allow-origins=*
s3proxy.cors-allow-methods=GET HEAD PUT POST
s3proxy.cors-allow-headers=*
s3proxy.cors-exposed-headers=ETag
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir={data}
"""
# Its own default is DEBUG, which prints every header of every request.
LOGGING = """\
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %-5level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""


def prepare(stack: Stack, env: Mapping[str, str]) -> None:
    """A bucket is a folder of the data folder."""
    data = stack.data / "s3"
    for bucket in (env["S3_BUCKET_UPLOADS"], env["S3_BUCKET_MEDIA"]):
        (data / bucket).mkdir(parents=True, exist_ok=True)
        (data / bucket).chmod(0o700)  # s3proxy takes a folder that others may read for a public bucket.
    text = CONFIGURATION.format(
        port=stack.port("s3"),
        identity=env["S3_ACCESS_KEY"],
        credential=env["S3_SECRET_KEY"],
        data=data,
    )
    replace(stack.config / "s3.properties", text, mode=0o600)
    replace(stack.config / "s3-logback.xml", LOGGING)


def command(stack: Stack) -> list[str]:
    program = kafka.java()
    if program is None:
        raise Trouble("Java is not installed.", fix="apt-get install -y default-jre-headless", code=2)
    jars = str(stack.root / ".local" / "lib" / "s3" / "*")
    logging = f"-Dlogback.configurationFile={stack.config / 's3-logback.xml'}"
    options = shlex.split(os.environ.get("MARKETPLACE_S3_JAVA", JAVA_OPTIONS))
    properties = str(stack.config / "s3.properties")
    return [program, *options, logging, "-cp", jars, "org.gaul.s3proxy.Main", "--properties", properties]


def ready(stack: Stack, env: Mapping[str, str]) -> str:
    """ "" once it refuses a stranger the list of the uploads bucket; else what it waits for."""
    line = http.client.HTTPConnection("127.0.0.1", stack.port("s3"), timeout=3)
    try:
        line.request("GET", f"/{env['S3_BUCKET_UPLOADS']}")
        status = line.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"S3 does not answer yet ({type(error).__name__})"
    finally:
        line.close()
    return "" if status == 403 else f"S3 answers {status} to a stranger, not 403"
