"""What a durable run costs, beside what others cost. Run `make bench`."""
