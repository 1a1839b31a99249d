"""What may be deleted: by rule, when nothing holds it any more, or because somebody is to be forgotten."""
