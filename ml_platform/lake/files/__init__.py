"""Where the lake's files lie, in a folder or a bucket, and by which names. A folder and its ledger know each other here."""
