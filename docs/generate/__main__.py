"""See the package."""

import sys

from docs.generate import differing, write

if sys.argv[1:] == ["check"]:
    if names := differing():
        sys.exit(f"docs/reference: {', '.join(names)} differ from the code; run `make contracts`")
else:
    print("\n".join(f"wrote docs/reference/{name}" for name in write()) or "nothing changed")
