"""Master keys, the cipher of one row, fingerprints and the database's root. Knows no database."""
