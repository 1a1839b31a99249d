"""How an error of the platform ends a step of Dagster."""

import dagster as dg

from ml_platform.core.errors import LedgerUnavailableError, MlPlatformError
from ml_platform.core.masking import mask_error


def step_failure(error: MlPlatformError) -> dg.Failure:
    """Return the failure of a step, in the error's words and without secrets.

    What is wrong stays wrong, and a retry would only repeat it; but a database that cut the connection off may be there a moment later, and
    what such a step has published already is not published twice.

    Parameters
    ----------
    error : MlPlatformError
        What ended the step.

    Returns
    -------
    Failure
        To be raised from ``error``.
    """
    return dg.Failure(description=str(mask_error(error)), allow_retries=isinstance(error, LedgerUnavailableError))
