"""What arrives → one Message or Rejection per recipient. Pure: no clock, no ids, no store, no network of its own."""
