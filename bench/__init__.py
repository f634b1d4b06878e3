"""The budgets of DESIGN.md, measured: `python -m bench.startup`, `.send`, `.history`, `.surface`.

Run them from the repository's root on a quiet machine. Each holds two things against each other in one run, since
only their ratio or difference means something; each exits with 1 when a budget is exceeded.

`bench.soak` measures no budget: it plays random faults for as long as it is told to.
"""
