"""Lists of numbers: files and tables in, clean and de-duplicated numbers out."""
