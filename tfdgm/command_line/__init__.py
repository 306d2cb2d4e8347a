"""The `tfdgm` command and what it shows on the terminal."""
