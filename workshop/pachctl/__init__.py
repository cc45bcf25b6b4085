"""pachctl's commands on python_pachyderm.Client."""
