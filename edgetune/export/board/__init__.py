"""Scripts that travel in a bundle and run on the board; they import nothing of edgetune."""
