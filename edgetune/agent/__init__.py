"""What runs on a board and clocks networks there, and what speaks to it from the host."""
