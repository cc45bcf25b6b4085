"""`python -m workshop.pachctl …` is `workshop pachctl …`, without click."""

import os
import sys

from workshop.pachctl.main import main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # nothing is left to save, and gRPC's threads need not be waited for
