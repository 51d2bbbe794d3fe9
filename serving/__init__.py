"""What clients call: the service (`serving.service`), its HTTP APIs, and the lists that they return."""
