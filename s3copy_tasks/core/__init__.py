"""Planning and accounting of copies, without any I/O, clock or framework."""
