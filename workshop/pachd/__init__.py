"""An embedded pachd: Pachyderm 2.x's own gRPC protocol, a content-addressed store, and pipelines run by local workers.

One way only: wire -> verbs (pfs, pps) -> store, and scheduler -> workers -> runner. Wire and scheduler never import
each other;
they meet in the store. The pure modules (model, spec, glob, datums, provenance, errors, ids, cron) do no I/O.
"""
