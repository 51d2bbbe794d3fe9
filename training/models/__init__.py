"""One file for each model; `registry` lists them, `bundle` reads and writes those of one snapshot.

Others use `als`, `blend`, `bundle`, `ease`, `embeddings`, `fpgrowth`, `itemknn`, `nmf`, `popularity`,
`registry`, `tfidf` and `trending`.
"""
