"""What we claim about speed and statistics, each beside the peer it is compared with."""
