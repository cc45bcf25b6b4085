"""One servicer per Pachyderm service: message -> one verb -> message."""
