"""What is measured, against which peer, with which command: see README.md."""
