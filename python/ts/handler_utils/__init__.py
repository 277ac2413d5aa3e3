"""What handlers use while they compute: streaming, timing, cancellation."""
