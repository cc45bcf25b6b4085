"""Verbs on data: projects, repos, branches, commits, files, provenance, triggers."""
