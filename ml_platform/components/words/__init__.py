"""How declarations are read, checked and explained: files, lines, schemas, and a sentence for each mistake."""
