"""Request envelopes: the forms of request and answer that `service_envelope` may name. Each module is one of them."""
