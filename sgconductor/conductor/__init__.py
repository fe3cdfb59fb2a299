"""What runs only inside a conductor."""
