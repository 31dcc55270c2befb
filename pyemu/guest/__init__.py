"""What runs in guests: op programs, and the library of loads made of them."""
