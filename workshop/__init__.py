"""The workshop: its command line, its steps and the embedded pachd."""
