"""One file for each model; `registry` lists them, `bundle` reads and writes those of one snapshot."""
