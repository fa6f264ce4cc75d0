"""The command line. One small module for each command; what a command needs is imported when it
runs, so that `actalog --help` is quick."""
