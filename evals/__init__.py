"""Whether a model uses the tools rightly: tasks a person could set, played over our real server before a fake Letta.

`python -m evals.run --model openai:NAME` asks a model, `--scripted` plays what is known to be right and wrong, so that
the checks themselves are tested. Start reading in `evals/task.py`.
"""
