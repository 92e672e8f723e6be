"""From documents to an index that can be searched: reading, splitting, embedding, building, searching."""
