"""`python -m s3copy_tasks.cli`."""

import sys

from s3copy_tasks.cli import main

sys.exit(main())
