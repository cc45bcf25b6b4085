"""The process below a worker in which user code runs: its own /pfs, its own process tree, one datum after another.

Started as `python -S -E sandbox/main.py` so that it is up in about 10 ms: only the standard library and
`store/blobs.py` may be imported here. One sandbox serves one worker for its whole life; a datum costs no
namespace, no mount and no new directory tree. Files: main (commands in, events out), namespace (private roots),
layout (/pfs before a datum), command (the user's process), collect (/pfs/out afterwards), batching (NextDatum).
"""
