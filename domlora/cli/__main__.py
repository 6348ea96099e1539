"""`python -m domlora.cli`: the `domlora` command without its installed script."""

import sys

from domlora.cli.main import main

sys.exit(main())
