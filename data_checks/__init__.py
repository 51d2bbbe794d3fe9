"""What a snapshot must satisfy before anything is trained on it. Others call `validate.validate`."""
