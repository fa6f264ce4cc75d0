"""Exit status 0 when the service answers that it is ready: a container's health check."""

import os
import sys
import urllib.request

PORT = os.environ.get("ACTALOG_HEALTH_PORT") or "9777"

try:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health/ready", timeout=3) as said:
        sys.exit(said.status != 200)
except OSError as error:  # not listening yet, or 503 with what is missing
    sys.exit(f"not ready: {error}")
