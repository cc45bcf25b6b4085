"""Verbs on pipelines: create, update, jobs, datums, logs."""
