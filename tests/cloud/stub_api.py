"""A service of the smallest kind: says what its file said when it started. `--host H --port P`.

STUB_FILE is the address of a file with its version; STUB names what is wrong with it, if anything.
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

FAULT = os.environ.get("STUB", "")
FILE = Path(urlsplit(os.environ["STUB_FILE"]).path)
VERSION = FILE.read_text("utf-8")
ILL = Path(os.environ["TMPDIR"], "ill")
"""While this file is there, the process is not ready."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            Path(os.environ["TMPDIR"], "asked").touch()
            time.sleep(0.5)
        well = FAULT != "unready" and not ILL.exists()
        self.send_response(200 if well or self.path != "/ready" else 503)
        body = VERSION.encode()
        if self.path == "/environment":
            body = json.dumps([sys.argv, dict(os.environ)]).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if FAULT == "crash" or f"crash {VERSION}" == FAULT:
    sys.exit(3)
words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
ThreadingHTTPServer((words["--host"], int(words["--port"])), Handler).serve_forever()
