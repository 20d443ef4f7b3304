"""What a search has learnt: its state while it runs, what matters, why a network was chosen."""
