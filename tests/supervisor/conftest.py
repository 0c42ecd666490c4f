"""The same strictness as for the fault tests: a clean environment, and nothing is left behind."""

from tests.faults.conftest import (
    clean_environment as clean_environment,
)
from tests.faults.conftest import (
    no_leaked_tasks as no_leaked_tasks,
)
from tests.faults.conftest import (
    no_leaks as no_leaks,
)
from tests.faults.conftest import (
    no_secret_in_logs as no_secret_in_logs,
)
