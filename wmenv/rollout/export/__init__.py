"""Data sets in the formats that others read, one file per format; each is a function of (data set, where to)."""
