"""`python -m relay.cli`: the command line where no script is installed."""

import sys

from relay.cli import main

sys.exit(main())
