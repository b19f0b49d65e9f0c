"""Runs first in every kernel of `hfnmp lab`: a name that is not defined comes with what to do.

After a restart, or where cells were left out, "name 'checks' is not defined" is all that Python can
say; the cell that defines it stands above.
"""


def _explain(shell, kind, error, trace, tb_offset=None):
    if kind is NameError:
        error.args = (
            f"{error}. Is it spelled as above? Then the cell that makes it has not run since the "
            "kernel started: choose Run, Run All Above Selected Cell.",
        )
    shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


get_ipython().set_custom_exc((NameError,), _explain)  # noqa: F821
del _explain
